"""Pairwise distances and kernels of rows, in blocks."""

from __future__ import annotations

import numpy as np


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``||x_i - y_j||^2``, shape (n, m), exactly zero for identical rows.

    Computed from inner products of rows centred together; the cancellation error is removed for near-identical rows.
    """
    centre = x.mean(axis=0)
    a, b = x - centre, y - centre
    a2, b2 = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    out = a @ b.T
    out *= -2.0
    out += a2[:, None]
    out += b2[None, :]
    close = np.argwhere(out < 1e-8 * (float(np.max(a2, initial=0.0)) + float(np.max(b2, initial=0.0))))
    for start in range(0, len(close), 1_000_000):
        i, j = close[start : start + 1_000_000].T
        out[i, j] = np.einsum("ij,ij->i", x[i] - y[j], x[i] - y[j])
    np.maximum(out, 0.0, out=out)
    return out


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances ``||x_i - y_j||``, shape (n, m)."""
    out = squared_distances(x, y)
    return np.sqrt(out, out=out)


def gaussian(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    """``exp(-||x_i - y_j||^2 / width)``, shape (n, m)."""
    out = squared_distances(x, y)
    out /= -width
    return np.exp(out, out=out)
