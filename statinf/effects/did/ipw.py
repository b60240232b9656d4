"""Inverse propensity weighted difference-in-differences (Abadie 2005, Review of Economic Studies 72), weights normalised.

Estimand: the mean effect on each cohort at each period. Assumes trends that are parallel given covariates, and a right model of the
propensity.
"""

from __future__ import annotations

from statinf.effects.did.method import DidPropensityOptions, group_time_estimate
from statinf.effects.did.problem import DidProblem
from statinf.effects.did.scores import DidNuisances
from statinf.results import Estimate, Method


def estimate(problem: DidProblem, options: DidPropensityOptions) -> Estimate:
    """Group-time effects from the cohorts' logits."""
    return group_time_estimate(problem, DidNuisances(by_propensity=True, by_regression=False, trim=options.trim))


METHOD = Method(
    verb="did",
    name="ipw",
    estimate=estimate,
    options=DidPropensityOptions,
    summary="controls weighted by their odds of being in the cohort",
    citation="Abadie (2005), Semiparametric difference-in-differences estimators",
    guarantee="consistent if the propensity is right; errors of units, uniform bands",
    vignette="did-minimum-wage",
)
