"""Strongly adaptive online conformal prediction: a radius mixed from experts that are born at every step.

Bhatnagar, Wang, Xiong and Bai (2023), Improved Online Conformal Prediction via Strongly Adaptive Online Learning, arXiv
2302.07869. Every row starts an expert that runs scale-free gradient descent (`sf_ogd`) for a lifetime; wealth
from coin betting (Jun, Orabona, Wright and Willett, 2017) weighs those that are alive. Estimand: a radius whose
pinball loss is near that of the best fixed radius over every stretch of rows, up to a multiple of D sqrt(length log T) for
scores below D; long-run coverage follows at a slower rate than for `sf-ogd`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.online.history import History
from statinf.conformity.online.sf_ogd import RadiusOptions
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.numerics.recursions.adaptive_experts import adapt_radius, no_experts
from statinf.numerics.recursions.scanning import through
from statinf.results import count


@dataclass(frozen=True, kw_only=True)
class SAOCPOptions(RadiusOptions):
    """Options of SAOCP."""

    lifetime: int = count(8, "rows that the shortest-lived experts live for", high=1024)


@dataclass(frozen=True, repr=False)
class SAOCP(Brief):
    """The experts, and the scores so far."""

    history: History
    state: tuple[Any, ...]
    scale: float
    level: float
    lifetime: int

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[SAOCP, OnlineSteps]:
        """See `Tracker.advance`."""
        scores = np.maximum(below, above)
        ahead = self.history.ahead(scores)
        state, (radius,) = through(adapt_radius, self.state, [scores], self.scale, self.level, self.lifetime)
        used = ahead.count(radius) / np.maximum(ahead.n, 1)
        return replace(self, history=self.history.after(scores), state=state), OnlineSteps(
            radius, radius, used, scores <= radius
        )

    def bound(self, rows: int) -> float | None:
        """The paper's rate has no constant that could be stated."""
        return None


def estimate(problem: OnlineProblem, options: SAOCPOptions) -> SAOCP:
    """The state before the first interval; experts work through the first scores, as in the authors' code."""
    scale = options.step(problem.scores) * float(np.sqrt(3.0))
    empty = SAOCP(History(problem.scores[:0]), no_experts(options.lifetime), scale, problem.level, options.lifetime)
    return empty.advance(problem.below, problem.above)[0] if len(problem.scores) else empty


METHOD = OnlineMethod(
    verb="conformal_online",
    name="saocp",
    estimate=estimate,
    options=SAOCPOptions,
    summary="a radius mixed from scale-free gradient descents that start at every row and live for a while",
    citation="Bhatnagar, Wang, Xiong and Bai (2023)",
    arxiv="2302.07869",
    guarantee="pinball loss within O(D sqrt(k log T)) of the best fixed radius over every stretch of k rows",
    vignette="conformal-online",
)
