"""Aggregated adaptive conformal inference: the ends of ACI's intervals at several steps, mixed separately.

Zaffran, Feron, Goude, Josse and Dieuleveut (2022), Adaptive Conformal Predictions for Time Series, arXiv 2202.07282. Each
candidate runs ACI with its own gamma. Lower ends are mixed by Bernstein online aggregation (Wintenberger, 2017, Machine
Learning 106) under the pinball loss at alpha / 2, upper ends at 1 - alpha / 2; infinite and empty sets count as the
largest and the smallest score. Estimand: ends that are nearly as good as the best candidate's in that loss. There is no
bound for the mixture's coverage; every candidate's is within that of ACI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.online.history import History, OrderRule
from statinf.conformity.online.options import GAMMAS, PLAIN, LevelOptions, check_gammas
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.numerics.recursions.scanning import through
from statinf.numerics.recursions.tracking import aggregate, follow_levels
from statinf.results import value

LOSSES = "pinball loss of each end near the best candidate's"


@dataclass(frozen=True, kw_only=True)
class AgACIOptions(LevelOptions):
    """Options of AgACI."""

    gamma: Any = value(GAMMAS, "candidate steps", "numbers above 0 and at most 1", check_gammas)


Sums = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, repr=False)
class AgACI(Brief):
    """Levels (K,) of the candidates, sums of the two aggregations, and the scores so far."""

    history: History
    rule: OrderRule
    theta: np.ndarray
    low: Sums
    high: Sums
    gamma: tuple[float, ...]
    level: float

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[AgACI, OnlineSteps]:
        """See `Tracker.advance`."""
        scores = np.maximum(below, above)
        ahead = self.history.ahead(scores)
        cut = self.rule.cut(ahead)
        theta, (levels,) = through(follow_levels, self.theta, [cut], np.asarray(self.gamma), self.level)
        n = ahead.n[:, None]
        radius = np.where(n > 0, ahead.smallest(np.clip(self.rule.rank(levels, ahead.n), 1, np.maximum(n, 1))), 0.0)
        tail = (1.0 - self.level) / 2.0
        low, (ends, left) = through(aggregate, self.low, [-radius, -below], tail)
        high, (tops, right) = through(aggregate, self.high, [radius, above], 1.0 - tail)
        used = ((levels * left).sum(axis=1) + (levels * right).sum(axis=1)) / 2.0
        after = replace(self, history=self.history.after(scores), theta=theta, low=low, high=high)
        return after, OnlineSteps(-ends, tops, used, (-ends >= below) & (tops >= above))

    def bound(self, rows: int) -> float | None:
        """None is known for the mixture."""
        return None


def estimate(problem: OnlineProblem, options: AgACIOptions) -> AgACI:
    """The state before the first interval."""
    size = len(options.gamma)
    return AgACI(
        History(problem.scores[-options.window :] if options.window else problem.scores, options.window),
        OrderRule(options.quantile == "finite-sample"),
        np.full(size, problem.level),
        (np.zeros(size), np.zeros(size)),
        (np.zeros(size), np.zeros(size)),
        options.gamma,
        problem.level,
    )


def promise(options: AgACIOptions) -> str:
    """What is known where candidates lose the bound of ACI; empty where they have it."""
    plain = options.quantile == "plain"
    return f"{LOSSES}; of coverage {PLAIN}" if plain else ""


METHOD = OnlineMethod(
    verb="conformal_online",
    name="agaci",
    estimate=estimate,
    options=AgACIOptions,
    promise=promise,
    summary="the ends of ACI's intervals at several steps gamma, mixed by Bernstein online aggregation",
    citation="Zaffran, Feron, Goude, Josse and Dieuleveut (2022)",
    arxiv="2202.07282",
    guarantee=f"{LOSSES}; every candidate as ACI; none for the mixture's coverage",
    vignette="conformal-online",
)
