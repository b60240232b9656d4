"""Sums of normal weights over many rows at many points, in time linear in the rows (Greengard and Strain 1991).

Rows fall into boxes a fraction of a bandwidth wide. Within a box the weight is its Taylor series about the middle, so that
the powers of the distances from there, summed once, serve every point and every larger bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

PAY_FROM = 4096
"""Rows from which boxes are faster than all pairs of rows and points."""
_PARTS = 4
_TERMS = 20
"""Within an eighth of a bandwidth of the middle the series then ends below 1e-16 of each weight less than ten bandwidths off."""
_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Boxes:
    """Rows in boxes: middles (b,), and sums of weight times distance^k / k!, shape (terms, columns, b)."""

    middle: np.ndarray
    powers: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, weights: np.ndarray, bandwidth: float) -> Boxes:
        """Boxes of rows x (n,) with columns of weights (n, t), for this bandwidth and larger ones."""
        width = bandwidth / _PARTS
        place = np.floor((x - x.min()) / width)
        occupied, codes = _codes(place)
        middle = x.min() + (occupied + 0.5) * width
        distance = x - middle[codes]
        powers = np.empty((_TERMS, weights.shape[1], len(middle)))
        for j, column in enumerate(weights.T):
            term = column.copy()
            for k in range(_TERMS):
                powers[k, j] = np.bincount(codes, term, len(middle)) / factorial(k)
                term *= distance
        return cls(middle, powers)

    def sums(self, at: np.ndarray, bandwidth: float, orders: int = 1) -> np.ndarray:
        """Sums over rows of weight times each derivative of exp(-s^2 / 2) at s = (x - at) / bandwidth.

        Parameters
        ----------
        at : ndarray, shape (m,)
        bandwidth : float
            At least that of the boxes.
        orders : int
            Derivatives 0 to orders - 1.

        Returns
        -------
        ndarray, shape (orders, t, m)
        """
        out = np.zeros((orders, self.powers.shape[1], len(at)))
        scaled = self.powers * (1.0 / bandwidth) ** np.arange(_TERMS)[:, None, None]
        step = max(1, _ELEMENTS // max(len(self.middle), 1))
        for start in range(0, len(at), step):
            some = slice(start, start + step)
            s = (self.middle - at[some, None]) / bandwidth
            before, now = np.zeros_like(s), np.exp(-0.5 * s**2)
            for k in range(_TERMS + orders - 1):
                for order in range(max(0, k - _TERMS + 1), min(orders, k + 1)):
                    out[order, :, some] += scaled[k - order] @ now.T
                # Derivatives of the normal weight: g^(k + 1) = -s g^(k) - k g^(k - 1).
                before, now = now, -s * now - k * before
        return out


def _codes(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Occupied places in order, and the number among them of each row's; without sorting where the places are few."""
    if place.max() < 4 * len(place):
        whole = place.astype(np.intp)
        found = np.flatnonzero(np.bincount(whole))
        lookup = np.zeros(int(whole.max()) + 1, np.intp)
        lookup[found] = np.arange(len(found))
        return found.astype(np.float64), lookup[whole]
    return np.unique(place, return_inverse=True)
