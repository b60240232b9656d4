"""Weighted mean of a target population.

Horvitz and Thompson (1952, Journal of the American Statistical Association 47); Hájek (1971). The estimand is E_T[y] where
only the source records y, under the assumptions that y given x has the same law in both populations and that the source
covers the target: the source's outcomes weighted by the density ratio.
"""

from __future__ import annotations

from statinf.results import Estimate
from statinf.shifts.means import WeightedMeanOptions, mean_estimate, weighted_mean, whole_ratio
from statinf.shifts.problem import ShiftMethod, ShiftProblem


def estimate(problem: ShiftProblem, options: WeightedMeanOptions) -> Estimate:
    """The weighted mean outcome."""
    assert problem.ratio is not None
    samples = problem.samples
    found = weighted_mean(samples, problem.ratio, samples.design.y, "weighted mean", options.normalize)
    return mean_estimate(found, problem)


METHOD = ShiftMethod(
    verb="target_mean",
    name="ipw",
    estimate=estimate,
    options=WeightedMeanOptions,
    power=whole_ratio,
    summary="the mean of the source's outcomes, weighted by the density ratio",
    citation="Horvitz and Thompson (1952); Hájek (1971)",
    guarantee="right if the density ratio is right; stacked standard errors",
    vignette="covariate-shift",
    traits={"weights doubled": "the logit behind the ratio counts weights as rows of the pooled samples"},
)
