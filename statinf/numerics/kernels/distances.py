"""Pairwise distances and kernels of rows, in blocks."""

from __future__ import annotations

import numpy as np

from statinf.backend import map_threads, row_blocks

_PARALLEL_FROM = 1 << 20


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``||x_i - y_j||^2``, shape (n, m), exactly zero for identical rows.

    Computed from inner products of rows centred together; the cancellation error is removed for near-identical rows.
    """
    centre = x.mean(axis=0)
    a, b = x - centre, y - centre
    a2, b2 = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    near = 1e-8 * (float(np.max(a2, initial=0.0)) + float(np.max(b2, initial=0.0)))
    out = np.empty((len(x), len(y)))

    def fill(rows: slice) -> None:
        part = np.dot(a[rows], b.T, out=out[rows])
        part *= -2.0
        part += a2[rows, None]
        part += b2
        i, j = np.nonzero(part < near)
        apart = x[rows][i] - y[j]
        part[i, j] = np.einsum("ij,ij->i", apart, apart)
        np.maximum(part, 0.0, out=part)

    map_threads(fill, row_blocks(*out.shape), parallel=out.size > _PARALLEL_FROM)
    return out


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances ``||x_i - y_j||``, shape (n, m)."""
    out = squared_distances(x, y)
    map_threads(
        lambda rows: np.sqrt(out[rows], out=out[rows]), row_blocks(*out.shape), parallel=out.size > _PARALLEL_FROM
    )
    return out


def gaussian(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    """``exp(-||x_i - y_j||^2 / width)``, shape (n, m)."""
    return gaussian_of(squared_distances(x, y), width)


def gaussian_of(squared: np.ndarray, width: float) -> np.ndarray:
    """``exp(-squared / width)``, in place."""

    def fill(rows: slice) -> None:
        part = squared[rows]
        part /= -width
        np.exp(part, out=part)

    map_threads(fill, row_blocks(*squared.shape), parallel=squared.size > _PARALLEL_FROM)
    return squared
