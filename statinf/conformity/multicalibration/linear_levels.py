"""Least squares on every level set at once: one product of level weights with the rows' products, one batched solve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks
from statinf.brief import Brief

_ENTRIES = 1 << 24
"""Numbers that the rows' products may take in memory; above it they are made anew in each round."""
_FLAT = 1e-12
"""Share of a column's mean square that is variance, below which the column is constant on a level set."""
_COLLINEAR = 1e-10
"""Eigenvalues of correlations below which columns are collinear on a level set."""


@dataclass(frozen=True, repr=False)
class LinearLevels(Brief):
    """One linear function per level.

    Attributes
    ----------
    coef : ndarray, shape (levels, p + 1)
        Intercept and slopes; NaN for levels without a fit.
    deficient : int
        Levels whose rows leave slopes open, so that those of least norm are taken.
    """

    coef: np.ndarray
    deficient: int = 0

    def predict(self, Z: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Values (n,) at rows Z (n, p) by the functions of their levels."""
        # Column by column: a row's value does not depend on what stands beside it.
        intercept, *slopes = np.ascontiguousarray(self.coef.T)
        out = intercept.take(codes)
        for slope, column in zip(slopes, Z.T, strict=True):
            out += slope.take(codes) * column
        return out


@dataclass(frozen=True, repr=False)
class LinearLearner(Brief):
    """Fits `LinearLevels`, round after round, to the same rows.

    Attributes
    ----------
    Z : ndarray, shape (n, p)
    y, w : ndarray, shape (n,)
    products : ndarray, shape (n, q), or None
        For each row its weight times all products of (1, Z, y) that sums are needed of.
    """

    Z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    products: np.ndarray | None

    @classmethod
    def of(cls, Z: np.ndarray, y: np.ndarray, w: np.ndarray) -> LinearLearner:
        """The learner of these rows."""
        p = Z.shape[1]
        few = len(y) * ((p + 1) * (p + 2) // 2 + p + 1) <= _ENTRIES
        return cls(Z, y, w, _products(Z, y, w) if few else None)

    def fit(self, codes: np.ndarray, active: np.ndarray) -> LinearLevels:
        """One function per active level (levels,) bool, from the rows' levels (n,)."""
        sums = self._sums(codes, len(active))
        p = self.Z.shape[1]
        coef = np.full((len(active), p + 1), np.nan)
        coef[active], deficient = _solved(sums[active], p)
        return LinearLevels(coef, deficient)

    def _sums(self, codes: np.ndarray, levels: int) -> np.ndarray:
        """Sums (levels, q) of the products over the rows of each level."""
        from scipy.sparse import csc_array

        def summed(products: np.ndarray, of: np.ndarray) -> np.ndarray:
            m = len(of)
            return csc_array((np.ones(m), of, np.arange(m + 1)), shape=(levels, m)) @ products

        if self.products is not None:
            return summed(self.products, codes)
        size = max(1, _ENTRIES // ((self.Z.shape[1] + 2) ** 2))
        parts = (summed(_products(self.Z[r], self.y[r], self.w[r]), codes[r]) for r in chunks(len(codes), size))
        return np.sum(list(parts), axis=0)


def _products(Z: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Weights times 1, Z, y, y Z and the products of Z's columns, each pair once: (n, 2 + 2p + p(p + 1)/2)."""
    first, second = np.triu_indices(Z.shape[1])
    columns = np.column_stack([np.ones(len(y)), Z, y, y[:, None] * Z, Z[:, first] * Z[:, second]])
    return columns * w[:, None]


def _solved(sums: np.ndarray, p: int) -> tuple[np.ndarray, int]:
    """Coefficients (levels, p + 1) from sums (levels, q), and how many levels have collinear columns."""
    total = sums[:, :1]
    means = sums[:, 1:] / total
    centre, mean = means[:, :p], means[:, p]
    first, second = np.triu_indices(p)
    gram = np.empty((len(sums), p, p))
    gram[:, first, second] = gram[:, second, first] = means[:, 2 * p + 1 :]
    raw = np.diagonal(gram, axis1=1, axis2=2).copy()
    gram -= centre[:, :, None] * centre[:, None, :]
    right = means[:, p + 1 : 2 * p + 1] - centre * mean[:, None]
    variance = np.diagonal(gram, axis1=1, axis2=2)
    varies = variance > _FLAT * np.maximum(raw, np.finfo(float).tiny)
    scale = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(gram * scale[:, :, None] * scale[:, None, :])
    kept = values > _COLLINEAR
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    turned = np.einsum("lij,li->lj", vectors, right * scale) * inverse
    slopes = np.einsum("lij,lj->li", vectors, turned) * scale
    intercept = mean - np.einsum("lj,lj->l", centre, slopes)
    return np.column_stack([intercept, slopes]), int((kept.sum(axis=1) < p).sum())
