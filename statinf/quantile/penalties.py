"""What fits along a path of penalties share: reading the options, and scores of the rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import OptionError

PENALTY = "a number of at least 0, several of them, or None"


def is_penalty(given: Any) -> bool:
    """Whether this is a finite number of at least 0."""
    return isinstance(given, Real) and not isinstance(given, bool | np.bool_) and 0.0 <= float(given) < np.inf


def check_penalty(name: str, given: Any) -> tuple[float, ...]:
    """Penalties from large to small, of one number or several."""
    listed = given.tolist() if isinstance(given, np.ndarray) else given
    listed = [listed] if isinstance(listed, Real) else listed
    if isinstance(listed, Sequence) and not isinstance(listed, str) and len(listed) and all(map(is_penalty, listed)):
        return tuple(sorted({float(v) for v in listed}, reverse=True))
    raise OptionError(f"{name}={given!r} is not {PENALTY}.")


def check_folds(name: str, given: Any) -> Any:
    """A number of folds of at least 2, or labels of rows; whether these fit the rows is seen when the rows are there."""
    if isinstance(given, Integral) and not isinstance(given, bool | np.bool_):
        if int(given) >= 2:
            return int(given)
    elif not isinstance(given, str) and np.ndim(given) == 1:
        return given
    raise OptionError(f"{name}={given!r} is not a whole number of at least 2 or one label per row.")


_ROUNDING = 1e-10
"""Relative difference of scores that are equal."""


@dataclass(frozen=True, repr=False)
class PenaltyScores(Brief):
    """Scores of rows left out; smaller is better.

    Attributes
    ----------
    scores : ndarray, shape (folds, L)
        Mean score in each fold at each penalty, from the largest penalty to the smallest.
    shares : ndarray, shape (folds,)
        Weight of each fold; they sum to one.
    """

    scores: np.ndarray
    shares: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean score over all rows, shape (L,)."""
        return self.shares @ self.scores

    @property
    def error(self) -> np.ndarray:
        """Standard error of the mean from its spread over folds, shape (L,)."""
        count = len(self.shares)
        if count < 2:
            return np.full(self.scores.shape[1], np.nan)
        return np.sqrt((self.shares**2 @ (self.scores - self.mean) ** 2) * count / (count - 1))

    @property
    def best(self) -> int:
        """Position of the smallest mean; of equal ones the largest penalty."""
        mean = self.mean
        least = mean.min()
        # The same fit has scores that differ by rounding, which follows the unit of the weights.
        return int(np.argmax(mean <= least + _ROUNDING * abs(least)))

    def pick(self, rule: str) -> int:
        """Position of the best penalty, or with "1se" of the largest within one standard error of it."""
        if rule == "min":
            return self.best
        limit = self.mean[self.best] + np.nan_to_num(self.error[self.best])
        return int(np.argmax(self.mean <= limit))
