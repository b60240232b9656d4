"""Coefficients with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, new_axes


def plot_coefficients(
    terms: Sequence[str],
    estimate: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    intercept: bool = False,
    ax: Any = None,
    label: str = "estimate",
) -> Any:
    """Draw one line per coefficient, the first on top.

    Parameters
    ----------
    terms : sequence of str
    estimate, low, high : ndarray, shape (q,)
    intercept : bool
        Whether to draw the intercept, whose scale is seldom that of the others.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    shown = [
        i
        for i, t in enumerate(terms)
        if np.isfinite(estimate[i]) and (intercept or t != "Intercept" or len(terms) == 1)
    ]
    ax = new_axes(ax, size=(6.4, max(1.6, 0.34 * len(shown) + 1.0)))
    y = np.arange(len(shown))[::-1]
    ax.axvline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.hlines(y, low[shown], high[shown], color=INK, linewidth=1.6)
    ax.plot(estimate[shown], y, "o", color=INK, markersize=5)
    ax.set_yticks(y, [terms[i] for i in shown])
    ax.set_ylim(-0.7, len(shown) - 0.3)
    ax.set_xlabel(label)
    ax.grid(axis="y", visible=False)
    return ax
