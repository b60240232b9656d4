"""A known mean or probability in a learner's place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Constant:
    """A known value for every row, such as the treatment share of a randomised trial."""

    value: float

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> Constant:
        """Nothing to learn."""
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The value, once per row (n,)."""
        return np.full(len(X), self.value)

    predict_proba = predict
