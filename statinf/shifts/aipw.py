"""Doubly robust mean of a target population.

Robins, Rotnitzky and Zhao (1994, Journal of the American Statistical Association 89); Dahabreh, Robertson, Steingrimsson,
Stuart and Hernan (2020, Statistics in Medicine 39). The estimand is E_T[y] where only the source records y, under the
assumptions that y given x has the same law in both populations and that the source covers the target. The outcome model
is averaged over the target and the weighted mean residual of the source added: right if the outcome model or the density
ratio is.
"""

from __future__ import annotations

from statinf.results import Estimate
from statinf.shifts.means import (
    WeightedMeanOptions,
    mean_estimate,
    model_mean,
    outcome_model,
    weighted_mean,
    whole_ratio,
)
from statinf.shifts.problem import ShiftMethod, ShiftProblem


def estimate(problem: ShiftProblem, options: WeightedMeanOptions) -> Estimate:
    """The outcome model's mean over the target plus the weighted mean residual."""
    assert problem.ratio is not None
    model, samples = outcome_model(problem), problem.samples
    rest = samples.design.y - model.fitted
    residual = weighted_mean(samples, problem.ratio, rest, "weighted residual", options.normalize, model)
    return mean_estimate(model_mean(model, samples) + residual, problem)


METHOD = ShiftMethod(
    verb="target_mean",
    name="aipw",
    estimate=estimate,
    options=WeightedMeanOptions,
    power=whole_ratio,
    summary="doubly robust: the outcome model's mean over the target plus the weighted mean residual",
    citation="Robins, Rotnitzky and Zhao (1994); Dahabreh et al. (2020)",
    guarantee="right if the outcome model or the density ratio is right; stacked standard errors",
    vignette="covariate-shift",
    traits={"weights doubled": "the logit behind the ratio counts weights as rows of the pooled samples"},
)
