"""Regression adjustment with all interactions (Lin 2013, arXiv 1208.2301), or the plain regression coefficient.

The outcome is regressed on the treatment, the covariates less their mean and the products of both; the
treatment's coefficient is the average effect over the rows (ATE), the treated (ATT) or the controls (ATC),
according to whose mean is taken out. It needs a linear outcome in each arm, or random assignment, under which
it is never less precise than the difference in means. Standard errors are those of the regression: they take
the covariates as given, unless `target="population"` adds what their mean's estimation contributes.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.estimate import Estimate
from statinf.effects.options import Options
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, NotIdentifiedError, OptionError, one_of
from statinf.inference.sandwich import Moments
from statinf.numerics.linear.least_squares import solve
from statinf.results import stack_scores

CITATION = "regression adjustment with interactions (Lin 2013)"
ESTIMANDS = ("ATE", "ATT", "ATC")


def estimate(rows: EffectRows, options: Options) -> Estimate:
    """Effects of all groups from one least-squares fit of blocks."""
    one_of("estimand", options.estimand, ESTIMANDS)
    one_of("target", options.target, ("sample", "population"))
    if not options.interactions and options.estimand != "ATE":
        raise OptionError("without interactions the regression has one effect for all; leave estimand out.")
    return fit_blocks(rows, rows.x, options)


def fit_blocks(rows: EffectRows, x: np.ndarray, options: Options) -> Estimate:
    """Least squares of outcome on treatment, covariates and their products, block by group."""
    blocks, at, centres = [], [], []
    for _, group in rows.groups:
        whose = {"ATE": group, "ATT": group & rows.treated, "ATC": group & ~rows.treated}[options.estimand]
        centre = np.average(x[whose], axis=0, weights=rows.w[whose]) if x.shape[1] else np.empty(0)
        around = (x - centre) * group[:, None]
        products = around * rows.d[:, None] if options.interactions else np.empty((len(x), 0))
        at.append(1 + sum(b.shape[1] for b in blocks))
        blocks.append(np.column_stack([group, rows.d * group, around, products]))
        centres.append((whose, around))
    columns = np.column_stack(blocks)
    solution = solve(columns, rows.y, rows.w)
    if not solution.kept[at].all():
        raise NotIdentifiedError("the covariates determine the treatment; its effect has no estimate.")
    kept = np.flatnonzero(solution.kept)
    z = columns[:, kept]
    nobs = int(np.count_nonzero(rows.w))
    df = float(nobs - len(kept))
    if df <= 0:
        raise DataError(f"{nobs} rows cannot determine {len(kept)} coefficients; use fewer covariates.")
    e = rows.y - z @ solution.coef[kept]
    bread = solution.inverse_gram
    unit = z * e[:, None]
    stacked = stack_scores(rows.design.weights_object, rows.design.rows, unit)
    if options.target == "population" and options.interactions and x.shape[1]:
        extra = _mean_scores(rows, x, solution.coef, at, centres, kept, bread)
        stacked["adjustment"] = extra + (0.0 if stacked.get("adjustment") is None else stacked["adjustment"])
    scores = unit * rows.w[:, None]
    model = bread * (solution.rss / df)
    moments = Moments(scores, bread, nobs, df, model, columns=z, working=rows.w, factor=solution.factor, **stacked)  # type: ignore[arg-type]
    pick = np.zeros((len(at), len(kept)))
    pick[np.arange(len(at)), np.searchsorted(kept, at)] = 1.0
    theta = solution.coef[at]
    return Estimate(theta, theta[None], (moments,), pick=pick, notes={"Residual df": int(df)})


def _mean_scores(
    rows: EffectRows, x: np.ndarray, coef: np.ndarray, at: list[int], centres: list, kept: np.ndarray, bread: np.ndarray
) -> np.ndarray:
    """Scores whose image under the bread is each effect's movement with the covariates' estimated mean."""
    wanted = np.zeros((len(x), len(kept)))
    p = x.shape[1]
    for place, (whose, around) in zip(at, centres, strict=True):
        slopes = np.nan_to_num(coef[place + 1 + p : place + 1 + 2 * p])
        share = rows.w * whose / (rows.w @ whose)
        wanted[:, int(np.searchsorted(kept, place))] = share * (around @ slopes)
    return wanted @ np.linalg.inv(bread)
