"""Expectile regression (Newey and Powell 1987): asymmetric least squares, exact, at one level or many at once.

The estimand at level tau is the b that minimises E |tau - 1{y < x'b}| (y - x'b)^2: the tau-expectile of y given x if that
is linear in x, its best linear predictor in this loss if not, and least squares at tau = 1/2. Standard errors are those of
the sandwich, joint over levels; they assume independent rows (or clusters) and four moments of the outcome, no density.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.formula.scale import check_columns, check_sizes
from statinf.inference.levels import levels_of
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.numerics.linear.asymmetric import asymmetric_squares, asymmetry
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.triangular import solve_triangular
from statinf.quantile.expectile.fit import ExpectileFit
from statinf.quantile.expectile.solved import SolvedExpectiles, moments_of
from statinf.quantile.solve import kept_columns
from statinf.quantile.table import EXPECTILE
from statinf.quantile.working import working_rows
from statinf.results import Estimate, Method, Options, count


@dataclass(frozen=True, kw_only=True)
class ExpectileOptions(Options):
    """Options of `si.expectile`."""

    max_iter: int = count(100, "most Newton steps; each ends at the minimum unless rows change sides")


@dataclass(frozen=True)
class ExpectileProblem:
    """Rows and levels (k,) in increasing order."""

    design: Design
    levels: np.ndarray


def estimate(problem: ExpectileProblem, options: ExpectileOptions) -> Estimate:
    """Exact coefficients at every level, stacked level by level."""
    made, levels = problem.design, problem.levels
    matrix = made.parts[0]
    common.check_outcome(made.y, made.weights, made.response_names[0])
    check_columns(matrix)
    kept, aliases = kept_columns(made)
    coef = np.full((len(levels), matrix.p), np.nan)
    rows = working_rows(made, np.where(kept, 0.0, np.nan)[None])
    n, p = rows.Z.shape
    common.check_size(n, p, matrix.names)
    factor = triangular_factor(rows.Z, rows.w)
    whiten = solve_triangular(factor, np.eye(p))
    found = asymmetric_squares(rows.Z @ whiten, rows.y, levels, rows.w, max_iter=options.max_iter)
    inner = found.coef @ whiten.T
    coef[:, kept] = rows.carried(inner)
    if matrix.intercept:
        null = asymmetric_squares(np.ones((n, 1)), rows.y, levels, rows.w, max_iter=options.max_iter).loss
    else:
        whole = np.broadcast_to(rows.y + rows.level, (len(levels), n))
        null = (asymmetry(whole, levels) * whole**2) @ rows.w
    names = matrix.names
    return Estimate(
        terms=names if len(levels) == 1 else tuple(f"e{t:g}: {c}" for t in levels for c in names),
        theta=coef.ravel(),
        moments=partial(moments_of, SolvedExpectiles(made, levels, coef, inner)),
        nobs=n,
        df_resid=float(n - p),
        extra={
            "tau": levels,
            "columns": names,
            "objective": found.loss,
            "null_objective": null,
            "aliases": aliases,
            "steps": found.steps,
            "inner": inner,
        },
    )


METHOD = Method(
    verb="expectile",
    name="",
    estimate=estimate,
    options=ExpectileOptions,
    summary="exact linear expectile regression at any number of levels",
    citation="Newey and Powell (1987), Asymmetric least squares estimation and testing",
    guarantee="exact minimisers; robust, clustered and stacked errors, bands over levels",
    vignette="quantile-effects",
)


@EXPECTILE.document
def expectile(
    formula: str,
    data: Any,
    *,
    tau: float | Sequence[float] = 0.5,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> ExpectileFit:
    """Fit linear expectile regressions.

    The expectile at level tau is to the mean what the quantile is to the median: the value that the outcome exceeds, on
    average, by as much as it falls short of it, excesses counted with weight tau and shortfalls with 1 - tau. At tau = 0.5
    the fit is that of `statinf.lm`.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        As `statinf.lm` takes it.
    tau : float or sequence of float
        Levels in (0, 1).
    vcov : str or mapping, optional
        "iid", "HC0", "HC1" (default), "HC2", "HC3", or `{"cluster": "column"}`, with an optional "type" (HC2 and HC3 for
        one level at a time); the stacked sandwich (HC0) with a `Weights`. All are joint over levels.
    weights : array of shape (rows,), str or Weights, optional
        Multiply each row's loss. With a `Weights` the standard errors account for its estimation.
    cluster : str or sequence of str, optional
        Columns to cluster by.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    **options
        {methods}

    Returns
    -------
    ExpectileFit
        Tables carry a column `tau`; `predict` has one column per level, named "e0.1"; `equal_slopes()` and `process()` as
        those of `statinf.rq`.

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    Newey and Powell (1987), Econometrica 55; Aigner, Amemiya and Poirier (1976).

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.expectile("foodexp ~ income", si.datasets.load("engel"), tau=[0.1, 0.5, 0.9])
    >>> fit.tidy()[["tau", "term", "estimate", "std_error"]].round(4).tail(2)
       tau       term  estimate  std_error
    4  0.9  Intercept  109.0214    43.3522
    5  0.9     income    0.6017     0.0457
    """
    method, settings = EXPECTILE.read("", options)
    levels = levels_of(tau)
    spec = VcovSpec.read(vcov, cluster, ExpectileFit.vcov_kinds)
    made = common.regression_design(
        formula, data, weights=weights, vcov=spec, cluster=cluster, na_action=na_action, context=context
    )
    check_sizes(made)
    found = method.estimate(ExpectileProblem(made, levels), settings)
    return ExpectileFit.of(made, found, vcov, method=method, cluster=cluster)
