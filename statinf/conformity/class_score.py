"""Scores of classes from their probabilities: large for classes that the model finds unlikely.

A score gives the numbers of all classes of a row, to decide which belong to its set, and of one class per row, to
calibrate. Both are pure functions of the row's probabilities and of its draw from the uniform law.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from statinf.backend import chunks
from statinf.numerics.order.class_ranks import likelier, likelier_than

_WHOLE = 1.0 - 1e-9
"""Cumulated probabilities from here on are one: the order of summation must not tell two classes apart."""
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
        return 1.0 - P[np.arange(len(P)), classes]


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
        for rows, columns in _blocks(P):
            mass, rank = likelier(columns, self.penalty > 0.0)
            out[rows] = self._score(mass, rank, columns, draws[rows]).T
        return out

    def of(self, P: np.ndarray, classes: np.ndarray, draws: np.ndarray) -> np.ndarray:
        out = np.empty(len(P))
        for rows, columns in _blocks(P):
            mass, rank = likelier_than(columns, classes[rows], self.penalty > 0.0)
            own = columns[classes[rows], np.arange(columns.shape[1])]
            out[rows] = self._score(mass, rank, own, draws[rows])
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


def _blocks(P: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows that stay in cache, with one row per class."""
    for rows in chunks(len(P), max(1, _CELLS // max(P.shape[1], 1))):
        yield rows, np.ascontiguousarray(P[rows].T)
