"""Scores of the past, and where new ones stand among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.numerics.order.running import RunningOrder

FEW = 8
"""So few new scores are counted and selected directly, without an index of all."""
SLACK = 1e-12
"""Levels this close to a step of the empirical distribution are on it."""


@dataclass(frozen=True, repr=False)
class History(Brief):
    """Scores in the order of time, all or the last `window`."""

    scores: np.ndarray
    window: int | None = None

    def ahead(self, new: np.ndarray) -> Ahead:
        """Questions about what each new score (m,) finds before it."""
        return Ahead(self, new)

    def after(self, new: np.ndarray) -> History:
        """The history with new scores."""
        both = np.concatenate([self.scores, new])
        return History(both if self.window is None else both[-self.window :], self.window)


@dataclass(frozen=True, repr=False)
class Ahead(Brief):
    """New scores, each with the scores before it: those of the history and of the new ones that come earlier."""

    history: History
    new: np.ndarray

    @cached_property
    def series(self) -> np.ndarray:
        return np.concatenate([self.history.scores, self.new])

    @cached_property
    def stop(self) -> np.ndarray:
        return len(self.history.scores) + np.arange(len(self.new))

    @cached_property
    def start(self) -> np.ndarray:
        window = self.history.window
        return np.zeros_like(self.stop) if window is None else np.maximum(self.stop - window, 0)

    @property
    def n(self) -> np.ndarray:
        """How many scores come before each new one, shape (m,)."""
        return self.stop - self.start

    @cached_property
    def _order(self) -> RunningOrder:
        return RunningOrder.of(self.series)

    def _each(self) -> list[np.ndarray]:
        return [self.series[a:b] for a, b in zip(self.start, self.stop, strict=True)]

    def below(self, *, ties: bool = False) -> np.ndarray:
        """How many scores before each new one are below it, or at most it where `ties`; shape (m,)."""
        if len(self.new) > FEW and self.history.window is None:
            order, new = self._order, slice(len(self.history.scores), None)
            found = order.before[new] if ties else order.before[new] - order.ties[new]
            return found.astype(np.int64)
        return self.count(self.new, ties=ties)

    def count(self, values: np.ndarray, *, ties: bool = True) -> np.ndarray:
        """How many scores before each new one are at most a value, or below it without `ties`; shape (m,)."""
        if len(self.new) <= FEW:
            return np.array(
                [
                    np.count_nonzero(past <= v if ties else past < v)
                    for past, v in zip(self._each(), values, strict=True)
                ],
                dtype=np.int64,
            )
        return self._order.below(values, self.start, self.stop, ties=ties)

    def smallest(self, k: np.ndarray) -> np.ndarray:
        """The k-th smallest score before each new one; k has shape (m,) or (m, K); -inf below 1, inf above their number."""
        if k.ndim == 2:
            return np.stack([self.smallest(column) for column in k.T], axis=1)
        if len(self.new) <= FEW:
            return np.array([_select(past, int(j)) for past, j in zip(self._each(), k, strict=True)], np.float64)
        return self._order.smallest(k, self.start, self.stop)


def _select(past: np.ndarray, k: int) -> float:
    if k < 1 or k > len(past):
        return -np.inf if k < 1 else np.inf
    return float(np.partition(past, k - 1)[k - 1])


@dataclass(frozen=True, repr=False)
class OrderRule(Brief):
    """Which order statistic a level stands for.

    Attributes
    ----------
    finite_sample : bool
        The least k with k >= (n + 1) level, infinite where k is above n; or the empirical quantile, k >= n level, with
        levels cut off at 0 and 1, and 0 where there is no score yet (R's AdaptiveConformal).
    """

    finite_sample: bool = True

    def cut(self, ahead: Ahead) -> np.ndarray:
        """The levels above which a set holds its outcome, shape (m,)."""
        below, n = ahead.below(), ahead.n
        if self.finite_sample:
            return below / (n + 1) + SLACK
        inside = below / np.maximum(n, 1) + SLACK
        cut = np.where(below == 0, -np.inf, np.where(below == n, np.inf, inside))
        return np.where(n == 0, np.where(ahead.new <= 0.0, -np.inf, np.inf), cut)

    def rank(self, levels: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Which order statistic levels (m,) or (m, K) stand for: from 0, the empty set, to n + 1, everything.

        A score is covered exactly where its cut is below the level.
        """
        n = n[:, None] if levels.ndim == 2 else n
        if not self.finite_sample:
            return np.clip(np.ceil(n * levels - SLACK * n), 1, np.maximum(n, 1)).astype(np.int64)
        k = np.clip(np.ceil((levels - SLACK) * (n + 1)), 0, n + 1).astype(np.int64)
        # The comparison of `cut`, in its own arithmetic.
        k = np.where((k >= 1) & ((k - 1) / (n + 1) + SLACK >= levels), k - 1, k)
        return np.where((k <= n) & (k / (n + 1) + SLACK < levels), k + 1, k)

    def radius(self, levels: np.ndarray, ahead: Ahead) -> np.ndarray:
        """Radii of the sets at levels (m,) or (m, K): infinite for everything, minus infinity for the empty set."""
        k = self.rank(levels, ahead.n)
        found = ahead.smallest(k)
        if self.finite_sample:
            return found
        n = ahead.n[:, None] if levels.ndim == 2 else ahead.n
        return np.where(n == 0, 0.0, found)
