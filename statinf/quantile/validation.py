"""Scores of rows left out along a path of penalties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, repr=False)
class Validation(Brief):
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
        return int(np.argmin(self.mean))

    def pick(self, rule: str) -> int:
        """Position of the best penalty, or with "1se" of the largest within one standard error of it."""
        if rule == "min":
            return self.best
        limit = self.mean[self.best] + np.nan_to_num(self.error[self.best])
        return int(np.argmax(self.mean <= limit))
