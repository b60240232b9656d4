"""Maximum likelihood on the source.

Ge, Tang, Fan, Ma and Jin (2024, arXiv 2311.15961): where the model of y given x is right, plain maximum likelihood on
the source is rate-optimal for prediction on the target, whatever the density ratio. Its excess risk is to first order
``tr(I_T I_S^{-1}) / (2 n)``. Where the model is wrong it converges to the source's best fit instead of the target's.
"""

from __future__ import annotations

from statinf.results import Estimate, Options
from statinf.shifts.problem import ShiftMethod, ShiftProblem, likelihood


def estimate(problem: ShiftProblem, options: Options) -> Estimate:
    """The unweighted fit."""
    return likelihood(problem.design, problem.family)


METHOD = ShiftMethod(
    verb="shift",
    name="mle",
    estimate=estimate,
    summary="maximum likelihood on the source rows, the better choice where the model is right",
    citation="Ge, Tang, Fan, Ma and Jin (2024)",
    arxiv="2311.15961",
    guarantee="rate-optimal on the target if the model is right, without a bound on the density ratio",
    vignette="covariate-shift",
)
