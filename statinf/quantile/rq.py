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

from statinf.errors import DataError, NumericalWarning, OptionError, one_of
from statinf.formula.design import Design
from statinf.inference.sandwich import Covariance
from statinf.models import regression as common
from statinf.numerics.linear.least_squares import TOLERANCE, solve
from statinf.numerics.quantreg.noncrossing import fit_noncrossing
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.quantile import inference as how
from statinf.quantile.covariance import BANDWIDTHS
from statinf.quantile.fit import QuantileFit

CITATION = "Koenker and Bassett (1978), Regression quantiles"
BONDELL = "Bondell, Reich and Wang (2010), Noncrossing quantile regression curve estimation"
_CLEARLY_FULL_RANK = 1e-6


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
        How standard errors are made, as in `summary.rq` of R's quantreg:
        "nid" (default), densities from neighbouring levels (Hendricks and Koenker 1991);
        "iid", one density for all rows; "ker", kernel densities (Powell 1991);
        "rank" and "rank-iid", confidence limits by inversion of rank tests (Koenker 1994), with the standard
        errors of "nid" and "iid" (R's se="rank" has one density for all rows: "rank-iid");
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
    if vcov is None:
        vcov = "nid" if cluster is None else {"cluster": cluster}
    chosen = how.check_vcov(vcov)
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
    )
    if isinstance(chosen, dict) and "boot" in chosen:
        chosen = {"seed": seed} | chosen
    return fit.with_vcov(chosen)


class _Solved(NamedTuple):
    """Coefficients (k, p) with NaN for aliased columns, the certificate, check losses (k,), rows and columns used."""

    theta: np.ndarray
    basis: np.ndarray | None
    dual: np.ndarray | None
    objective: np.ndarray
    null_objective: np.ndarray
    n: int
    p: int


def _solve(made: Design, levels: np.ndarray, noncrossing: bool, *, weighted: bool) -> _Solved:
    """Fit all levels on the rows of positive weight."""
    matrix = made.parts[0]
    kept = _full_rank_columns(made)
    rows = how.rows_of(made, np.where(kept, 0.0, np.nan)[None])
    n, p = rows.X.shape
    common.check_size(n, p, matrix.names)
    _warn_extreme(levels, n)
    w = rows.w if weighted else None
    theta = np.full((len(levels), matrix.p), np.nan)
    basis = dual = None
    if noncrossing and len(levels) > 1:
        if not matrix.intercept:
            raise OptionError("noncrossing=True needs an intercept in the formula.")
        theta[:, kept] = fit_noncrossing(rows.X, rows.y, levels, w, matrix.names.index("Intercept"))
    else:
        solution = solve_quantiles(rows.X, rows.y, levels, w)
        theta[:, kept], basis, dual = solution.coef, solution.basis, solution.dual
        _warn_several_solutions(solution.dual, levels)
    objective = _check_loss(rows.y[None] - theta[:, kept] @ rows.X.T, levels, rows.w)
    null = objective
    if matrix.intercept:
        alone = solve_quantiles(np.ones((n, 1)), rows.y, levels, w).coef
        null = _check_loss(rows.y[None] - alone, levels, rows.w)
    return _Solved(theta, basis, dual, objective, null, n, p)


def levels_of(tau: Any) -> np.ndarray:
    """Levels in increasing order, or an `OptionError` that names the one outside (0, 1)."""
    try:
        levels = np.atleast_1d(np.asarray(tau, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(f"tau={tau!r} is not a level or a list of levels in (0, 1).") from None
    if levels.ndim != 1 or not len(levels):
        raise OptionError(f"tau={tau!r}: give one level or a list of levels in (0, 1).")
    bad = levels[~((levels > 0) & (levels < 1))]
    if len(bad):
        raise OptionError(f"tau={bad[0]:g} is outside (0, 1).")
    ordered = np.unique(levels)
    if len(ordered) != len(levels) or (ordered != levels).any():
        warnings.warn("the levels tau were sorted and repeated ones dropped.", NumericalWarning, stacklevel=3)
    return ordered


def _full_rank_columns(made: Any) -> np.ndarray:
    """Columns that are not determined by those before them, shape (p,) bool."""
    matrix = made.parts[0]
    used = made.weights > 0
    X = matrix.values if used.all() else matrix.values[used]
    if not len(X):
        raise DataError("no row has a positive weight.")
    gram = X.T @ X
    scale = np.sqrt(np.diag(gram))
    if (scale > 0).all() and np.linalg.eigvalsh(gram / np.outer(scale, scale))[0] > _CLEARLY_FULL_RANK:
        return np.ones(X.shape[1], bool)
    solution = solve(X, made.y[used], None, tolerance=TOLERANCE)
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
