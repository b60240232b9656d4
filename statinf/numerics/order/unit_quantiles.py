"""Quantiles of many units' samples at once."""

from __future__ import annotations

import numpy as np


def unit_quantiles(y: np.ndarray, unit: np.ndarray, w: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Type-7 quantiles of each unit's sample, shape (units, m).

    With weights the unit's weights are scaled to its number of rows, and the order statistics are those of the weighted
    step function: with weights all alike, the ordinary type-7 quantiles.

    Parameters
    ----------
    y : ndarray, shape (n,)
    unit : ndarray of int, shape (n,)
        Codes from 0, none left out.
    w : ndarray, shape (n,)
        Positive.
    levels : ndarray, shape (m,)
    """
    order = np.lexsort((y, unit))
    y, unit, w = y[order], unit[order], w[order]
    starts = np.searchsorted(unit, np.arange(unit[-1] + 1))
    size = np.diff(np.r_[starts, len(y)])
    share = w / np.add.reduceat(w, starts)[unit] * size[unit]
    before = starts.astype(np.float64)
    # Sums within units, carried on from unit to unit: unit u ends where its last row stands.
    running = np.cumsum(share)
    running += (before - np.r_[0.0, running[starts[1:] - 1]])[unit]
    place = 1.0 + (size[:, None] - 1.0) * levels
    low = np.floor(place + 1e-12)
    part = np.clip(place - low, 0.0, 1.0)

    def at(step: np.ndarray) -> np.ndarray:
        found = np.searchsorted(running, (before[:, None] + step - 1e-9).ravel()).reshape(step.shape)
        return y[np.minimum(found, (starts + size - 1)[:, None])]

    below = at(low)
    return below + part * (at(np.minimum(low + 1.0, size[:, None])) - below)
