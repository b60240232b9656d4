"""Difference-in-differences by regression (Heckman, Ichimura and Todd 1997, Review of Economic Studies 64).

Estimand: the mean effect on each cohort at each period. Assumes trends that are parallel given covariates, and that controls'
outcome changes are linear in them.
"""

from __future__ import annotations

from statinf.effects.did.method import group_time_estimate
from statinf.effects.did.problem import DidProblem
from statinf.effects.did.scores import DidNuisances
from statinf.results import Estimate, Method, Options


def estimate(problem: DidProblem, options: Options) -> Estimate:
    """Group-time effects from regressions among controls."""
    return group_time_estimate(problem, DidNuisances(by_propensity=False, by_regression=True))


METHOD = Method(
    verb="did",
    name="regression",
    estimate=estimate,
    summary="the cohort's change less what a regression among controls predicts",
    citation="Heckman, Ichimura and Todd (1997), Matching as an econometric evaluation estimator",
    guarantee="consistent if the controls' regression is right; errors of units, uniform bands",
    vignette="did-minimum-wage",
)
