"""Probabilistic conformal prediction: unions of intervals around draws from a conditional model.

Wang, Gao, Yin, Zhou and Blei (2022, arXiv 2206.06584). The score of y is its distance to the nearest of M draws; the
set is the union of intervals of one radius around the draws at x. The threshold has the finite-sample rank that the
authors' code leaves out; intervals are closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.conformity.held_out import HeldOutOptions, held_out
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.score import Local, check_draws, density_learner
from statinf.errors import OptionError
from statinf.numerics.kernels.nearest_centre import nearest_distance
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import count

CENTRES = 0
"""The stream of random numbers that centres are drawn from."""


@dataclass(frozen=True)
class PCP:
    """Distance to the nearest of `draws` draws.

    Parameters
    ----------
    draws : int
        Centres per row.
    """

    draws: int = 50
    tails = 1

    def __post_init__(self) -> None:
        check_count("draws", self.draws)

    def learner(self, model: Any, level: float) -> Any:
        return density_learner(model, "sample", "PCP")

    def local(self, fitted: Any, X: np.ndarray, seed: int) -> Local:
        return (check_draws(fitted.sample(X, self.draws, seed=seed, stream=CENTRES), len(X), self.draws),)

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        return nearest_distance(local[0], y[:, None])

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        return IntervalSets.balls(local[0], q[:, 0])


def check_count(name: str, value: object) -> None:
    """Refuse counts below one."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise OptionError(f"{name}={value!r} must be a whole number of at least 1.")


@dataclass(frozen=True, kw_only=True)
class PCPOptions(HeldOutOptions):
    """Options of probabilistic conformal prediction."""

    draws: int = count(50, "centres per row")


def estimate(problem: ConformalProblem, options: PCPOptions) -> Split:
    """Fit a conditional law to the training rows and score the others."""
    return held_out(problem, options, PCP(options.draws))


METHOD = ConformalMethod(
    verb="conformal",
    name="pcp",
    estimate=estimate,
    options=PCPOptions,
    summary="unions of intervals around draws from a conditional law",
    citation="Wang, Gao, Yin, Zhou, Blei (2022)",
    arxiv="2206.06584",
    guarantee="P(covered) >= level, finite sample",
    vignette="conformal-cp2",
    unions=True,
    traits={"row order": "the split draws row numbers"},
)
