"""The effect of a trial in another population: by weights, by outcome models, or by both.

Dahabreh, Robertson, Steingrimsson, Stuart and Hernan (2020, Statistics in Medicine 39, arXiv 1805.00550). Trial and population
are separate samples, and the population need not record treatment or outcome. The estimand is the mean over the population
of the outcome under one arm, less that under the reference. It is identified if arms are random given the covariates in the
trial, the mean of each arm's outcome given the covariates is the same in both, and the trial's covariates cover the
population's. "ipw" weights an arm's outcomes by the inverse odds of being in the trial times the inverse probability of the arm,
"gformula" averages each arm's outcome model over the population, and "aipw" adds the weighted mean of the model's residuals: right
if either the outcome models, or the model of being in the trial with the arms' probabilities, are right. Standard errors are those
of the stacked system: outcome models, arms, odds of being in the trial, and both samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.errors import OptionError
from statinf.results.options import Options, choice, value
from statinf.shifts.means import Mean
from statinf.shifts.problem import ShiftMethod
from statinf.shifts.transport.arm_means import TransportProblem, arm_mean


def _check_column(name: str, given: object) -> object:
    number = isinstance(given, float | int) and not isinstance(given, bool)
    if not (isinstance(given, str) or (number and 0.0 < given < 1.0)):  # type: ignore[operator]
        raise OptionError(f"{name}={given!r} is not the name of a column or a number between 0 and 1.")
    return given


@dataclass(frozen=True, kw_only=True)
class WeightedOptions(Options):
    """Options of methods that weight the trial's rows."""

    treatment_model: str = choice(
        "logit",
        ("logit", "constant"),
        "probabilities of the arms: a logit of the covariates, which takes out chance imbalance, or the same for all rows",
    )
    propensity: object = value(
        None,
        "known probability of the treated arm of two, in place of treatment_model",
        "a number, or a column of the trial",
        _check_column,
    )


def by_weights(problem: TransportProblem, options: WeightedOptions) -> list[Mean]:
    """Weighted means of the arms' outcomes."""
    return [arm_mean(problem, arm, problem.chances, None) for arm in range(problem.trial.k)]


def by_models(problem: TransportProblem, options: Options) -> list[Mean]:
    """Outcome models averaged over the population."""
    return [arm_mean(problem, arm, None, problem.model(arm)) for arm in range(problem.trial.k)]


def by_both(problem: TransportProblem, options: WeightedOptions) -> list[Mean]:
    """Outcome models averaged over the population, and the weighted means of their residuals."""
    return [arm_mean(problem, arm, problem.chances, problem.model(arm)) for arm in range(problem.trial.k)]


def _whole(options: WeightedOptions) -> float:
    return 1.0


_PAPER, _ARXIV = "Dahabreh, Robertson, Steingrimsson, Stuart and Hernan (2020)", "1805.00550"
_DOUBLED = {
    "weights doubled": "the logit behind the odds of being in the trial counts weights as rows of the pooled samples"
}

METHODS = {
    "aipw": ShiftMethod(
        verb="transport",
        name="aipw",
        estimate=by_both,
        options=WeightedOptions,
        power=_whole,
        summary="doubly robust: outcome models over the population plus the weighted means of their residuals",
        citation=_PAPER,
        arxiv=_ARXIV,
        guarantee="right if the outcome models or the weights are right; stacked standard errors",
        vignette="transport",
        traits=_DOUBLED,
    ),
    "ipw": ShiftMethod(
        verb="transport",
        name="ipw",
        estimate=by_weights,
        options=WeightedOptions,
        power=_whole,
        summary="outcomes of each arm weighted by the inverse odds of being in the trial",
        citation=_PAPER,
        arxiv=_ARXIV,
        guarantee="right if the model of being in the trial is right; stacked standard errors",
        vignette="transport",
        traits=_DOUBLED,
    ),
    "gformula": ShiftMethod(
        verb="transport",
        name="gformula",
        estimate=by_models,
        summary="outcome model of each arm averaged over the population",
        citation=_PAPER,
        arxiv=_ARXIV,
        guarantee="right if the outcome models are right; stacked standard errors",
        vignette="transport",
    ),
}
