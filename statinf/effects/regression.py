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

from statinf.effects.arm_means import combined, mean_terms
from statinf.effects.arm_nuisances import whose
from statinf.effects.estimate import cluster_codes
from statinf.effects.method import EffectMethod
from statinf.effects.problem import EffectProblem
from statinf.effects.regression_effect import RegressionEffect
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
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


def means(problem: EffectProblem, options: RegressionOptions) -> Estimate:
    """Adjusted means of all arms from the same least-squares fit."""
    if not options.interactions and problem.estimand != "ATE":
        raise OptionError("without interactions the regression has one effect for all; leave estimand out.")
    return fit_blocks(
        problem,
        problem.rows.x,
        interactions=options.interactions,
        population=options.target == "population",
        means=True,
    )


def fit_blocks(
    problem: EffectProblem,
    x: np.ndarray,
    *,
    interactions: bool = True,
    population: bool = False,
    hc2_df: np.ndarray | None = None,
    means: bool = False,
) -> Estimate:
    """Least squares of outcome on arms, covariates and their products, block by group.

    Parameters
    ----------
    problem : EffectProblem
    x : ndarray, shape (n, p)
        Covariates.
    interactions : bool
    population : bool
        Whether scores count the estimation of the covariates' mean.
    hc2_df : ndarray, shape (estimates,), optional
        Degrees of freedom of each estimate beside HC2; those of the regression by default.
    means : bool
        Estimate the means of all arms instead of the effects.
    """
    rows = problem.rows
    blocks = _blocks(problem, x, interactions)
    columns = np.column_stack([b.columns for b in blocks])
    starts = np.cumsum([0, *(b.columns.shape[1] for b in blocks[:-1])])
    arms = blocks[0].arms
    at = np.concatenate([np.arange(start + 1, start + 1 + arms) for start in starts])
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
    by_mean: np.ndarray | float = 0.0
    if population and interactions and x.shape[1]:
        by_mean = _moved(rows, blocks, solution.coef, starts, kept, levels=means) @ np.linalg.inv(bread)
    # Estimated weights move the covariates' mean too.
    stacked = stack_scores(rows.design.weights_object, rows.design.rows, unit + by_mean)
    if np.ndim(by_mean):
        extra = by_mean * rows.w[:, None]
        stacked["adjustment"] = extra + (0.0 if stacked.get("adjustment") is None else stacked["adjustment"])
    scores = unit * rows.w[:, None]
    model = bread * (solution.rss / df)
    moments = Moments(scores, bread, nobs, df, model, columns=z, working=rows.w, factor=solution.factor, **stacked)  # type: ignore[arg-type]
    pick = np.zeros((len(at), columns.shape[1]))
    pick[np.arange(len(at)), at] = 1.0
    if means:
        pick = _levels(starts, arms, columns.shape[1])
    theta = pick @ np.where(solution.kept, solution.coef, 0.0)
    pick = pick[:, kept]
    told = {} if rows.arms is None else rows.arms.facts
    estimated = "weights" if rows.design.weights_object is not None else "covariates' mean"
    return Estimate(
        terms=mean_terms(rows) if means else rows.terms,
        theta=theta,
        moments=partial(combined, moments, pick),
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


@dataclass(frozen=True)
class _Regressors:
    """Regressors of one group: its constant, its arms, covariates around their mean, and their products by arm.

    `whose` marks the rows (n,) whose mean of the covariates is taken out, `around` what is left of these (n, p).
    """

    columns: np.ndarray
    whose: np.ndarray
    around: np.ndarray
    arms: int


def _blocks(problem: EffectProblem, x: np.ndarray, interactions: bool) -> list[_Regressors]:
    rows, out = problem.rows, []
    arms = rows.d[:, None]
    treated, reference = rows.treated, ~rows.treated
    if rows.several:
        assert rows.arms is not None
        codes, own = rows.arm_codes(), whose(rows, "ATT")
        arms = (codes[:, None] == np.arange(1, len(rows.arms.levels))).astype(np.float64)
        treated, reference = codes == own, codes == 0
    for _, group in rows.groups:
        chosen = {"ATE": group, "ATT": group & treated, "ATC": group & reference}[problem.estimand]
        centre = np.average(x[chosen], axis=0, weights=rows.w[chosen]) if x.shape[1] else np.empty(0)
        around = (x - centre) * group[:, None]
        products = [around * arm[:, None] for arm in arms.T] if interactions else []
        columns = np.column_stack([group, arms * group[:, None], around, *products])
        out.append(_Regressors(columns, chosen, around, arms.shape[1]))
    return out


def _levels(starts: np.ndarray, arms: int, width: int) -> np.ndarray:
    """From coefficients to the means of all arms, group by group: the constant, and each arm's difference beside it."""
    out = np.zeros((len(starts) * (arms + 1), width))
    for g, start in enumerate(starts):
        first = g * (arms + 1)
        out[first : first + arms + 1, start] = 1.0
        out[np.arange(first + 1, first + arms + 1), np.arange(start + 1, start + 1 + arms)] = 1.0
    return out


def _covariance(
    design: Design, full: Moments, pick: np.ndarray, hc2_df: np.ndarray | None, estimated: str, kind: Any
) -> Covariance:
    """Covariance of the effects, from that of all coefficients."""
    found = covariance(full, kind, cluster_codes(design, kind)).combined(pick)
    found = replace(found, label=found.label.replace("weights estimated", f"{estimated} estimated"))
    if kind != "HC2" or hc2_df is None:
        return found
    own = np.where(np.isfinite(hc2_df), hc2_df, found.df)
    return replace(found, df=float(own.min()), each=own if len(own) > 1 else None)


def _moved(
    rows: EffectRows, blocks: list[_Regressors], coef: np.ndarray, starts: np.ndarray, kept: np.ndarray, *, levels: bool
) -> np.ndarray:
    """How each coefficient moves with the covariates' estimated mean per unit of a row's weight, shape (n, coefficients).

    Effects move with the products' slopes; the constant, where `levels` are wanted, with the reference's slopes.
    """
    out = np.zeros((len(rows.y), len(kept)))
    for start, block in zip(starts, blocks, strict=True):
        p, share = block.around.shape[1], block.whose / (rows.w @ block.whose)
        first = start + 1 + block.arms
        for arm in range(0 if levels else 1, block.arms + 1):
            slopes = np.nan_to_num(coef[first + arm * p : first + (arm + 1) * p])
            out[:, int(np.searchsorted(kept, start + arm))] = share * (block.around @ slopes)
    return out


METHOD = EffectMethod(
    verb="effect",
    name="regression",
    estimate=estimate,
    means=means,
    options=RegressionOptions,
    fit=RegressionEffect,
    covariates="optional",
    summary="regression adjustment with all interactions of treatment and covariates",
    citation="Lin (2013)",
    arxiv="1208.2301",
    guarantee="never less precise than a difference in means in trials",
    vignette="effects",
)
