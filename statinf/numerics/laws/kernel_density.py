"""Kernel density estimates at the sample's own points."""

from __future__ import annotations

import numpy as np

_EXACT = 3000
"""Points up to which every pair is summed; beyond, points are binned on a fine grid."""
_GRID = 2**14


def normal_reference_bandwidth(u: np.ndarray, s: np.ndarray) -> float:
    """Silverman's rule of thumb, ``0.9 min(sd, IQR / 1.34) n^(-1/5)``, n the effective size under weights s (n,)."""
    p = s / s.sum()
    size = 1.0 / float(p @ p)
    sd = float(np.sqrt(p @ (u - p @ u) ** 2) * np.sqrt(size / max(size - 1.0, 1e-300)))
    order = np.argsort(u)
    low, high = np.interp((0.25, 0.75), np.cumsum(p[order]) - 0.5 * p[order], u[order])
    spread = min(sd, float(high - low) / 1.34) or sd
    return 0.9 * (spread or 1.0) * size**-0.2


def kernel_density(u: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, float]:
    """Gaussian kernel density at the points themselves, shape (n,), and its bandwidth.

    Parameters
    ----------
    u : ndarray, shape (n,)
    s : ndarray, shape (n,)
        Weights.
    """
    h = normal_reference_bandwidth(u, s)
    p = s / s.sum()
    scale = 1.0 / (h * np.sqrt(2.0 * np.pi))
    if len(u) <= _EXACT:
        return np.exp(-0.5 * ((u[:, None] - u) / h) ** 2) @ p * scale, h
    low, step = float(u.min()) - 4.0 * h, (float(np.ptp(u)) + 8.0 * h) / (_GRID - 1)
    place = (u - low) / step
    left = np.floor(place).astype(int)
    part = place - left
    mass = np.bincount(left, p * (1.0 - part), _GRID) + np.bincount(left + 1, p * part, _GRID)
    reach = np.arange(-_GRID + 1, _GRID) * step / h
    from scipy.signal import fftconvolve

    smooth = np.maximum(fftconvolve(mass, np.exp(-0.5 * reach**2), mode="valid"), 0.0)
    # What is far out in the tails is no less than the point's own share.
    found = smooth[left] * (1.0 - part) + smooth[left + 1] * part
    return np.maximum(found, p) * scale, h
