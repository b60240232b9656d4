"""Scores of classes from their probabilities: large for classes that the model finds unlikely.

A score gives the numbers of all classes of a row, to decide which belong to its set, and of one class per row, to
calibrate. Both are pure functions of the row's probabilities and of its draw from the uniform law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from statinf.backend import row_blocks
from statinf.numerics.order.class_ranks import descending, likelier, likelier_than

_WHOLE = 1.0 - 1e-9
"""Cumulated probabilities from here on are one: the order of summation must not tell two classes apart."""
_ROUNDING = 2e-9
"""Scores this near to the threshold are summed again as `every` does."""
_CELLS = 1 << 16


class ClassScore(Protocol):
    """How odd a class is in a row."""

    @property
    def randomized(self) -> bool:
        """Whether the score uses the row's draw."""
        ...

    def every(self, P: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Scores (n, K) of all classes from probabilities (n, K) and draws (n,)."""
        ...

    def of(self, P: np.ndarray, classes: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Scores (n,) of one class per row, given by numbers (n,)."""
        ...


@dataclass(frozen=True)
class OneMinus:
    """One minus the class's own probability."""

    randomized = False

    def every(self, P: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return 1.0 - P

    def of(self, P: np.ndarray, classes: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return 1.0 - P.ravel()[np.arange(0, P.size, P.shape[1]) + classes]


@dataclass(frozen=True)
class Cumulated:
    """Probability of the likelier classes, with a part of the class's own, and a penalty on its rank.

    Parameters
    ----------
    randomized : bool
        Whether one minus the row's draw is the part that counts; else all of it does.
    penalty : float
        For every rank beyond `kreg`.
    kreg : int
    """

    randomized: bool = True
    penalty: float = 0.0
    kreg: int = 0

    def every(self, P: np.ndarray, draws: np.ndarray) -> np.ndarray:
        out = np.empty(P.shape)

        def block(rows: slice) -> None:
            columns = np.ascontiguousarray(P[rows].T)
            mass, rank = likelier(columns, self.penalty > 0.0)
            out[rows] = self._score(mass, rank, columns, draws[rows]).T

        _by_blocks(block, P)
        return out

    def of(self, P: np.ndarray, classes: np.ndarray, draws: np.ndarray) -> np.ndarray:
        out = np.empty(len(P))

        def block(rows: slice) -> None:
            columns = np.ascontiguousarray(P[rows].T)
            mass, rank = likelier_than(columns, classes[rows], self.penalty > 0.0)
            own = columns[classes[rows], np.arange(columns.shape[1])]
            out[rows] = self._score(mass, rank, own, draws[rows])

        _by_blocks(block, P)
        return out

    def below(self, P: np.ndarray, draws: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Which classes have a score of at most q (n, 1) or (1, 1), as booleans (n, K), from sorted probabilities.

        Scores grow along the sorted classes, so that a set is what reaches the probability of its last one. Rows in which
        ties or the order of summation could decide are done class by class.
        """
        limit, columns = np.broadcast_to(q[:, 0], len(P)), np.ascontiguousarray(P.T)
        ordered, total, members = descending(columns), np.zeros(len(P)), np.zeros(len(P), np.intp)
        nearest, gap = np.full(len(P), np.inf), np.empty(len(P))
        for r, own in enumerate(ordered):
            total += own
            if self.randomized:
                np.subtract(total, np.multiply(draws, own, out=gap), out=gap)
                gap -= limit
            else:
                np.subtract(total, limit, out=gap)
            if self.penalty > 0.0:
                gap += self.penalty * max(r + 1 - self.kreg, 0)
            members += gap <= 0.0
            np.minimum(nearest, np.abs(gap, out=gap), out=nearest)
        last = np.array(ordered)[np.maximum(members - 1, 0), np.arange(len(P))]
        last[members == 0] = np.inf
        out = last[:, None] <= P
        unsure = nearest < _ROUNDING
        # A class as likely as the last member may come after it.
        unsure |= (last <= columns).sum(axis=0) != members
        again = np.flatnonzero(unsure)
        if len(again):
            out[again] = self.every(P[again], draws[again]) <= limit[again, None]
        return out

    def _score(self, mass: np.ndarray, rank: np.ndarray | None, own: np.ndarray, draws: np.ndarray) -> np.ndarray:
        # All of the class's own probability first, as a deterministic score counts it; the draw takes its part away.
        score = mass
        score += own
        np.copyto(score, 1.0, where=score > _WHOLE)
        if self.randomized:
            score -= draws * own
        if rank is not None and self.penalty > 0.0:
            score += self.penalty * np.maximum(rank.astype(np.intp) - self.kreg, 0)
        return score


def inside(score: ClassScore, P: np.ndarray, draws: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Which classes have a score of at most q, as booleans (n, K).

    Parameters
    ----------
    score : ClassScore
    P : ndarray, shape (n, K)
    draws : ndarray, shape (n,)
    q : ndarray
        Thresholds: one (1, 1), by class (K,), by row (n, 1), or of both (n, K).
    """
    out, by_row = np.empty(P.shape, bool), q.ndim == 2 and len(q) == len(P)

    def block(rows: slice) -> None:
        limit = q[rows] if by_row else q
        if isinstance(score, Cumulated) and limit.ndim == 2 and limit.shape[1] == 1:
            out[rows] = score.below(P[rows], draws[rows], limit)
        else:
            np.less_equal(score.every(P[rows], draws[rows]), limit, out=out[rows])

    _by_blocks(block, P)
    return out


def _by_blocks(function: Callable[[slice], None], P: np.ndarray) -> None:
    """Call a function on blocks of rows that stay in cache."""
    for rows in row_blocks(len(P), P.shape[1], _CELLS):
        function(rows)
