"""Convex polygons as intersections of half-planes, many at once.

A polygon is {y : u_k'y >= q_k for every k}, with unit directions u_k that all polygons share and offsets q_k of its own. On
the line u_k'y = q_k the other half-planes leave a segment: it is an edge if it is not empty, and the area is half the sum
of edge lengths times the distances -q_k of their lines from the origin.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import chunks, rows_per_chunk

_PARALLEL = 1e-9
"""Sines below which two directions count as parallel."""


def edges(directions: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of every polygon's edges, as positions on their lines.

    Parameters
    ----------
    directions : ndarray, shape (K, 2)
        Different unit vectors, positively spanning the plane, so that polygons are bounded.
    offsets : ndarray, shape (m, K)

    Returns
    -------
    first, last : ndarray, shape (m, K)
        Edge k runs from first to last along the direction u_k turned by a right angle; first > last where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.numerics.geometry.halfplanes import edges
    >>> square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> first, last = edges(square, -np.ones((1, 4)))
    >>> (last - first).tolist()
    [[2.0, 2.0, 2.0, 2.0]]
    """
    U = np.asarray(directions, np.float64)
    turned = np.column_stack([-U[:, 1], U[:, 0]])
    cosine, sine = U @ U.T, turned @ U.T
    parallel = np.abs(sine) < _PARALLEL
    slope = np.where(parallel, 1.0, sine)
    first, last = np.empty(offsets.shape), np.empty(offsets.shape)
    for part in chunks(len(offsets), rows_per_chunk(8.0 * 4.0 * len(U) ** 2, 64 * 2**20)):
        q = offsets[part]
        left = q[:, None, :] - q[:, :, None] * cosine
        at = left / slope
        first[part] = np.where(~parallel & (sine > 0), at, -np.inf).max(axis=2)
        last[part] = np.where(~parallel & (sine < 0), at, np.inf).min(axis=2)
        # A half-plane with the opposite direction leaves all of the line or nothing.
        first[part][(parallel & (left > 0) & (cosine < 0)).any(axis=2)] = np.inf
    return first, last


def polygon_areas(directions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Areas (m,) of polygons with these half-planes; zero where they have no point in common."""
    first, last = edges(directions, offsets)
    return np.maximum(-0.5 * np.sum(offsets * np.maximum(last - first, 0.0), axis=1), 0.0)


def vertices(directions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Corners (v, 2) of one polygon with offsets (K,), in the order of their angles if that of the directions is so."""
    first, last = (ends[0] for ends in edges(directions, offsets[None]))
    there = first < last
    U, q = directions[there], offsets[there]
    turned = np.column_stack([-U[:, 1], U[:, 0]])
    return q[:, None] * U + last[there, None] * turned if there.any() else np.empty((0, 2))
