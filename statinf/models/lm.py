"""Linear regression by weighted least squares.

The estimand is the coefficient vector of the best linear predictor of the outcome under the weighted
distribution of the rows. Standard errors follow White (1980) and MacKinnon and White (1985); with weights
that were estimated they are those of the stacked estimating equations (Newey and McFadden 1994).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.formula.scale import check_columns
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.models.absorb_options import AbsorbOptions
from statinf.models.linear_fit import LinearFit
from statinf.models.row_counts import ONE_EACH, RowCounts, counted, weights_kind_option
from statinf.models.table import LM
from statinf.models.together import outcomes_together, shared_solution
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.least_squares import LeastSquaresSolution
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.passes import block_table, refuse_blocks
from statinf.results import Estimate, Method, number, stack_scores
from statinf.results.predicting import predictor
from statinf.results.several import several


@dataclass(frozen=True, kw_only=True)
class LmOptions(AbsorbOptions):
    """Options of least squares."""

    tol: float = number(
        TOLERANCE,
        "a column is aliased if less than this share of its length about its mean is left beside the columns before it; "
        "R has 1e-7",
        low=0,
        high=1,
        open_low=True,
    )
    weights_kind: str = weights_kind_option()


def estimate(made: Design, options: LmOptions, rows: RowCounts = ONE_EACH) -> Estimate:
    """Least squares of the outcome on the columns of the design."""
    matrix = made.parts[0]
    positive = made.weights > 0
    nobs = rows.nobs(made.weights)
    common.check_outcome(made.y, made.weights, made.response_names[0])
    check_columns(matrix)
    outcome = made.y if made.offset is None else made.y - made.offset
    plain = bool((made.weights == 1.0).all())
    solution = shared_solution(made, outcome, None if plain else made.weights, options.tol)
    common.check_size(nobs, solution.rank, matrix.names)
    common.warn_aliased(matrix.names, solution.kept, solution.condition)
    fitted = predictor(matrix, solution.coef, made.offset)
    centre = np.average(fitted, weights=made.weights) if matrix.intercept else 0.0
    return Estimate(
        terms=matrix.names,
        theta=solution.coef,
        moments=partial(moments, made, solution, rows, fitted),
        nobs=nobs,
        df_resid=float(nobs - solution.rank),
        extra={
            "factor": solution.factor,
            "aliases": solution.aliases,
            "rss": float(solution.rss),
            "mss": float(np.sum(made.weights * (fitted - centre) ** 2)),
            "intercept": matrix.intercept,
            "log_weights": _log_weights(made.weights[positive], rows),
            "weights_kind": rows.weights_kind,
            "copies": rows.copies,
        },
    )


def _log_weights(weights: np.ndarray, rows: RowCounts) -> float:
    """What the weights add to twice the log-likelihood."""
    if not rows.likely:
        return np.nan
    return 0.0 if rows.copies is not None or (weights == 1.0).all() else float(np.sum(np.log(weights)))


def moments(
    made: Design, solution: LeastSquaresSolution, rows: RowCounts = ONE_EACH, fitted: np.ndarray | None = None
) -> Moments:
    """Scores and bread of the normal equations."""
    matrix = made.parts[0]
    x = common.kept_columns(matrix, solution.kept)[1]
    residual = made.y - (predictor(matrix, solution.coef, made.offset) if fitted is None else fitted)
    stacked = {}
    if made.weights_object is not None:
        stacked = stack_scores(made.weights_object, made.rows, x * residual[:, None])
    bread = inverse_gram(solution.factor)
    nobs = rows.nobs(made.weights)
    df = float(nobs - solution.rank)
    plain = bool((made.weights == 1.0).all())
    multiplier = residual if plain else residual * made.weights
    return Moments(
        lambda: x * multiplier[:, None],
        bread,
        nobs,
        df,
        bread * (float(solution.rss) / df) if df > 0 else None,
        columns=x,
        working=made.weights,
        residual=residual,
        factor=solution.factor,
        present=made.weights > 0,
        copies=rows.copies,
        variance=None if plain else rows.variances(made.weights),
        multiplier=multiplier,
        **stacked,
    )


METHOD = Method(
    verb="lm",
    name="",
    estimate=estimate,
    options=LmOptions,
    summary="weighted least squares; heteroskedasticity-robust covariance",
    citation="White (1980); MacKinnon and White (1985)",
    guarantee="robust, clustered and stacked standard errors of the best linear predictor",
    vignette="start",
)


@LM.document
@several(together=outcomes_together)
def lm(
    formula: str,
    data: Any,
    *,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    absorb: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> LinearFit:
    """Fit a linear regression.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one. `cbind(y1, y2) ~ terms` is a fit for each outcome;
        `sw(x, z)` tries its terms in turn, `csw(x, z)` adds them one by one, and `sw0()`, `csw0()` begin with none.
    data : data frame
        pandas, polars, pyarrow, duckdb, a dict of arrays, or the path of a parquet or csv file; also data beyond memory, which
        are read in blocks (`statinf.blocks`).
    vcov : str or mapping, optional
        "iid", "HC0" to "HC3", "HC4", "HC4m", "HC5". HC1 by default; clusters if `cluster` is given; the
        stacked sandwich (HC0) with a `Weights` object.
        `{"cluster": "column"}`, or several columns in a list, with an optional "type" of "HC0" to "HC3"; "CR2" (the same
        as "HC2", one column) gives each coefficient Satterthwaite's degrees of freedom, with errors whose variances are
        inverse to the weights as the working model. "df" chooses "satterthwaite", "imbens-kolesar" (a random effect of
        the cluster as the working model) or "clusters" (their number less one);
        "factor" gives all intersections of several columns the factor of the fewest clusters ("min", as fixest) or each
        its own ("each", as R's sandwich).
        `{"hac": lags, "time": "column"}` for a series, or with "unit" for units of a panel: lags in the order of the times,
        or "newey-west" or "andrews" for a bandwidth from the data; "kernel" is "bartlett", "parzen" or
        "quadratic-spectral", "prewhite" the order of an autoregression. `{"driscoll-kraay": lags, "time": "column"}` sums
        over the rows of each time first. `{"conley": kilometres, "latitude": "column", "longitude": "column"}` for rows near
        each other ("kernel" "uniform" or "bartlett"), with "time" only those of the same time, and with "unit" and "lags"
        also each unit's own past. "adjust" (True) is the small-sample factor of each, (n - 1) / (n - k) T / (T - 1) with T
        times and n / (n - k) in space.
    weights : array of shape (rows,), str or Weights, optional
        Precision weights as in R's `lm`, or a `Weights`, whose estimation the standard errors then
        account for; `weights_kind=` gives them another meaning.
    cluster : str or sequence of str, optional
        Columns to cluster by.
    absorb : str or sequence of str, optional
        Factors of many levels whose effects are taken out instead of written as dummies: "firm + year", "firm^year" for
        combinations, or a list. Coefficients and standard errors are those of the regression with dummies (clustered ones
        as fixest counts coefficients); the fit has `fixed_effects()` and `r2_within`.
    na_action : {"drop", "raise"}
        Leave incomplete rows out and count them, or refuse them.
    context : mapping, optional
        Functions that the formula uses by name.
    by : str, optional
        A column: a fit for each of its values.
    **options
        {methods}

    Returns
    -------
    LinearFit
        Or `Fits`, a sequence of them, for several outcomes, steps or `by`; each fit leaves out its own incomplete rows.

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    White (1980), Econometrica 48; MacKinnon and White (1985), Journal of Econometrics 29; Pustejovsky and Tipton (2018),
    arXiv 1601.01981; Newey and West (1987), Econometrica 55; Driscoll and Kraay (1998); Conley (1999).

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt + hp", si.datasets.load("mtcars"))
    >>> fit.params.round(3).to_dict()
    {'Intercept': 37.227, 'wt': -3.878, 'hp': -0.032}
    >>> fit.with_vcov("HC3").cov.label
    'HC3'

    Effects of firms and years, absorbed:

    >>> panel = si.datasets.load("grunfeld")
    >>> fit = si.lm("invest ~ value + capital", panel, absorb="firm + year", cluster="firm")
    >>> fit.params.round(4).to_dict()
    {'value': 0.1167, 'capital': 0.3514}
    >>> fit.fixed_effects("firm")["level"].tolist()[:2]
    ['General Motors', 'US Steel']

    Two outcomes, each with a term more from fit to fit:

    >>> fits = si.lm("cbind(mpg, qsec) ~ csw(wt, hp)", si.datasets.load("mtcars"))
    >>> fits.names
    ('mpg: wt', 'mpg: wt + hp', 'qsec: wt', 'qsec: wt + hp')
    """
    chosen, settings = LM.read("", options)
    spec = VcovSpec.read(vcov, cluster, LinearFit.vcov_kinds)
    if absorb is not None:
        refuse_blocks(data, formula, "absorb", absorb)
        from statinf.models.absorbed_lm import absorbed_lm

        reading = {"weights": weights, "na_action": na_action, "context": context}
        return absorbed_lm(formula, data, absorb, chosen, settings, spec, cluster, **reading)
    table = block_table(data, formula, weights, cluster)
    if table is not None:
        from statinf.models.lm_passes import lm_passes

        reading = {"weights": weights, "cluster": cluster, "na_action": na_action, "context": context}
        return lm_passes(formula, table, chosen, settings, spec, vcov, **reading)
    made = common.regression_design(
        formula, data, weights=weights, vcov=spec, cluster=cluster, na_action=na_action, context=context
    )
    made, rows = counted(made, settings.weights_kind)
    return LinearFit.of(made, chosen.estimate(made, settings, rows), vcov, method=chosen, cluster=cluster)
