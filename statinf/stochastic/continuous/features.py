"""Features that are centred, where a constant is among them, and scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, eq=False, repr=False)
class FeatureScale(Brief):
    """Columns `(x - centre) / scale`.

    Attributes
    ----------
    centre, scale : ndarray, shape (p,)
    carry : ndarray, shape (p, p)
        Takes coefficients of the centred and scaled columns to those of the columns as given.
    """

    centre: np.ndarray
    scale: np.ndarray
    carry: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> FeatureScale:
        """Centres and scales of columns (n, p)."""
        p = x.shape[1]
        size = np.sqrt(np.einsum("ij,ij->j", x, x) / len(x))
        constant = next((j for j in range(p) if size[j] > 0.0 and np.ptp(x[:, j]) == 0.0), None)
        centre, spread = np.zeros(p), size
        if constant is not None:
            centre = x.mean(axis=0)
            centre[constant] = 0.0
            # A column that does not vary is zero after centring, and the equations tell.
            spread = np.where(np.ptp(x, axis=0) > 0.0, x.std(axis=0), size)
        scale = np.where(spread > 0.0, spread, 1.0)
        carry = np.diag(1.0 / scale)
        if constant is not None:
            carry[constant] -= centre / scale / x[0, constant]
        return cls(centre, scale, carry)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The columns centred and scaled, shape of x."""
        out = x - self.centre
        out /= self.scale
        return out
