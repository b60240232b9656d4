"""Products of pairs of columns, row by row: every weighted Gram matrix is a matrix product with them."""

from __future__ import annotations

import numpy as np


def pair_products(columns: np.ndarray, response: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Per row the products that normal equations sum: w x_j x_k for j <= k, then w x_j y; shape (n, p(p+3)/2)."""
    n, p = columns.shape
    upper, lower = np.triu_indices(p)
    out = np.empty((n, len(upper) + p))
    weighted = columns * weights[:, None]
    for k, (i, j) in enumerate(zip(upper, lower, strict=True)):
        np.multiply(weighted[:, i], columns[:, j], out=out[:, k])
    out[:, len(upper) :] = weighted * response[:, None]
    return out


def unpack_symmetric(packed: np.ndarray, p: int) -> np.ndarray:
    """Symmetric matrices, shape (c, p, p), from their packed upper triangles."""
    upper, lower = np.triu_indices(p)
    out = np.empty((len(packed), p, p))
    out[:, upper, lower] = packed
    out[:, lower, upper] = packed
    return out
