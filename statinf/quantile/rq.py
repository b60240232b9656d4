"""Linear quantile regression (Koenker and Bassett 1978), exact, at one level or hundreds at once.

The estimand at level tau is the coefficient vector b of Q_tau(y | x) = x'b; if that model is wrong, the best
linear predictor in the check loss E rho_tau(y - x'b). Standard errors assume independent rows (or clusters),
and for each level a positive conditional density of the outcome at its quantile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.formula.design import Design
from statinf.formula.scale import check_sizes
from statinf.inference.levels import levels_of
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.numerics.quantreg.bandwidth import BANDWIDTHS
from statinf.passes import block_table
from statinf.quantile import bootstraps
from statinf.quantile import inference as how
from statinf.quantile.fit import QuantileFit
from statinf.quantile.solve import solve_design
from statinf.quantile.table import RQ
from statinf.results import Estimate, Method, Options, choice, flag


@dataclass(frozen=True, kw_only=True)
class RqOptions(Options):
    """Options of `si.rq`."""

    noncrossing: bool = flag(
        False,
        "fit all levels together under the constraint that they do not cross anywhere in the box spanned by the "
        "regressors (Bondell, Reich and Wang 2010); standard errors are those of the unconstrained fit, which is the "
        "same in large samples",
    )
    bandwidth: str = choice("hall-sheather", BANDWIDTHS, "rule for the window of the density estimates")


@dataclass(frozen=True)
class LinearQuantileProblem:
    """Rows, levels (k,) in increasing order, and whether the rows have weights."""

    design: Design
    levels: np.ndarray
    weighted: bool


def estimate(problem: LinearQuantileProblem, options: RqOptions) -> Estimate:
    """Exact coefficients at every level, stacked level by level."""
    levels, names = problem.levels, problem.design.parts[0].names
    solved, null, aliases = solve_design(
        problem.design,
        levels,
        noncrossing=options.noncrossing,
        rule=options.bandwidth,
        weighted=problem.weighted,
    )
    return Estimate(
        terms=names if len(levels) == 1 else tuple(f"q{t:g}: {c}" for t in levels for c in names),
        theta=solved.coef.ravel(),
        moments=partial(how.moments_of, solved),
        covary=partial(how.covariance_of, solved),
        nobs=int(np.count_nonzero(problem.design.weights > 0)),
        df_resid=solved.df_resid,
        extra={
            "tau": levels,
            "columns": names,
            "objective": solved.objective,
            "null_objective": null,
            "basis": solved.basis,
            "dual": solved.dual,
            "rule": options.bandwidth,
            "noncrossing": options.noncrossing,
            "aliases": aliases,
        },
    )


METHOD = Method(
    verb="rq",
    name="",
    estimate=estimate,
    options=RqOptions,
    summary="exact linear quantile regression at any number of levels",
    citation="Koenker and Bassett (1978), Regression quantiles",
    guarantee="exact vertex solutions; R's standard errors, clusters, bands over levels",
    vignette="quantile-regression",
)
NONCROSSING = replace(
    METHOD, citation="Bondell, Reich and Wang (2010), Noncrossing quantile regression curve estimation"
)


@RQ.document
def rq(
    formula: str,
    data: Any,
    *,
    tau: float | Sequence[float] = 0.5,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> QuantileFit:
    """Fit linear quantile regressions.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        pandas, polars, pyarrow, duckdb, a dict of arrays, or the path of a parquet or csv file; also data that are read in
        blocks (`statinf.blocks`), whose standard errors are "nid".
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
    cluster : str, sequence of str or array, optional
        Column to cluster by; the same as `vcov={"cluster": column}`.
    seed : int
        Of `vcov="boot"`.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    QuantileFit
        Tables carry a column `tau`; `predict` has one column per level, named "q0.1".

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
    method, settings = RQ.read("", options)
    check_seed(seed)
    levels = levels_of(tau)
    spec = VcovSpec.read(vcov, cluster, how.KINDS)
    if spec.kind == "boot":
        spec = replace(spec, settings={"seed": seed} | dict(spec.settings))
        bootstraps.check_settings(spec.settings)
    table = block_table(data, formula, weights, cluster)
    if table is not None:
        from statinf.quantile.rq_passes import rq_passes

        reading = {"weights": weights, "cluster": cluster, "na_action": na_action, "context": context}
        return rq_passes(formula, table, method, settings, levels, spec, **reading)
    made = common.regression_design(
        formula,
        data,
        weights=weights,
        vcov=spec,
        cluster=cluster,
        na_action=na_action,
        context=context,
    )
    check_sizes(made)
    with reporting(progress):
        found = method.estimate(LinearQuantileProblem(made, levels, weights is not None), settings)
        record = NONCROSSING if settings.noncrossing else method
        if spec.kind == "boot":
            return QuantileFit.of(made, found, VcovSpec("none"), method=record).with_vcov(spec)
        return QuantileFit.of(made, found, spec, method=record)
