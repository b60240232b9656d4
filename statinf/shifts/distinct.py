"""The rows of a sample by what differs between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, repr=False)
class Distinct(Brief):
    """Rows that say all: those of a sample, or its cells where rows are alike.

    Attributes
    ----------
    x : ndarray, shape (G, p)
    w : ndarray, shape (G,)
        Weights, summed over the rows of a cell.
    of : ndarray of int, shape (n,), or None
        The cell of each row of the sample; None where each is its own.
    """

    x: np.ndarray
    w: np.ndarray
    of: np.ndarray | None

    @classmethod
    def of_cells(cls, x: np.ndarray, of: np.ndarray, w: np.ndarray) -> Distinct:
        """Rows of weights w (n,) in cells `of` (n,), whose columns are x (G, p)."""
        mass = np.bincount(of, weights=w, minlength=len(x))
        there = mass > 0  # a cell may hold rows of weight zero alone
        if there.all():
            return cls(x, mass, of)
        return cls(x[there], mass[there], (np.cumsum(there) - 1)[of])

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the cells, shape (G, ...), on the rows of the sample, shape (n, ...)."""
        return values if self.of is None else values[self.of]
