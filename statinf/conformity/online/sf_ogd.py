"""Scale-free online gradient descent on the radius of the intervals.

Bhatnagar, Wang, Xiong and Bai (2023), Improved Online Conformal Prediction via Strongly Adaptive Online Learning, arXiv
2302.07869. The radius r_t takes a step of gamma / sqrt(sum of squared gradients so far) along the gradient of
the pinball loss, g_t = 1{covered} - level. Estimand: intervals whose share of misses tends to the aim along every
sequence of bounded scores. Because steps shrink, sum g_t is at least -r_{T+1} sqrt(sum g_t^2) / gamma: the coverage of T
rows falls short of the level by at most (D + gamma) sqrt(sum g_t^2) / (gamma T), of order 1 / sqrt(T), where D is the largest
score. A radius that stops at zero may cover more often than asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.conformity.online.history import History
from statinf.conformity.online.options import ScoreOptions
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.errors import DataError, OptionError
from statinf.numerics.recursions.scanning import through
from statinf.numerics.recursions.tracking import follow_radius
from statinf.results import number


@dataclass(frozen=True, kw_only=True)
class RadiusOptions(ScoreOptions):
    """Options of methods that move a radius."""

    gamma: float | None = number(
        None,
        "step of the radius, in units of the outcome; by default the largest score of the burn-in over sqrt(3)",
        low=0,
        open_low=True,
        also=(None,),
    )

    def step(self, scores: np.ndarray) -> float:
        """The step asked for, or that of the first scores.

        Raises
        ------
        OptionError, DataError
            If there are no first scores, or all are zero.
        """
        if self.gamma is not None:
            return self.gamma
        if not len(scores):
            raise OptionError("gamma= is in units of the outcome: give it, or burn_in= rows whose scores set it.")
        largest = float(scores.max())
        if not largest > 0.0:
            raise DataError("all scores of the burn-in are zero, so that they set no step; give gamma=.")
        return largest / float(np.sqrt(3.0))


@dataclass(frozen=True, repr=False)
class ScaleFree(Brief):
    """The radius that is used next, the sum of squared gradients, and the scores so far."""

    history: History
    state: tuple[np.ndarray, np.ndarray]
    gamma: float
    level: float

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[ScaleFree, OnlineSteps]:
        """See `Tracker.advance`."""
        scores = np.maximum(below, above)
        ahead = self.history.ahead(scores)
        state, (radius,) = through(follow_radius, self.state, [scores], self.gamma, self.level)
        used = ahead.count(radius) / np.maximum(ahead.n, 1)
        after = replace(self, history=self.history.after(scores), state=state)
        return after, OnlineSteps(radius, radius, used, scores <= radius)

    def bound(self, rows: int) -> float | None:
        """How far coverage falls short of the level at most."""
        if not rows:
            return None
        largest = max(0.0, float(self.history.scores.max()))
        return (largest + self.gamma) * float(np.sqrt(self.state[1])) / (self.gamma * rows)


def first_radius(scores: np.ndarray, level: float) -> float:
    """The quantile of the first scores at the level; zero without any."""
    return max(0.0, float(np.quantile(scores, level))) if len(scores) else 0.0


def estimate(problem: OnlineProblem, options: RadiusOptions) -> ScaleFree:
    """The state before the first interval: the quantile of the first scores."""
    start = np.float64(first_radius(problem.scores, problem.level))
    return ScaleFree(
        History(problem.scores), (np.asarray(start), np.asarray(0.0)), options.step(problem.scores), problem.level
    )


METHOD = OnlineMethod(
    verb="conformal_online",
    name="sf-ogd",
    estimate=estimate,
    options=RadiusOptions,
    coverage="below",
    summary="a radius that takes scale-free gradient steps on the pinball loss",
    citation="Bhatnagar, Wang, Xiong and Bai (2023)",
    arxiv="2302.07869",
    guarantee="coverage >= level - (largest score + gamma) sqrt(sum g^2) / (gamma T) on every path, g = covered - level",
    vignette="conformal-online",
)
