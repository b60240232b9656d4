"""Unconditional quantile treatment effects by inverse propensity weighting (Firpo 2007, Econometrica 75).

Estimands: the difference of the tau-quantiles of the outcome with and without treatment, over all rows (ATE), the treated
(ATT), the controls (ATC) or the overlap population (ATO): a difference of two quantiles, not the quantile of differences.
Assumptions: no unmeasured confounding given the covariates, overlap, and outcomes of either arm with a density at its quantile.

Each arm's quantile is weighted by inverse propensities. With a logit propensity the standard errors come from the stacked
equations, as those of method="ipw"; a propensity from another learner, or a known one, is taken as it is. Where the logit is
rich enough these are Firpo's efficient ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.ipw import weights_of
from statinf.effects.method import EffectMethod
from statinf.effects.options import ClipOptions, PropensityOptions, nuisances_of
from statinf.effects.overlap import clipped
from statinf.effects.problem import EffectProblem
from statinf.effects.qte_fit import QuantileEffectFit
from statinf.effects.qte_solved import ArmWeights, SolvedEffects
from statinf.inference.levels import levels_of
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.numerics.quantreg.bandwidth import BANDWIDTHS
from statinf.results import Estimate
from statinf.results.options import choice, value


def _levels(name: str, given: Any) -> np.ndarray:
    return levels_of(given)


@dataclass(frozen=True, kw_only=True)
class QuantileEffectOptions(ClipOptions, PropensityOptions):
    """Options of quantile treatment effects."""

    tau: Any = value(0.5, "levels of the quantiles", "a number in (0, 1), or a list of them", _levels)
    bandwidth: str = choice("hall-sheather", BANDWIDTHS, "rule for the window of the density estimates")


def estimate(problem: EffectProblem, options: QuantileEffectOptions) -> Estimate:
    """Differences of weighted quantiles of the two arms, level by level."""
    rows, tau = problem.rows, np.atleast_1d(np.asarray(options.tau, float))
    how = nuisances_of(rows, options, problem.seed, problem.progress, whole=True)
    if how.known is not None:
        made = [{"propensity": how.known}]
    else:
        asked = [Nuisance("propensity", rows.d, how.treatment, probability=True)]
        made = cross_predict(rows.x, asked, how.folds, rows.w, seed=how.seed, progress=how.progress)
    # Only the maximum likelihood estimate on these very rows has a score that can be stacked.
    logit = how.treatment if isinstance(how.treatment, Logit) and how.folds is None and how.known is None else None
    splits, moved = [], 0
    for p in made:
        e, count = clipped(p["propensity"], rows.design.rows, how.clip, rows.w, estimand=problem.estimand)
        moved = max(moved, count)
        weight, slope = weights_of(e, rows.d, problem.estimand)
        splits.append(ArmWeights(e, weight, slope, None if logit is None else e == p["propensity"]))
    known = how.known is not None
    solved = SolvedEffects(rows, problem.estimand, tau, tuple(splits), options.bandwidth, logit, how.clip, known)
    thetas = solved.thetas()
    solved.warn_atoms()
    e = splits[0].propensity
    used, w = e[rows.w > 0], rows.w * splits[0].weight
    facts: dict[str, Any] = dict({} if rows.arms is None else rows.arms.facts)
    facts |= {"Propensities": f"{used.min():.3f} to {used.max():.3f}", "Clipped rows": moved}
    for name, arm in (("treated", rows.treated), ("controls", ~rows.treated)):
        facts[f"Effective sample, {name}"] = float(w[arm].sum() ** 2 / (w[arm] ** 2).sum())
    nobs, columns = int(np.count_nonzero(rows.w)), rows.terms
    return Estimate(
        terms=columns if len(tau) == 1 else tuple(f"q{t:g}: {c}" for t in tau for c in columns),
        theta=np.median(thetas, axis=0),
        moments=partial(_moments, solved),
        covary=partial(_covariance, solved),
        nobs=nobs,
        df_resid=float(nobs - thetas.shape[1]),
        facts=facts,
        extra={
            "tau": tau,
            "columns": columns,
            "estimand": problem.estimand,
            "treatment": rows.treatment,
            "thetas": thetas,
            "nuisance": {"propensity": e},
            "treated": rows.treated,
            "solved": solved,
        },
    )


def _moments(solved: SolvedEffects) -> Any:
    return solved.splits().together()


def _covariance(solved: SolvedEffects, kind: Any) -> Any:
    return solved.splits().covariance(solved.rows.design, kind)


METHOD = EffectMethod(
    verb="effect",
    name="qte",
    estimate=estimate,
    options=QuantileEffectOptions,
    fit=QuantileEffectFit,
    estimands=("ATE", "ATT", "ATC", "ATO"),
    covariates="optional",
    summary="quantile treatment effects: differences of quantiles weighted by inverse propensities",
    citation="Firpo (2007), Efficient semiparametric estimation of quantile treatment effects",
    guarantee="consistent if the propensity is right; stacked errors joint over levels, uniform bands",
    vignette="quantile-effects",
)
