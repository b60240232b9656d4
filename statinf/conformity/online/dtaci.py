"""Dynamically tuned adaptive conformal inference: ACI at several steps, mixed by exponential weights.

Gibbs and Candes (2022), Conformal Inference for Online Prediction with Arbitrary Distribution Shifts, arXiv 2208.08401. Each
candidate runs ACI with its own gamma. Weights go by the pinball loss of the candidate's level against the least level that
would have covered, and a share sigma of them is spread anew at each step. The level used is the mean under the weights,
the second of the paper's two choices. Over every stretch of rows its summed loss exceeds that of any one candidate by at most
(log(K / sigma) + (length - 1) log(1 / (1 - sigma))) / eta + eta / 2 times the sum of squared losses under the weights; every
candidate's own miss rate is within the bound of ACI.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.online.history import History, OrderRule
from statinf.conformity.online.options import GAMMAS, PLAIN, LevelOptions, check_gammas
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.numerics.recursions.scanning import through
from statinf.numerics.recursions.tracking import follow_levels, share_weights
from statinf.results import count, value

LOSSES = "pinball loss of the level near the best candidate's over every stretch of rows"


@dataclass(frozen=True, kw_only=True)
class DtACIOptions(LevelOptions):
    """Options of DtACI."""

    gamma: Any = value(GAMMAS, "candidate steps", "numbers above 0 and at most 1", check_gammas)
    interval: int = count(
        100, "length of the stretches over which it should be near the best candidate; sets eta and sigma"
    )


@dataclass(frozen=True, repr=False)
class DtACI(Brief):
    """Levels and weights (K,) of the candidates, and the scores so far."""

    history: History
    rule: OrderRule
    theta: np.ndarray
    weights: np.ndarray
    gamma: tuple[float, ...]
    level: float
    eta: float
    sigma: float

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[DtACI, OnlineSteps]:
        """See `Tracker.advance`."""
        scores = np.maximum(below, above)
        ahead = self.history.ahead(scores)
        cut = self.rule.cut(ahead)
        theta, (levels,) = through(follow_levels, self.theta, [cut], np.asarray(self.gamma), self.level)
        gap = self._least(ahead)[:, None] - levels
        losses = np.maximum(self.level * gap, (self.level - 1.0) * gap)
        weights, (shares,) = through(share_weights, self.weights, [losses], self.eta, self.sigma)
        used = (levels * shares).sum(axis=1)
        radius = self.rule.radius(used, ahead)
        after = replace(self, history=self.history.after(scores), theta=theta, weights=weights)
        return after, OnlineSteps(radius, radius, used, used > cut)

    def _least(self, ahead: Any) -> np.ndarray:
        """The least level that would have covered, shape (n,)."""
        if self.rule.finite_sample:
            return ahead.below() / (ahead.n + 1)
        return ahead.below(ties=True) / np.maximum(ahead.n, 1)

    def bound(self, rows: int) -> float | None:
        """The paper bounds losses, not misses, of the mixture."""
        return None


def rates(level: float, candidates: int, interval: int) -> tuple[float, float]:
    """Eta and sigma of the paper for stretches of a length."""
    alpha = 1.0 - level
    spread = level**2 * alpha**3 + alpha**2 * level**3
    return math.sqrt(3.0 / interval * (math.log(candidates * interval) + 2.0) / spread), 1.0 / (2.0 * interval)


def estimate(problem: OnlineProblem, options: DtACIOptions) -> DtACI:
    """The state before the first interval: all candidates at the level asked for, with equal weights."""
    size = len(options.gamma)
    eta, sigma = rates(problem.level, size, options.interval)
    return DtACI(
        History(problem.scores[-options.window :] if options.window else problem.scores, options.window),
        OrderRule(options.quantile == "finite-sample"),
        np.full(size, problem.level),
        np.full(size, 1.0 / size),
        options.gamma,
        problem.level,
        eta,
        sigma,
    )


def promise(options: DtACIOptions) -> str:
    """What is known where candidates lose the bound of ACI; empty where they have it."""
    plain = options.quantile == "plain"
    return f"{LOSSES}; of coverage {PLAIN}" if plain else ""


METHOD = OnlineMethod(
    verb="conformal_online",
    name="dtaci",
    estimate=estimate,
    options=DtACIOptions,
    promise=promise,
    summary="ACI at several steps gamma, mixed by weights that follow whichever does best lately",
    citation="Gibbs and Candes (2022)",
    arxiv="2208.08401",
    guarantee=f"{LOSSES}; every candidate as ACI",
    vignette="conformal-online",
)
