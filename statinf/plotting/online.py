"""Figures of intervals and forecasts along a stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes, plain

_BLUE = PALETTE[0]
_MOST = 4000
"""Points drawn at most; longer series are thinned evenly."""


def _thin(n: int) -> np.ndarray:
    return np.arange(n) if n <= _MOST else np.unique(np.linspace(0, n - 1, _MOST).astype(int))


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise OptionError(f"{name}={value!r} is a number of rows; it must be a whole number from 1.")
    return int(value)


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values, shape (n,); NaN before there are so many."""
    out = np.full(len(values), np.nan)
    if len(values) >= window:
        total = np.concatenate([[0.0], np.cumsum(values)])
        out[window - 1 :] = (total[window:] - total[:-window]) / window
    return out


@figure
def plot_coverage(
    time: np.ndarray,
    covered: np.ndarray,
    bounds: np.ndarray,
    *,
    level: float,
    xlabel: str = "",
    window: int = 250,
    ax: Any = None,
) -> Any:
    """Coverage of the last `window` rows and of all rows so far (n,), the level, and its bounds (n,) where there are any."""
    ax = new_axes(ax, size=(7.0, 3.6))
    window = min(_whole("window", window), max(len(covered) // 2, 1))
    at = _thin(len(covered))
    ax.axhline(level, color=ACCENT, linestyle="--", linewidth=1.0)
    if (bounds < max(level, 1.0 - level)).any():
        low, high = np.maximum(level - bounds, 0.0), np.minimum(level + bounds, 1.0)
        ax.fill_between(time[at], low[at], high[at], color=SOFT, alpha=0.2, linewidth=0, label="bound on all rows")
    ax.plot(
        time[at], moving_mean(covered.astype(float), window)[at], color=_BLUE, linewidth=1.0, label=f"last {window}"
    )
    ax.plot(
        time[at], (np.cumsum(covered) / np.arange(1, len(covered) + 1))[at], color=INK, linewidth=1.4, label="all rows"
    )
    recent = moving_mean(covered.astype(float), window)
    least = float(np.nanmin(recent)) if np.isfinite(recent).any() else level
    ax.set(xlabel=plain(xlabel), ylabel="Coverage", ylim=(max(0.0, min(least, level - 0.15) - 0.03), 1.01))
    ax.legend(frameon=False, loc="lower right")
    return ax


@figure
def plot_band(
    time: np.ndarray, outcome: np.ndarray, lower: np.ndarray, upper: np.ndarray, *, xlabel: str = "", ylabel: str = "",
    last: int = 300, ax: Any = None,
) -> Any:  # fmt: skip
    """Intervals (n,) of the last rows over time, outcomes as points; misses stand out, infinite ends are at the frame."""
    ax = new_axes(ax, size=(7.0, 3.6))
    part = slice(-_whole("last", last), None)
    time, outcome, lower, upper = time[part], outcome[part], lower[part], upper[part]
    finite = np.concatenate([outcome, lower[np.isfinite(lower)], upper[np.isfinite(upper)]])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = 0.05 * (high - low or 1.0)
    ends = np.clip(lower, low - margin, high + margin), np.clip(upper, low - margin, high + margin)
    ax.fill_between(time, *ends, where=lower <= upper, color=_BLUE, alpha=0.25, linewidth=0, step="mid")
    inside = (lower <= outcome) & (outcome <= upper)
    ax.scatter(time[inside], outcome[inside], s=7, color=INK, linewidth=0)
    ax.scatter(time[~inside], outcome[~inside], s=18, color=ACCENT, linewidth=0, label="outside")
    ax.set(xlabel=plain(xlabel), ylabel=plain(ylabel), ylim=(low - margin, high + margin))
    if (~inside).any():
        ax.legend(frameon=False)
    return ax


@figure
def plot_level(time: np.ndarray, used: np.ndarray, *, level: float, xlabel: str = "", ax: Any = None) -> Any:
    """The level of coverage that was used (n,), and the one asked for."""
    ax = new_axes(ax, size=(7.0, 3.6))
    at = _thin(len(used))
    ax.axhline(level, color=ACCENT, linestyle="--", linewidth=1.0)
    ax.plot(time[at], used[at], color=_BLUE, linewidth=1.0)
    ax.set(xlabel=plain(xlabel), ylabel="Level used")
    return ax
