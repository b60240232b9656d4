"""Regression adjustment with all interactions (Lin 2013, arXiv 1208.2301), or the plain regression coefficient.

The outcome is regressed on the treatment, the covariates less their mean and the products of both; the
treatment's coefficient is the average effect over the rows (ATE), the treated (ATT) or the controls (ATC),
according to whose mean is taken out. It needs a linear outcome in each arm, or random assignment, under which
it is never less precise than the difference in means. Standard errors are those of the regression: they take
the covariates as given, unless `target="population"` adds what their mean's estimation contributes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.effect_fit import RegressionEffect
from statinf.effects.estimate import cluster_codes
from statinf.effects.method import EffectMethod
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.moments import Covariance, Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.linear.least_squares import solve
from statinf.results import Estimate, stack_scores
from statinf.results.options import Options, choice, flag


@dataclass(frozen=True, kw_only=True)
class RegressionOptions(Options):
    """Options of regression adjustment."""

    interactions: bool = flag(True, "let the covariates' slopes differ between arms")
    target: str = choice(
        "sample", ("sample", "population"), "standard errors given the covariates, or counting their mean's estimation"
    )

    def check(self) -> None:
        if self.target == "population" and not self.interactions:
            raise OptionError(
                "target='population' counts the estimation of the mean that interactions are taken from; with "
                "interactions=False leave it out."
            )


def estimate(problem: EffectProblem, options: RegressionOptions) -> Estimate:
    """Effects of all groups from one least-squares fit of blocks."""
    if not options.interactions and problem.estimand != "ATE":
        raise OptionError("without interactions the regression has one effect for all; leave estimand out.")
    return fit_blocks(
        problem, problem.rows.x, interactions=options.interactions, population=options.target == "population"
    )


def fit_blocks(
    problem: EffectProblem,
    x: np.ndarray,
    *,
    interactions: bool = True,
    population: bool = False,
    hc2_df: float = np.nan,
) -> Estimate:
    """Least squares of outcome on treatment, covariates and their products, block by group.

    Parameters
    ----------
    problem : EffectProblem
    x : ndarray, shape (n, p)
        Covariates.
    interactions : bool
    population : bool
        Whether scores count the estimation of the covariates' mean.
    hc2_df : float
        Degrees of freedom beside HC2; NaN for those of the regression.
    """
    rows = problem.rows
    blocks, at, centres = [], [], []
    for _, group in rows.groups:
        whose = {"ATE": group, "ATT": group & rows.treated, "ATC": group & ~rows.treated}[problem.estimand]
        centre = np.average(x[whose], axis=0, weights=rows.w[whose]) if x.shape[1] else np.empty(0)
        around = (x - centre) * group[:, None]
        products = around * rows.d[:, None] if interactions else np.empty((len(x), 0))
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
    if population and interactions and x.shape[1]:
        extra = _mean_scores(rows, x, solution.coef, at, centres, kept, bread)
        stacked["adjustment"] = extra + (0.0 if stacked.get("adjustment") is None else stacked["adjustment"])
    scores = unit * rows.w[:, None]
    model = bread * (solution.rss / df)
    moments = Moments(scores, bread, nobs, df, model, columns=z, working=rows.w, factor=solution.factor, **stacked)  # type: ignore[arg-type]
    pick = np.zeros((len(at), len(kept)))
    pick[np.arange(len(at)), np.searchsorted(kept, at)] = 1.0
    theta = solution.coef[at]
    told = {} if rows.arms is None else rows.arms.facts
    estimated = "weights" if rows.design.weights_object is not None else "covariates' mean"
    return Estimate(
        terms=rows.terms,
        theta=theta,
        moments=partial(_picked_moments, moments, pick),
        nobs=nobs,
        df_resid=df,
        facts={**told, "Residual df": int(df)},
        extra={
            "estimand": problem.estimand,
            "treatment": rows.treatment,
            "thetas": theta[None],
            "treated": rows.treated,
            "stacked": moments.adjustment is not None,
        },
        covary=partial(_covariance, rows.design, moments, pick, hc2_df, estimated),
    )


def _picked_moments(full: Moments, pick: np.ndarray) -> Moments:
    """Influence values of the effects, which are some of the coefficients."""
    outside = None if full.outside is None else full.outside @ (pick @ full.bread).T
    return Moments(
        full.influence @ pick.T,
        np.eye(len(pick)),
        full.nobs,
        full.df_resid,
        outside=outside,
        outside_rows=full.outside_rows,
        weights_fixed=full.weights_fixed,
    )


def _covariance(
    design: Design, full: Moments, pick: np.ndarray, hc2_df: float, estimated: str, kind: Any
) -> Covariance:
    """Covariance of the effects, from that of all coefficients."""
    found = covariance(full, kind, cluster_codes(design, kind))
    return replace(
        found,
        matrix=pick @ found.matrix @ pick.T,
        square_root=pick @ found.root,
        df=hc2_df if kind == "HC2" and np.isfinite(hc2_df) else found.df,
        label=found.label.replace("weights estimated", f"{estimated} estimated"),
    )


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


METHOD = EffectMethod(
    verb="effect",
    name="regression",
    estimate=estimate,
    options=RegressionOptions,
    fit=RegressionEffect,
    covariates="optional",
    summary="regression adjustment with all interactions of treatment and covariates",
    citation="Lin (2013)",
    arxiv="1208.2301",
    guarantee="never less precise than a difference in means in trials",
    vignette="effects",
)
