"""What a split-type conformal method consists of.

A score turns a fitted model into arrays that describe each row (`local`), measures how far an outcome lies from
them (`score`), and turns a threshold back into a set (`sets`). Everything else, weights and groups included, is
shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from statinf.errors import DataError
from statinf.learners import require, resolve
from statinf.numerics.order.intervals import IntervalSets

Local = tuple[np.ndarray, ...]
"""Arrays whose first axis is rows."""
Ends = tuple[np.ndarray, np.ndarray]
"""Lower and upper ends (m,), (m,)."""
IN_CACHE = 1 << 15
"""Rows at a time where several passes over memory would cost more than the arithmetic."""


class ConformityScore(Protocol):
    """One split-type method."""

    @property
    def tails(self) -> int:
        """Columns of the score; the miss rate is shared equally among them."""
        ...

    def learner(self, model: Any, level: float) -> Any:
        """The learner to fit on the training rows: `model`, or the method's default for None."""
        ...

    def local(self, fitted: Any, X: np.ndarray, seed: int) -> Local:
        """Arrays that describe rows X (n, p)."""
        ...

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        """Scores (n, tails), large for outcomes that the model finds odd."""
        ...

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        """All outcomes whose score is at most q (n, tails)."""
        ...


@dataclass(frozen=True)
class _Checked:
    """A learner whose fit must offer a method."""

    learner: Any
    method: str
    why: str

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> Any:
        fitted = self.learner.fit(X, y, w, seed=seed)
        require(fitted, self.method, self.why)
        return fitted


def density_learner(model: Any, method: str, why: str) -> Any:
    """The learner of a conditional law, a mixture density network by default, whose fit must have `method`."""
    return _Checked(resolve("mdn" if model is None else model, "density"), method, why)


def check_draws(draws: Any, n: int, size: int) -> np.ndarray:
    """Draws as (n, size) float64.

    Raises
    ------
    DataError
        If the shape is another or a draw is not finite.
    """
    draws = np.asarray(draws, np.float64)
    if draws.shape != (n, size):
        raise DataError(f"The model's `sample` returned shape {draws.shape}; ({n}, {size}) is needed.")
    if not np.isfinite(draws).all():
        bad = int(np.flatnonzero(~np.isfinite(draws).all(axis=1))[0])
        raise DataError(f"The model's `sample` returned a value that is not finite for row {bad}.")
    return draws
