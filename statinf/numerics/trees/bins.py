"""Features cut into a few bins, once per fit: what histogram trees look at instead of the values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.numerics.order.quantiles import weighted_quantile

MOST_BINS = 255


@dataclass(frozen=True, repr=False)
class Bins(Brief):
    """Cuts of each feature.

    Attributes
    ----------
    cuts : ndarray, shape (p, bins - 1)
        Increasing; a value of at most cut k and above cut k - 1 is in bin k. Infinite where a feature has fewer bins.
    """

    cuts: np.ndarray

    @property
    def count(self) -> int:
        """Bins of the feature that may have most."""
        return self.cuts.shape[1] + 1

    def codes(self, X: np.ndarray) -> np.ndarray:
        """Bins of rows X (n, p), shape (p, n) uint8."""
        out = np.empty(X.shape[::-1], np.uint8)
        for own, column, cuts in zip(out, X.T, self.cuts, strict=True):
            own[:] = np.searchsorted(cuts, column, side="left")
        return out


def learn_bins(X: np.ndarray, w: np.ndarray, most: int = MOST_BINS) -> Bins:
    """Bins between all distinct values of a feature, or at quantiles of the weight where there are more than `most`.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    w : ndarray, shape (n,)
        Rows of weight zero have no part in it.
    most : int
        At most 255.
    """
    cuts = np.full((X.shape[1], most - 1), np.inf)
    for own, column in zip(cuts, X.T, strict=True):
        found = _cuts(column[w > 0], w[w > 0], most)
        own[: len(found)] = found
    return Bins(cuts)


def _cuts(column: np.ndarray, w: np.ndarray, most: int) -> np.ndarray:
    """Cuts half-way between neighbouring values."""
    values = np.unique(column)
    if len(values) <= most:
        below = np.arange(len(values) - 1)
    else:
        at = weighted_quantile(column, np.arange(1, most) / most, w)
        below = np.unique(np.searchsorted(values, at))
        below = below[below < len(values) - 1]
    low, high = values[below], values[below + 1]
    middle = low + 0.5 * (high - low)
    # Between neighbouring floating-point numbers there is no middle.
    return np.where(middle < high, middle, low)
