"""Adaptive conformal inference: the level moves up after a miss and down after a hit.

Gibbs and Candes (2021), Adaptive Conformal Inference Under Distribution Shift, arXiv 2106.00170. With alpha_t the miss
rate that is used, alpha_{t+1} = alpha_t + gamma (alpha - err_t). Estimand: intervals whose share of misses tends to alpha
along every sequence of outcomes, whatever the model; no assumption. After T rows that share is within (max(alpha_1, 1 -
alpha_1) + gamma) / (gamma T) of alpha, because alpha_t stays in [-gamma, 1 + gamma]: at alpha_t <= 0 the interval is the whole
line, at alpha_t >= 1 it is empty. With `momentum=` err_t is an average of all misses so far, weighted by momentum^age (.95 in
section 2.1 of the paper): smoother levels, without that bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from statinf.brief import Brief
from statinf.conformity.online.history import History, OrderRule
from statinf.conformity.online.options import PLAIN, LevelOptions
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.numerics.recursions.scanning import through
from statinf.numerics.recursions.tracking import follow_average, follow_levels
from statinf.results import number


@dataclass(frozen=True, kw_only=True)
class ACIOptions(LevelOptions):
    """Options of ACI."""

    gamma: float = number(
        0.005, "step of the level after a row; large ones adapt fast and vary much", low=0, high=1, open_low=True
    )
    momentum: float = number(
        0.0,
        "how much a miss still counts one row later: the level follows an average of misses, without the bound",
        low=0,
        high=1,
        open_high=True,
    )


@dataclass(frozen=True, repr=False)
class ACI(Brief):
    """The level that is used next, and the scores so far; with momentum, weighted misses and their weights as well."""

    history: History
    rule: OrderRule
    theta: np.ndarray
    gamma: float
    level: float
    momentum: float = 0.0
    misses: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[ACI, OnlineSteps]:
        """See `Tracker.advance`."""
        scores = np.maximum(below, above)
        ahead = self.history.ahead(scores)
        cut = self.rule.cut(ahead)
        after, levels = self._followed(cut)
        radius = self.rule.radius(levels, ahead)
        return replace(after, history=self.history.after(scores)), OnlineSteps(radius, radius, levels, levels > cut)

    def _followed(self, cut: np.ndarray) -> tuple[ACI, np.ndarray]:
        """The level after rows with these cuts (n,), and the levels that were used, shape (n,)."""
        if not self.momentum:
            theta, (levels,) = through(follow_levels, self.theta, [cut], np.array([self.gamma]), self.level)
            return replace(self, theta=theta), levels[:, 0]
        carry = (self.theta[0], *self.misses)
        (theta, *misses), (levels,) = through(follow_average, carry, [cut], self.gamma, self.level, self.momentum)
        return replace(self, theta=np.array([theta]), misses=np.array(misses)), levels

    def bound(self, rows: int) -> float | None:
        """Proposition 4.1 of the paper; it needs infinite and empty sets, which the plain quantile has not, and plain misses."""
        if self.momentum or not self.rule.finite_sample or not rows:
            return None
        return (max(self.level, 1.0 - self.level) + self.gamma) / (self.gamma * rows)


def estimate(problem: OnlineProblem, options: ACIOptions) -> ACI:
    """The state before the first interval, at the level asked for."""
    return ACI(
        History(problem.scores[-options.window :] if options.window else problem.scores, options.window),
        OrderRule(options.quantile == "finite-sample"),
        np.array([problem.level]),
        options.gamma,
        problem.level,
        options.momentum,
    )


def promise(options: ACIOptions) -> str:
    """What is known under options that lose the bound; empty where it holds."""
    if options.momentum:
        return "none: levels that follow an average of misses are without the bound of ACI"
    return "" if options.quantile == "finite-sample" else PLAIN


METHOD = OnlineMethod(
    verb="conformal_online",
    name="aci",
    estimate=estimate,
    options=ACIOptions,
    promise=promise,
    summary="the level of the next interval moves by gamma after each hit or miss",
    citation="Gibbs and Candes (2021)",
    arxiv="2106.00170",
    guarantee="|share of misses - (1 - level)| <= (max(level, 1 - level) + gamma) / (gamma T) on every path",
    vignette="conformal-online",
)
