"""Mean of a target population by the outcome model (g-computation).

Robins (1986, Mathematical Modelling 7). The estimand is E_T[y] where only the source records y, under the assumption that y
given x has the same law in both populations: the outcome model averaged over the target.
"""

from __future__ import annotations

from statinf.results import Estimate, Options
from statinf.shifts.means import mean_estimate, model_mean, outcome_model
from statinf.shifts.problem import ShiftMethod, ShiftProblem


def estimate(problem: ShiftProblem, options: Options) -> Estimate:
    """The outcome model's mean over the target."""
    return mean_estimate(model_mean(outcome_model(problem), problem.samples), problem)


METHOD = ShiftMethod(
    verb="target_mean",
    name="gcomp",
    estimate=estimate,
    summary="the outcome model averaged over the target",
    citation="Robins (1986)",
    guarantee="right if the outcome model is right; stacked standard errors",
    vignette="covariate-shift",
)
