"""Square roots of covariance matrices, at any scale of their rows, and the repair of indefinite ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_CLEAR = 1e-8
"""Smallest eigenvalue, on the scale of correlations, at which a matrix still has half of its digits."""


def matrix_root(matrix: np.ndarray) -> np.ndarray:
    """L, shape (q, q), with L L' the matrix; eigenvalues that rounding made negative count as zero."""
    scale, values, vectors = _correlations(matrix)
    return scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))


def root_of(cross_product: np.ndarray, rows: Callable[[], np.ndarray]) -> np.ndarray:
    """L, shape (q, r), with L L' a cross-product: from the matrix if it has the digits, else from the rows behind it.

    Parameters
    ----------
    cross_product : ndarray, shape (q, q)
    rows : callable
        Gives the rows, shape (m, q), whose cross-product it is.
    """
    if not np.isfinite(cross_product).all():
        return np.full_like(cross_product, np.nan)
    scale, values, vectors = _correlations(cross_product)
    if len(values) == 0 or values[0] > _CLEAR:
        return scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(np.linalg.qr(rows(), mode="r")).T


def repaired(matrix: np.ndarray) -> tuple[np.ndarray, bool]:
    """The matrix with its negative eigenvalues set to zero, and whether there were any.

    Eigenvalues are those of the matrix scaled to a unit diagonal (in absolute value), so that the columns'
    units do not matter.
    """
    scale, values, vectors = _correlations(matrix)
    if len(values) == 0 or values[0] >= -1e-12 * max(values[-1], 0.0):
        return matrix, False
    half = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    return half @ half.T, True


def _correlations(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale of each row, and the eigenvalues and eigenvectors of the scaled matrix."""
    if not np.isfinite(matrix).all():
        nothing = np.full(len(matrix), np.nan)
        return nothing, nothing, np.full_like(matrix, np.nan)
    scale = np.sqrt(np.abs(np.diag(matrix)))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = np.linalg.eigh(matrix * inverse[:, None] * inverse)
    return scale, values, vectors
