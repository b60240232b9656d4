"""Figures of streams that are watched for changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, figure, new_axes, plain

_MOST = 4000
"""Points drawn at most; longer paths are thinned evenly."""


@figure
def plot_monitor(
    time: np.ndarray,
    statistic: np.ndarray,
    limit: np.ndarray,
    alarm: np.ndarray,
    *,
    xlabel: str = "",
    ylabel: str = "Statistic",
    ax: Any = None,
) -> Any:
    """A statistic and its limit over time, all of shape (n,), with alarms as vertical lines."""
    ax = new_axes(ax, size=(7.0, 3.6))
    n = len(time)
    at = np.arange(n) if n <= _MOST else np.unique(np.linspace(0, n - 1, _MOST).astype(int))
    shown = np.where(np.isfinite(limit), limit, np.nan)
    ax.plot(time[at], statistic[at], color=PALETTE[0], linewidth=1.1, label="statistic")
    ax.plot(time[at], shown[at], color=INK, linestyle="--", linewidth=1.0, label="limit")
    for i, row in enumerate(np.flatnonzero(alarm)):
        ax.axvline(time[row], color=ACCENT, linewidth=1.0, label="alarm" if i == 0 else None)
    ax.set(xlabel=plain(xlabel), ylabel=plain(ylabel))
    ax.legend(frameon=False)
    return ax
