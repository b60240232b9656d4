"""A multicalibrated prediction: what starts it, how columns are standardised, and the rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.multicalibration.boosting import Boosted


@dataclass(frozen=True, repr=False)
class LevelPredictor(Brief):
    """A multicalibrated prediction of rows.

    Attributes
    ----------
    low, unit : float
        Lower bound of predictions, and the distance to the upper one.
    centre, scale : ndarray, shape (p,)
        By which columns are standardised.
    start : object or None
        Makes initial predictions in [0, 1] where these are not given.
    boosted : Boosted
    """

    low: float
    unit: float
    centre: np.ndarray
    scale: np.ndarray
    start: Any
    boosted: Boosted

    @property
    def foreign(self) -> bool:
        """Whether a model of another library is part of it."""
        fits = [one.fits for one in (*self.boosted.rounds, self.boosted.last) if one is not None]
        return any(getattr(one, "foreign", None) for one in (self.start, *fits))

    def predict(self, X: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        """Predictions (n,) of rows X (n, p); `given` (n,) holds initial predictions that come from elsewhere."""
        return self.low + self.unit * self.replayed(X, given)

    def replayed(self, X: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        """Predictions (n,) in [0, 1]."""
        Z = self._standard(X)
        return self.boosted.replay(Z, self.opening(Z, given))

    def started(self, X: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        """Initial predictions (n,) in [0, 1], rounded to the grid."""
        grid = self.boosted.grid
        return grid.centres[grid.codes(np.clip(self.opening(self._standard(X), given), 0.0, 1.0))]

    def _standard(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((X - self.centre) / self.scale)

    def opening(self, Z: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        """Initial predictions (n,) in units of the bounds, from standardised columns (n, p)."""
        if given is not None:
            return (given - self.low) / self.unit
        if hasattr(self.start, "deficient"):
            return self.start.predict(Z, np.zeros(len(Z), np.intp))
        return np.asarray(self.start.predict(Z), np.float64)


@dataclass(frozen=True, repr=False)
class InUnits(Brief):
    """A fitted learner of the outcome whose predictions are carried to [0, 1]."""

    fitted: Any
    low: float
    unit: float

    @property
    def foreign(self) -> Any:
        """The class of another library that this holds."""
        return getattr(self.fitted, "foreign", None)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Predictions (n,)."""
        return (np.asarray(self.fitted.predict(Z), np.float64) - self.low) / self.unit
