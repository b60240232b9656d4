"""Distance from points on the line to the nearest of a few centres, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import accelerated, bucket, chunks, kernel, pad_axis, rows_per_chunk

_POINTS_IN_CACHE = 1 << 15


def nearest_distance(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distances (n, m) of points (n, m) to the nearest of the same row's centres (n, M)."""
    return _on_accelerator(centres, points) if accelerated() else _by_bisection(centres, points)


def _by_bisection(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    # A branch-free binary search in blocks that stay in the cache: log2(M) gathers a point.
    n, count = centres.shape
    width = 1 << count.bit_length()
    out = np.empty(points.shape)
    block = max(1, _POINTS_IN_CACHE // max(points.shape[1], count))
    for start in range(0, n, block):
        at = points[start : start + block]
        table = np.full((len(at), width + 1), np.inf)
        table[:, 0] = -np.inf
        table[:, 1 : count + 1] = np.sort(centres[start : start + block], axis=1)
        flat = table.ravel()
        position = np.repeat(np.arange(len(at)) * (width + 1), at.shape[1]).reshape(at.shape)
        step = width // 2
        while step:
            position += step * (flat[position + step] <= at)
            step //= 2
        np.minimum(at - flat[position], flat[position + 1] - at, out=out[start : start + block])
    return out


@kernel
def _distances(centres: Any, points: Any) -> Any:
    import jax.numpy as jnp

    return jnp.min(jnp.abs(points[:, :, None] - centres[:, None, :]), axis=2)


def _on_accelerator(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    out = np.empty(points.shape)
    size = rows_per_chunk(8.0 * points.shape[1] * centres.shape[1], 512 * 2**20, at_most=1 << 17)
    for part in chunks(len(points), size):
        m = part.stop - part.start
        length = min(bucket(m), max(size, 1)) if m < size else size
        out[part] = _distances(pad_axis(centres[part], max(length, m)), pad_axis(points[part], max(length, m)))[:m]
    return out
