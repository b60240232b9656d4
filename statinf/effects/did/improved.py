"""Doubly robust difference-in-differences, improved (Sant'Anna and Zhao 2020, J. Econometrics 219, arXiv 1812.01723).

Estimand: the mean effect on each cohort at each period. Propensities are calibrated, so that weighted controls have the cohort's
means of the covariates (Graham, Pinto and Egel 2012), and weight the controls' regressions: not only the estimate, its error too is
right if either model is.
"""

from __future__ import annotations

from statinf.effects.did.method import DidPropensityOptions, group_time_estimate
from statinf.effects.did.problem import DidProblem
from statinf.effects.did.scores import DidNuisances
from statinf.results import Estimate, Method


def estimate(problem: DidProblem, options: DidPropensityOptions) -> Estimate:
    """Group-time effects from calibrated odds and weighted regressions among controls."""
    how = DidNuisances(by_propensity=True, by_regression=True, trim=options.trim, calibrated=True)
    return group_time_estimate(problem, how)


METHOD = Method(
    verb="did",
    name="dr-improved",
    estimate=estimate,
    options=DidPropensityOptions,
    summary="weights that balance the covariates, and regressions among controls with these weights",
    citation="Sant'Anna and Zhao (2020), Doubly robust difference-in-differences estimators",
    arxiv="1812.01723",
    guarantee="consistent, with right errors, if the propensity or the outcome regression is right",
    vignette="did-minimum-wage",
)
