"""What a method of `si.conformal_online` is once it runs: a state that goes on with each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from statinf.brief import Brief
from statinf.results import Method


@dataclass(frozen=True, repr=False)
class OnlineSteps(Brief):
    """Intervals of rows, as they stood before the outcomes were known.

    Attributes
    ----------
    lower, upper : ndarray, shape (n,)
        How far the interval reaches below the lower end of the base's prediction and above the upper one; infinite for
        everything, minus infinity for the empty set.
    level : ndarray, shape (n,)
        The level of coverage that was used.
    covered : ndarray of bool, shape (n,)
    """

    lower: np.ndarray
    upper: np.ndarray
    level: np.ndarray
    covered: np.ndarray


class Tracker(Protocol):
    """A method's state."""

    def advance(self, below: np.ndarray, above: np.ndarray) -> tuple[Self, OnlineSteps]:
        """The state after rows, and their intervals.

        Parameters
        ----------
        below, above : ndarray, shape (n,)
            How far outcomes are below the lower end of the prediction, and above the upper one.
        """
        ...

    def bound(self, rows: int) -> float | None:
        """What the miss rate of so many rows is at most away from its aim, on every path; None where nothing is known."""
        ...


def upcoming(tracker: Tracker) -> OnlineSteps:
    """The interval of the next row, whose outcome does not matter for it."""
    return tracker.advance(np.zeros(1), np.zeros(1))[1]


@dataclass(frozen=True, repr=False)
class OnlineProblem(Brief):
    """What a method starts from.

    Attributes
    ----------
    level : float
    below, above : ndarray, shape (m,)
        As `Tracker.advance` takes them, of rows that the model has not seen, in the order of time.
    """

    level: float
    below: np.ndarray
    above: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """How far outcomes are outside the prediction, shape (m,)."""
        return np.maximum(self.below, self.above)


@dataclass(frozen=True, kw_only=True)
class OnlineMethod(Method):
    """A method of `si.conformal_online`; `estimate` makes its state from an `OnlineProblem`.

    Attributes
    ----------
    base : callable, optional
        Its own base of the intervals, from (model, X, y, options, seed) to the base and the ends of all the first rows.
    coverage : str
        Which side of the aim `Tracker.bound` bounds: "both", or "below".
    promise : callable, optional
        From options to what is known of coverage under them, where some lose the method's guarantee.
    """

    base: Any = None
    coverage: str = "both"
    promise: Callable[[Any], str] | None = None

    def known(self, options: Any) -> str:
        """What is known of coverage under these options."""
        return self.guarantee if self.promise is None else self.promise(options) or self.guarantee
