"""Figures of selections and of recorded outcomes that are likely wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, PALETTE, SOFT, figure, new_axes, plain

_BLUE, _GREY, _RED = PALETTE[0], SOFT, ACCENT


@figure
def plot_p_values(p: np.ndarray, selected: np.ndarray, fdr: float, *, ax: Any = None) -> Any:
    """Sorted p-values (m,) with the step-up line of slope fdr / m; selected ones in blue."""
    ax = new_axes(ax, size=(6.0, 4.0))
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, len(p) + 1)
    chosen = selected[order]
    for mask, colour, label in ((~chosen, _GREY, "not selected"), (chosen, _BLUE, "selected")):
        ax.scatter(rank[mask], p[order][mask], s=9, color=colour, linewidth=0, label=label, rasterized=len(p) > 2000)
    ax.plot([0, len(p)], [0, fdr], color=_RED, linewidth=1.2, label=f"{fdr:g} times rank over {len(p)}")
    ax.set(xlabel="rank", ylabel="p-value", ylim=(0, 1.02))
    ax.legend(frameon=False)
    return ax


@figure
def plot_curve(levels: np.ndarray, counts: np.ndarray, fdr: float, *, ax: Any = None) -> Any:
    """Number of rows selected (k,) at each false discovery rate (k,); the level used is marked."""
    ax = new_axes(ax, size=(6.0, 4.0))
    ax.step(levels, counts, where="post", color=_BLUE)
    ax.axvline(fdr, color=_RED, linewidth=1.0, linestyle="--")
    ax.set(xlabel="false discovery rate", ylabel="rows selected", xlim=(0, float(levels[-1])), ylim=(0, None))
    return ax


@figure
def plot_recorded(
    predicted: np.ndarray, given: np.ndarray, flagged: np.ndarray, *, ylabel: str = "", ax: Any = None
) -> Any:
    """Recorded outcomes (n,) over predicted ones (n,), those flagged in red."""
    ax = new_axes(ax, size=(6.0, 4.0))
    size = float(np.clip(4000.0 / max(len(given), 1), 3.0, 16.0))
    for mask, colour, label in ((~flagged, _BLUE, "fits"), (flagged, _RED, "flagged")):
        if mask.any():
            ax.scatter(predicted[mask], given[mask], s=size, color=colour, linewidth=0, alpha=0.7, label=label)
    ends = [float(predicted.min()), float(predicted.max())]
    ax.plot(ends, ends, color=_GREY, linewidth=1.0)
    ax.set(xlabel="predicted without the row", ylabel=plain(ylabel))
    ax.legend(frameon=False)
    return ax


@figure
def plot_path(removed: np.ndarray, r_squared: np.ndarray, share: float, *, ax: Any = None) -> Any:
    """R squared (k,) over the share of rows left out (k,); the share chosen is marked."""
    ax = new_axes(ax, size=(6.0, 4.0))
    ax.plot(removed, r_squared, color=_BLUE, marker="o", markersize=4)
    ax.axvline(share, color=_RED, linewidth=1.0, linestyle="--")
    ax.set(xlabel="share of rows left out of the fit", ylabel="R squared over all rows")
    return ax
