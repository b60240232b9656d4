"""Columns centred and scaled by both samples together, so that their units do not matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    return weighted_scaling(np.concatenate([xs, xt]), share)


def weighted_scaling(x: np.ndarray, share: np.ndarray) -> Scaling:
    """Mean and standard deviation of rows x (n, p) under masses (n,) that sum to one; columns without spread keep it."""
    p = x.shape[1]
    centre, spread = np.empty(p), np.empty(p)
    for j in range(p):  # a column stays in the cache, the matrix does not
        near = x[:, j] - x[0, j]
        size = max(-float(near.min()), float(near.max())) or 1.0
        near /= size  # squares of tiny or huge numbers leave the range of floats
        middle = float(share @ near)
        near -= middle
        near *= near
        centre[j], spread[j] = x[0, j] + size * middle, size * np.sqrt(float(share @ near))
    return Scaling(centre, np.where(spread > 0, spread, 1.0))


def unscaled(p: int) -> Scaling:
    """Columns as they are."""
    return Scaling(np.zeros(p), np.ones(p))
