"""Means of the outcome in a population if all of it were in one arm of a trial, with the influence of every row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import NumericalWarning, issue_warning
from statinf.learners.multinomial import Multinomial
from statinf.numerics.glm.families import Family
from statinf.results import Weights
from statinf.shifts.labels.logit import StackedLogit
from statinf.shifts.means import Mean, OutcomeModel, model_mean, outcome_model, weighted_mean
from statinf.shifts.problem import ShiftProblem
from statinf.shifts.transport.known import known_propensity
from statinf.shifts.transport.trial import Trial

THIN = 0.01
"""Probability of an arm below which a warning is due."""


@dataclass(frozen=True, repr=False)
class TransportProblem(Brief):
    """What every method of `transport` gets.

    Attributes
    ----------
    trial : Trial
    family : Family
    ratio : Weights or None
        The density ratio of population to trial, for methods that weight.
    settings : Options or None
        Of the method: how methods that weight come to the probabilities of the arms.
    """

    trial: Trial
    family: Family
    ratio: Weights | None = None
    settings: Any = None

    @cached_property
    def chances(self) -> ArmChances:
        """Probabilities of the arms, for methods that weight."""
        known = known_propensity(self.trial, self.settings.propensity)
        return propensity_of(self.trial, self.settings.treatment_model, known)

    def model(self, arm: int) -> OutcomeModel:
        """The outcome model of one arm."""
        return outcome_model(ShiftProblem(self.trial.of_arm(arm), self.family))


@dataclass(frozen=True, repr=False)
class ArmChances(Brief):
    """Probabilities of the arms given the covariates.

    Attributes
    ----------
    chance : ndarray, shape (n, k)
    logit : StackedLogit or None
        The model behind them; None where they are known, or the same for all rows, which weights that are divided by
        their sum do not feel.
    """

    chance: np.ndarray
    logit: StackedLogit | None = None

    @cached_property
    def least(self) -> float:
        return float(self.chance.min())


def propensity_of(trial: Trial, model: str, known: np.ndarray | None) -> ArmChances:
    """Probabilities of the arms: known ones of the second arm (n,), a logit of the covariates, or shares."""
    if known is not None:
        return ArmChances(np.column_stack([1.0 - known, known]))
    w = trial.samples.design.weights
    if model == "constant":
        shares = np.bincount(trial.codes, w, minlength=trial.k) / w.sum()
        return ArmChances(np.broadcast_to(shares, (len(w), trial.k)))
    x = trial.samples.design.parts[0].without_intercept().values
    logit = StackedLogit.fit(Multinomial(), x, trial.codes, w, x[:0])
    if logit.chance[w > 0].min() < THIN:
        issue_warning(
            f"arms of '{trial.treatment}' are nearly determined by the covariates: the least probability of an arm is "
            f"{logit.chance[w > 0].min():.2g}. In a randomised trial treatment_model='constant' takes them as the same.",
            NumericalWarning,
        )
    return ArmChances(logit.chance, logit)


def arm_mean(problem: TransportProblem, arm: int, propensity: ArmChances | None, model: OutcomeModel | None) -> Mean:
    """The mean outcome of the population in one arm.

    With an outcome model alone it is the model's mean over the population; with propensities alone the weighted mean of the
    arm's outcomes; with both the model's mean plus the weighted mean of the arm's residuals.
    """
    samples, trial = problem.trial.samples, problem.trial
    found = None if model is None else model_mean(model, samples)
    if propensity is None or problem.ratio is None:
        assert found is not None
        return found
    inside = trial.codes == arm
    factor = inside / propensity.chance[:, arm]
    fitted = np.zeros(len(inside)) if model is None else model.fitted
    rest = np.where(inside, samples.design.y - fitted, 0.0)
    if model is None and samples.design.offset is not None:
        rest = np.where(inside, rest - samples.design.offset, 0.0)
    name = f"{'weighted mean' if model is None else 'weighted residual'}, {trial.names[arm]}"
    part = weighted_mean(samples, problem.ratio, rest, name, True, model, factor)
    if propensity.logit is not None:
        w = problem.ratio.values[np.searchsorted(problem.ratio.used, samples.design.rows)] * factor
        pull = w * (rest - part.value) / w.sum()
        by_class = propensity.chance * pull[:, None]
        by_class[:, arm] -= pull
        slope = propensity.logit.slope_of(by_class)[None]
        part = replace(part, on_source=part.on_source + propensity.logit.pushed(slope)[:, 0])
    return part if found is None else found + part
