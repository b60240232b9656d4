"""Augmented inverse probability weighting for missing outcomes (Robins, Rotnitzky and Zhao 1994).

The mean of ``m(x) + o (y - m(x)) / e(x)``: consistent if the outcome model or the probability of being observed is right. With
least squares and a logit on all rows the standard error is that of the stacked equations, right even where one of the two
models is wrong; other learners are cross-fitted, and their errors multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balancing.missing.ipw import ObservingOptions, cross_fitted, learns, observing_weights
from statinf.balancing.missing.mean import solve_mean
from statinf.balancing.missing.problem import Imputed, MeanSolution, MissingProblem
from statinf.learners.linear import LeastSquares
from statinf.learners.nuisance import Nuisance
from statinf.learners.registry import resolve
from statinf.numerics.linear.symmetric import symmetric_inverse
from statinf.results.methods import Method
from statinf.results.options import flag, value


@dataclass(frozen=True, kw_only=True)
class AugmentedOptions(ObservingOptions):
    """Options of augmented inverse probability weighting."""

    outcome_model: Any = value(
        "lm", "learner of the outcome; learners other than least squares are cross-fitted",
        "a learner's name, or an object with fit and predict", learns("mean"),
    )  # fmt: skip
    normalize: bool = flag(False, "divide the weighted residuals by the sum of the weights")


def imputed_by(problem: MissingProblem, model: Any, working: np.ndarray, folds: int, *, moves: bool = False) -> Imputed:
    """Predictions of the outcome by least squares under working weights (n,), or by a cross-fitted learner."""
    learner = resolve(model, "mean", "outcome_model")
    if isinstance(learner, LeastSquares):
        z = problem.standard.z
        inverse = symmetric_inverse((z * working[:, None]).T @ z)
        # Around the mean, so that an outcome far from zero keeps its digits.
        centre = float(working @ problem.y / working.sum())
        right = z.T @ (working * np.where(problem.observed, problem.y - centre, 0.0))
        return Imputed(centre + z @ (inverse @ right), z, working, moves)
    wanted = Nuisance("outcome", problem.y, learner, rows=problem.observed)
    return Imputed(cross_fitted(problem, wanted, folds))


def estimate(problem: MissingProblem, options: AugmentedOptions) -> MeanSolution:
    """The mean of predictions and weighted residuals."""
    weights = observing_weights(problem, options)
    plain = np.where(problem.observed, problem.s, 0.0)
    imputed = imputed_by(problem, options.outcome_model, plain, options.folds)
    return solve_mean(problem, weights, imputed, normalize=options.normalize)


METHOD = Method(
    verb="missing_mean",
    name="aipw",
    estimate=estimate,
    options=AugmentedOptions,
    summary="augmented inverse probability weighting: predicted outcomes of all rows and weighted residuals of the observed ones",
    citation="Robins, Rotnitzky and Zhao (1994)",
    guarantee="consistent if the outcome model or the probability is right",
    vignette="kernel-missing",
)
