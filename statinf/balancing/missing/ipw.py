"""Inverse probability weighting of the observed outcomes (Horvitz and Thompson 1952; Robins, Rotnitzky and Zhao 1994).

Estimand: the mean of an outcome over all rows, those without it among them. Assumptions: outcomes are missing at random given
the covariates, every row has a positive probability of being observed, and that probability is modelled right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balancing.missing.mean import solve_mean
from statinf.balancing.missing.problem import MeanSolution, MissingProblem, RowWeights
from statinf.balancing.missing.propensity import clipped, inverse_weights, logit_of
from statinf.errors import OptionError
from statinf.learners.crossfit import fold_ids
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.learners.registry import resolve
from statinf.results.methods import Method
from statinf.results.options import Options, count, flag, number, value

_LEARNER = "a learner's name, or an object with fit and predict"


def learns(task: str) -> Callable[[str, Any], Any]:
    """A check that what is given can learn for the task; it stays as given."""

    def check(name: str, given: Any) -> Any:
        resolve(given, task, name)
        return given

    return check


@dataclass(frozen=True, kw_only=True)
class ObservingOptions(Options):
    """Options of methods that divide by the probability of being observed."""

    treatment_model: Any = value(
        "logit", "learner of being observed, which plays the part of a treatment; learners other than the logit are "
        "cross-fitted, and their probabilities taken as known", f"{_LEARNER}, or a known probability", learns("probability"),
    )  # fmt: skip
    clip: float = number(0.01, "least probability that is divided by", low=0.0, high=1.0, open_high=True)
    folds: int = count(5, "folds of cross-fitted learners; with cluster= whole clusters share a fold", low=2)


@dataclass(frozen=True, kw_only=True)
class InverseOptions(ObservingOptions):
    """Options of inverse probability weighting."""

    normalize: bool = flag(True, "divide by the sum of the weights (Hajek); False is Horvitz and Thompson's")


def observing_weights(problem: MissingProblem, options: ObservingOptions) -> RowWeights:
    """Weights ``s / e``; of a logit with their expansion, of other learners without one."""
    learner = resolve(options.treatment_model, "probability", "treatment_model")
    if (isinstance(learner, Logit) and learner.penalty == 0.0) or problem.observed.all():
        found = logit_of(problem, "Leave the separating covariates out, or give a learner with a penalty.")
        e, moved = clipped(found.e, problem, options.clip)
        w, linear = inverse_weights(problem, found, e)
    else:
        raw = cross_fitted(
            problem, Nuisance("observed", problem.observed * 1.0, learner, probability=True), options.folds
        )
        e, moved = clipped(raw, problem, options.clip)
        w, linear = np.where(problem.observed, problem.s / e, 0.0), None
    if not np.isfinite(w).all():
        raise OptionError("clip=0 lets probabilities of zero through, whose weights are infinite; raise clip.")
    facts = {"Probabilities": f"{e.min():.3f} to {e.max():.3f}", "Clipped rows": moved}
    return RowWeights(w, linear, facts)


def cross_fitted(problem: MissingProblem, wanted: Nuisance, folds: int) -> np.ndarray:
    """Predictions of every row by fits on other folds, shape (n,); folds keep the share of observed rows."""
    split = fold_ids(
        problem.n,
        min(folds, problem.n),
        seed=problem.seed,
        strata=problem.observed.astype(np.intp),
        groups=problem.groups,
    )
    made = cross_predict(problem.x, [wanted], split[None, :], problem.s, seed=problem.seed, progress=False)
    return made[0][wanted.name]


def estimate(problem: MissingProblem, options: InverseOptions) -> MeanSolution:
    """The weighted mean of the observed outcomes."""
    return solve_mean(problem, observing_weights(problem, options), normalize=options.normalize)


METHOD = Method(
    verb="missing_mean",
    name="ipw",
    estimate=estimate,
    options=InverseOptions,
    summary="mean of the observed outcomes weighted by inverse probabilities of being observed",
    citation="Horvitz and Thompson (1952); Robins, Rotnitzky and Zhao (1994)",
    guarantee="consistent if the probability is right; stacked standard errors with a logit",
    vignette="kernel-missing",
)
