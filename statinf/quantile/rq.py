"""Linear quantile regression (Koenker and Bassett 1978), exact, at one level or hundreds at once.

The estimand at level tau is the coefficient vector b of Q_tau(y | x) = x'b; if that model is wrong, the best
linear predictor in the check loss E rho_tau(y - x'b). Standard errors suppose independent rows (or clusters),
and for each level a positive conditional density of the outcome at its quantile.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from statinf.errors import ConvergenceError, DataError, NotIdentifiedError, NumericalWarning, OptionError, one_of
from statinf.formula.design import Design
from statinf.inference.sandwich import Covariance
from statinf.models import regression as common
from statinf.numerics.linear.least_squares import TOLERANCE, solve
from statinf.numerics.quantreg.coordinates import Coordinates, coordinates
from statinf.numerics.quantreg.noncrossing import fit_noncrossing
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.quantile import inference as how
from statinf.quantile.covariance import BANDWIDTHS
from statinf.quantile.fit import QuantileFit
from statinf.quantile.working import working_rows

CITATION = "Koenker and Bassett (1978), Regression quantiles"
BONDELL = "Bondell, Reich and Wang (2010), Noncrossing quantile regression curve estimation"
_CLEARLY_FULL_RANK = 1e-6
_ROUNDING = 8 * np.finfo(float).eps


def rq(
    formula: str,
    data: Any,
    *,
    tau: float | Sequence[float] = 0.5,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    noncrossing: bool = False,
    bandwidth: str = "hall-sheather",
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> QuantileFit:
    """Fit linear quantile regressions.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        pandas, polars, pyarrow, duckdb, a dict of arrays, or the path of a parquet or csv file.
    tau : float or sequence of float
        Levels in (0, 1).
    vcov : str or mapping, optional
        How standard errors are made, as in `summary.rq` of R's quantreg. Estimates do not depend on it: where the
        default does not exist the fit comes without standard errors and says which kinds there are.
        "nid" (default), densities from neighbouring levels (Hendricks and Koenker 1991);
        "iid", one density for all rows; "ker", kernel densities (Powell 1991);
        "rank", confidence limits by inversion of rank tests with one density for all rows (Koenker 1994; R's
        se="rank"), "rank-nid" with unequal densities (R's iid=FALSE), with the standard errors of "iid" and "nid";
        "boot", or `{"boot": kind, "replicas": 500}` with kind "pairs", "bayesian", "pwy", "wild" or "multiplier";
        `{"cluster": "column"}` (Parente and Santos Silva 2016).
    weights : array of shape (rows,), str or Weights, optional
        Multiply each row's loss. With a `Weights` the standard errors account for its estimation.
    cluster : str, optional
        Column to cluster by; the same as `vcov={"cluster": column}`.
    noncrossing : bool
        Fit all levels together under the constraint that they do not cross anywhere in the box spanned by the
        regressors (Bondell, Reich and Wang 2010). Standard errors are those of the unconstrained fit, which is
        the same in large samples.
    bandwidth : {"hall-sheather", "bofinger"}
        Of the density estimates.
    seed : int
        Of `vcov="boot"`.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.

    Returns
    -------
    QuantileFit
        Tables carry a column `tau`; `predict` has one column a level, named "q0.1".

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    Koenker and Bassett (1978), Econometrica 46; Koenker (2005), Quantile Regression.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.rq("foodexp ~ income", si.datasets.load("engel"), tau=[0.1, 0.5, 0.9])
    >>> fit.tidy()[["tau", "term", "estimate", "std_error"]].round(4).tail(2)
       tau       term  estimate  std_error
    4  0.9  Intercept   67.3509    22.3954
    5  0.9     income    0.6863     0.0285
    """
    levels = levels_of(tau)
    one_of("bandwidth", bandwidth, BANDWIDTHS)
    asked = vcov is not None or cluster is not None
    if vcov is None:
        vcov = "nid" if cluster is None else {"cluster": cluster}
    chosen = how.with_cluster(how.check_vcov(vcov), cluster)
    named = chosen if isinstance(chosen, dict) and "cluster" in chosen else None
    made = common.regression_design(
        formula, data, weights=weights, vcov=named, cluster=cluster, na_action=na_action, context=context
    )
    solved = _solve(made, levels, noncrossing, weighted=weights is not None)
    names = made.parts[0].names
    fit = QuantileFit(
        method="rq",
        formula=made.recipe.formula,
        citation=BONDELL if noncrossing else CITATION,
        nobs=solved.n,
        terms=names if len(levels) == 1 else tuple(f"q{t:g}: {c}" for t in levels for c in names),
        theta=solved.theta.ravel(),
        cov=Covariance(np.empty((0, 0)), "", "", np.inf),
        df_resid=float(solved.n - solved.p),
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        design=made,
        tau=levels,
        columns=names,
        objective=solved.objective,
        null_objective=solved.null_objective,
        basis=solved.basis,
        dual=solved.dual,
        rule=bandwidth,
        noncrossing=noncrossing,
        at=solved.at,
    )
    if isinstance(chosen, dict) and "boot" in chosen:
        chosen = {"seed": seed} | chosen
    if asked:
        return fit.with_vcov(chosen)
    try:
        return fit.with_vcov(chosen)
    except (NotIdentifiedError, ConvergenceError) as reason:
        return how.without_errors(fit, str(reason))


class _Solved(NamedTuple):
    """Coefficients (k, p) with NaN for aliased columns, the certificate, check losses (k,), the rows and columns used."""

    theta: np.ndarray
    basis: np.ndarray | None
    dual: np.ndarray | None
    objective: np.ndarray
    null_objective: np.ndarray
    n: int
    p: int
    at: Coordinates | None


def _solve(made: Design, levels: np.ndarray, noncrossing: bool, *, weighted: bool) -> _Solved:
    """Fit all levels on the rows of positive weight."""
    matrix = made.parts[0]
    kept = _full_rank_columns(made)
    several = noncrossing and len(levels) > 1
    nothing = np.where(kept, 0.0, np.nan)[None]
    rows = working_rows(made, nothing, orthogonal=not several)
    n, p = rows.Z.shape
    common.check_size(n, p, matrix.names)
    _warn_extreme(levels, n)
    w = rows.w if weighted else None
    theta = np.full((len(levels), matrix.p), np.nan)
    basis = dual = None
    if several:
        if not matrix.intercept:
            raise OptionError("noncrossing=True needs an intercept in the formula.")
        inner = fit_noncrossing(rows.Z, rows.y, levels, w, matrix.names.index("Intercept"))
    else:
        solution = solve_quantiles(rows.Z, rows.y, levels, w)
        inner, basis, dual = solution.coef, solution.basis, solution.dual
        _warn_several_solutions(solution.dual, levels)
    theta[:, kept] = rows.carried(inner)
    objective = _check_loss(rows.y[None] - inner @ rows.Z.T, levels, rows.w)
    null = objective
    if matrix.intercept:
        alone = solve_quantiles(np.ones((n, 1)), rows.y, levels, w).coef
        null = _check_loss(rows.y[None] - alone, levels, rows.w)
    return _Solved(theta, basis, dual, objective, null, n, p, rows.at)


def levels_of(tau: Any) -> np.ndarray:
    """Levels in increasing order, or an `OptionError` that names the one outside (0, 1)."""
    levels = given_levels(tau)
    ordered = np.unique(levels)
    if len(ordered) != len(levels) or (ordered != levels).any():
        warnings.warn("the levels tau were sorted and repeated ones dropped.", NumericalWarning, stacklevel=3)
    return ordered


def given_levels(tau: Any) -> np.ndarray:
    """Levels in the order given, or an `OptionError` that names the one outside (0, 1)."""
    try:
        levels = np.atleast_1d(np.asarray(tau, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(f"tau={tau!r} is not a level or a list of levels in (0, 1).") from None
    if levels.ndim != 1 or not len(levels):
        raise OptionError(f"tau={tau!r}: give one level or a list of levels in (0, 1).")
    bad = levels[~((levels > 0) & (levels < 1))]
    if len(bad):
        raise OptionError(f"tau={bad[0]:g} is outside (0, 1).")
    return levels


def _full_rank_columns(made: Any) -> np.ndarray:
    """Columns that are not determined by those before them, shape (p,) bool."""
    matrix = made.parts[0]
    used = made.weights > 0
    X = matrix.values if used.all() else matrix.values[used]
    if not len(X):
        raise DataError("no row has a positive weight.")
    at = coordinates(X, orthogonal=False, even=True)
    Z = X if at is None else at.columns(X)
    gram = Z.T @ Z
    scale = np.sqrt(np.diag(gram))
    if (scale > 0).all() and np.linalg.eigvalsh(gram / np.outer(scale, scale))[0] > _CLEARLY_FULL_RANK:
        return np.ones(X.shape[1], bool)
    # A column far from zero is known to the rounding of its values, and so is what it determines.
    far = 0.0 if at is None else float(np.max(np.abs(at.shift) / at.scale))
    solution = solve(Z, made.y[used], None, tolerance=max(TOLERANCE, _ROUNDING * far))
    common.warn_aliased(matrix, solution.kept, solution.condition)
    return solution.kept


def _check_loss(residual: np.ndarray, tau: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.maximum(tau[:, None] * residual, (tau[:, None] - 1.0) * residual) @ w


def _warn_extreme(levels: np.ndarray, n: int) -> None:
    extreme = levels[np.minimum(levels, 1 - levels) * n < 1]
    if len(extreme):
        warnings.warn(
            f"tau={extreme[0]:g} is beyond the reach of {n} rows: the fit passes through extreme rows and its "
            "standard errors mean nothing.",
            NumericalWarning,
            stacklevel=4,
        )


def _warn_several_solutions(dual: np.ndarray, tau: np.ndarray) -> None:
    """A subgradient at an end of its range means an edge along which the loss does not change."""
    distance = np.minimum(dual - (tau[:, None] - 1.0), tau[:, None] - dual).min(axis=1)
    flat = tau[distance < 1e-8]
    if len(flat):
        shown = ", ".join(f"{t:g}" for t in flat[:5]) + (", ..." if len(flat) > 5 else "")
        warnings.warn(
            f"the check loss has several minimisers at tau = {shown}; the fit is one of them, at a vertex.",
            NumericalWarning,
            stacklevel=4,
        )
