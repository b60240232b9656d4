"""Figures of probabilities along a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.plotting.style import ACCENT, INK, MARKERS, PALETTE, SOFT, figure, new_axes, plain

_COLORS = {"forecast": SOFT, "scaled": PALETTE[0], "calibrated": ACCENT}


@figure
def plot_reliability(made: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], *, ax: Any = None) -> Any:
    """Mean outcomes against mean probabilities by bin; each kind has counts and both sums (bins,); areas go by counts."""
    ax = new_axes(ax, size=(4.8, 4.6))
    ax.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=0.8)
    for marker, (name, (counts, said, ones)) in zip(MARKERS, made.items(), strict=False):
        seen = counts > 0
        x, y = said[seen] / counts[seen], ones[seen] / counts[seen]
        ax.plot(x, y, color=_COLORS[name], linewidth=1.0)
        share = counts[seen] / counts.sum()
        ax.scatter(
            x, y, s=10 + 250 * share, marker=marker, color=_COLORS[name], label=plain(name), linewidth=0, alpha=0.85
        )
    ax.set(xlabel="Mean probability in the bin", ylabel="Share of ones", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.legend(frameon=False, loc="upper left")
    return ax


@figure
def plot_error(time: np.ndarray, errors: Mapping[str, np.ndarray], *, xlabel: str = "", ax: Any = None) -> Any:
    """Calibration errors (n,) of all rows up to each time."""
    ax = new_axes(ax, size=(7.0, 3.4))
    for name, values in errors.items():
        ax.plot(time, values, color=_COLORS[name], linewidth=1.4, label=plain(name))
    ax.set(xlabel=plain(xlabel), ylabel="Calibration error so far", ylim=(0, None))
    ax.legend(frameon=False)
    return ax


@figure
def plot_path(
    time: np.ndarray,
    said: Mapping[str, np.ndarray],
    outcome: np.ndarray,
    *,
    xlabel: str = "",
    last: int = 500,
    ax: Any = None,
) -> Any:
    """Probabilities (n,) over time, and outcomes at the frame's edges."""
    if isinstance(last, bool) or not isinstance(last, int | np.integer) or last < 1:
        raise OptionError(f"last={last!r} is a number of rows; it must be a whole number from 1.")
    ax = new_axes(ax, size=(7.0, 3.4))
    part = slice(-int(last), None)
    for name, values in said.items():
        ax.plot(time[part], values[part], color=_COLORS[name], linewidth=1.0, label=plain(name))
    ax.scatter(time[part], outcome[part], marker="|", color=INK, s=20, linewidth=0.6, alpha=0.5)
    ax.set(xlabel=plain(xlabel), ylabel="Probability", ylim=(-0.04, 1.04))
    ax.legend(frameon=False, loc="center left")
    return ax
