"""Kernel weights of losses near their quantile."""

from __future__ import annotations

import numpy as np

from statinf.numerics.tails.risk import value_at_risk


def near_quantile(losses: np.ndarray, weights: np.ndarray, level: float, h: float) -> tuple[np.ndarray, float]:
    """Epanechnikov weights of losses around their quantile, and the density there.

    The kernel is as wide as the window of levels from `level - h` to `level + h` is, on the scale of the losses and in
    standard deviations of a uniform law.

    Parameters
    ----------
    losses, weights : ndarray, shape (n,)
        Weights sum to one.
    level, h : float

    Returns
    -------
    kernel : ndarray, shape (n,)
        The density is its weighted sum.
    density : float
        Zero if losses do not vary in the window.
    """
    low, high = (value_at_risk(losses, weights, t) for t in (level - h, level + h))
    half = 0.5 * (high - low) * np.sqrt(5.0 / 3.0)
    if not half > 1e-10 * max(abs(low), abs(high)):
        return np.zeros(len(losses)), 0.0
    u = (losses - value_at_risk(losses, weights, level)) / half
    kernel = 0.75 / half * np.maximum(1.0 - u * u, 0.0)
    return kernel, float(weights @ kernel)
