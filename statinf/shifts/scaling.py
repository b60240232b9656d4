"""Columns centred and scaled by both samples together, so that their units do not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads

_PARALLEL_FROM = 1 << 20


@dataclass(frozen=True)
class Scaling:
    """A linear change of units, ``(x - centre) / spread``.

    Attributes
    ----------
    centre, spread : ndarray, shape (p,)
    """

    centre: np.ndarray
    spread: np.ndarray

    def apply(self, x: np.ndarray) -> np.ndarray:
        return (x - self.centre) / self.spread


def pooled_scaling(xs: np.ndarray, xt: np.ndarray, ws: np.ndarray, wt: np.ndarray) -> Scaling:
    """Mean and standard deviation over both samples, either counted by its rows and weighted within.

    Parameters
    ----------
    xs, xt : ndarray, shape (n, p) and (m, p)
    ws, wt : ndarray, shape (n,) and (m,)
    """
    share = np.concatenate([ws / ws.mean(), wt / wt.mean()]) / (len(ws) + len(wt))
    return _by_column(lambda j: np.concatenate([xs[:, j], xt[:, j]]), xs.shape[1], share)


def weighted_scaling(x: np.ndarray, share: np.ndarray) -> Scaling:
    """Mean and standard deviation of rows x (n, p) under masses (n,) that sum to one; columns without spread keep it."""
    return _by_column(lambda j: x[:, j].copy(), x.shape[1], share)


def _by_column(column: Callable[[int], np.ndarray], p: int, share: np.ndarray) -> Scaling:
    """The scaling of p columns that a function makes, each an array (n,) of its own."""
    centre, spread = np.empty(p), np.empty(p)

    def measure(j: int) -> None:  # a column stays in the cache, the matrix does not
        near = column(j)
        first = float(near[0])
        near -= first
        size = max(-float(near.min()), float(near.max())) or 1.0
        near /= size  # squares of tiny or huge numbers leave the range of floats
        middle = float(np.dot(share, near))
        near -= middle
        near *= near
        centre[j], spread[j] = first + size * middle, size * np.sqrt(float(np.dot(share, near)))

    map_threads(measure, range(p), parallel=p * len(share) > _PARALLEL_FROM)
    return Scaling(centre, np.where(spread > 0, spread, 1.0))


def unscaled(p: int) -> Scaling:
    """Columns as they are."""
    return Scaling(np.zeros(p), np.ones(p))
