"""The levels that predictions are rounded to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import OptionError

_TIE = 1e-9
"""Values this close below the middle between two levels go up, so that rounding of sums does not choose a level."""


@dataclass(frozen=True, repr=False)
class LevelGrid(Brief):
    """Levels in [0, 1] and the middles between them.

    Attributes
    ----------
    centres : ndarray, shape (m + 1,)
        Increasing.
    steps : int
        The number of equal steps between them; 0 where they are not equal.
    """

    centres: np.ndarray
    steps: int = 0

    @classmethod
    def even(cls, m: int) -> LevelGrid:
        """The multiples of 1/m in [0, 1]."""
        return cls(np.arange(m + 1) / m, m)

    @classmethod
    def quantiles(cls, y: np.ndarray, w: np.ndarray, m: int) -> LevelGrid:
        """Quantiles of outcomes y (n,) under weights w (n,) at the multiples of 1/m, those that are alike once.

        Raises
        ------
        OptionError
            If there are fewer than three.
        """
        order = np.argsort(y, kind="stable")
        share = np.cumsum(w[order]) / w.sum()
        at = np.minimum(np.searchsorted(share, np.arange(m + 1) / m - _TIE), len(y) - 1)
        centres = np.unique(y[order][at])
        if len(centres) < 3:
            raise OptionError(
                f"spacing='quantile' finds {len(centres)} distinct quantiles of the outcome; use spacing='even'."
            )
        return cls(centres)

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.centres)

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Numbers (n,) of the nearest levels of values (n,), the upper one where both are as near."""
        if self.steps:
            return np.clip(np.floor(values * self.steps + (0.5 + _TIE)), 0, self.steps).astype(np.intp)
        middles = (self.centres[1:] + self.centres[:-1]) / 2
        return np.searchsorted(middles, values + _TIE / max(self.size - 1, 1), side="right")
