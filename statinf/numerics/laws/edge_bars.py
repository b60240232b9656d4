"""Densities on both sides of zero by local lines through the bars of a histogram that has an edge there (McCrary 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RULE = 3.348
"""Of the bandwidth: the constant of the triangular kernel at an edge."""


@dataclass(frozen=True)
class Bars:
    """A histogram with an edge at zero.

    Attributes
    ----------
    middle, height : ndarray, shape (m,)
        Of each bar; heights are densities.
    width : float
    """

    middle: np.ndarray
    height: np.ndarray
    width: float

    @classmethod
    def of(cls, x: np.ndarray, w: np.ndarray, width: float | None) -> Bars:
        """From points (n,) and weights (n,) with mean one; bars two standard deviations over the root of n wide by default."""
        n, mean = len(x), np.mean(w * x)
        if width is None:
            width = float(2.0 * np.sqrt(np.sum(w * (x - mean) ** 2) / (n - 1.0)) / np.sqrt(n))
        bar = np.floor(x / width).astype(np.int64)
        low = int(bar.min())
        height = np.bincount(bar - low, weights=w) / (n * width)
        return cls((np.arange(len(height)) + low + 0.5) * width, height, width)

    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Bars left and right of zero, as masks (m,)."""
        return self.middle < 0.0, self.middle > 0.0


def bar_bandwidth(bars: Bars) -> float:
    """Mean over sides of the rule of thumb from a polynomial of order four of all bars of the side."""
    found = []
    for side in bars.sides():
        x, y = bars.middle[side], bars.height[side]
        scale = np.abs(x).max()
        coef = np.polynomial.polynomial.polyfit(x / scale, y, 4)
        fitted = np.polynomial.polynomial.polyval(x / scale, coef)
        bend = np.polynomial.polynomial.polyval(x / scale, np.polynomial.polynomial.polyder(coef, 2)) / scale**2
        error = np.sum((y - fitted) ** 2) / max(len(x) - 5, 1)
        reach = x.max() - x.min()
        found.append(_RULE * (error * reach / np.sum(bend**2)) ** 0.2)
    return float(np.mean(found))


def edge_levels(bars: Bars, h: float) -> np.ndarray:
    """Intercepts of triangular local lines through the bars on the left and on the right, shape (2,)."""
    out = np.full(2, np.nan)
    for place, side in enumerate(bars.sides()):
        u = bars.middle[side] / h
        k = np.maximum(1.0 - np.abs(u), 0.0)
        s0, s1, s2 = k.sum(), k @ u, k @ (u * u)
        below = s0 * s2 - s1 * s1
        if below > 0.0:
            out[place] = (k * (s2 - s1 * u)) @ bars.height[side] / below
    return out
