"""Figures of losses and their worst share."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes


@figure
def plot_tail(losses: np.ndarray, weights: np.ndarray, level: float, var: float, cvar: float, *, ax: Any = None) -> Any:
    """Histogram of losses with the worst share shaded, the VaR and the CVaR.

    Parameters
    ----------
    losses, weights : ndarray, shape (n,)
        Weights sum to one.
    level, var, cvar : float
    """
    ax = new_axes(ax)
    top = float(np.quantile(losses, 0.999)) if len(losses) > 1000 else float(losses.max())
    low = float(losses.min())
    top = max(top, cvar + 0.25 * (cvar - low)) if top > low else low + 1.0
    # An edge at the VaR, so that bars belong to one side of it.
    width = (top - low) / 50
    below, above = max(1, round((var - low) / width)), max(1, round((top - var) / width))
    edges = np.unique(np.concatenate([np.linspace(low, var, below + 1), np.linspace(var, top, above + 1)]))
    counts, _ = np.histogram(np.minimum(losses, top), bins=edges, weights=weights)
    heights = counts / np.diff(edges)
    worst = edges[:-1] >= var
    ax.bar(
        edges[:-1], heights, np.diff(edges), align="edge", color=np.where(worst, ACCENT, SOFT), alpha=0.75, linewidth=0
    )
    peak = float(heights.max())
    for value, name, at in ((var, "VaR", 0.96), (cvar, "CVaR", 0.86)):
        ax.axvline(value, color=INK, linewidth=1.2, linestyle="-" if name == "CVaR" else (0, (4, 3)))
        side = 1 if name == "CVaR" else -1
        ax.annotate(
            f"{name} {value:.4g}",
            (value, at * peak),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            fontsize=9,
        )
    ax.set_xlabel(f"loss; worst {100 * (1 - level):g} percent shaded")
    ax.set_ylabel("density")
    return ax


@figure
def plot_path(path: np.ndarray, cvar: float, *, ax: Any = None) -> Any:
    """CVaR at the end of each epoch of a stream, and that of the estimate."""
    ax = new_axes(ax)
    ax.plot(np.arange(1, len(path) + 1), path, color=PALETTE[0], linewidth=1.3, label="iterate")
    ax.axhline(cvar, color=ACCENT, linewidth=1.0, linestyle=(0, (4, 3)), label="estimate")
    ax.set_xlabel("epoch")
    ax.set_ylabel("CVaR")
    ax.legend(frameon=False, fontsize=9)
    return ax
