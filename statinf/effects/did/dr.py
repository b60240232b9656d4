"""Doubly robust difference-in-differences (Sant'Anna and Zhao 2020, J. Econometrics 219, arXiv 1812.01723).

Estimand: the mean effect on each cohort at each period. Right if either the propensity of the cohort or the regression of the
controls' outcome changes is. Assumes trends that are parallel given covariates, no effect before treatment (or `anticipation`
periods before it), and controls alike.
"""

from __future__ import annotations

from statinf.effects.did.method import DidPropensityOptions, group_time_estimate
from statinf.effects.did.problem import DidProblem
from statinf.effects.did.scores import DidNuisances
from statinf.results import Estimate, Method


def estimate(problem: DidProblem, options: DidPropensityOptions) -> Estimate:
    """Group-time effects from regressions among controls and the cohorts' logits."""
    return group_time_estimate(problem, DidNuisances(by_propensity=True, by_regression=True, trim=options.trim))


METHOD = Method(
    verb="did",
    name="dr",
    estimate=estimate,
    options=DidPropensityOptions,
    summary="regressions among controls and weights by odds of being in the cohort; either may be wrong",
    citation="Callaway and Sant'Anna (2021), Difference-in-differences with multiple time periods",
    arxiv="1803.09015",
    guarantee="consistent if the propensity or the outcome regression is right; errors of units, uniform bands",
    vignette="did-minimum-wage",
)
