"""Figures of cumulative logit models and their path of penalties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.plotting.penalties import penalty_axis
from statinf.plotting.style import INK, MARKERS, PALETTE, SOFT, figure, new_axes, plain

if TYPE_CHECKING:
    import pandas as pd

_MOST = 6


@figure
def plot_path(
    penalties: np.ndarray,
    differences: np.ndarray,
    columns: Sequence[str],
    boundaries: Sequence[str],
    chosen: float,
    *,
    ax: Any = None,
) -> Any:
    """Differences of slopes between boundaries along the penalties; those of the first boundary dashed.

    Parameters
    ----------
    penalties : ndarray, shape (L,)
    differences : ndarray, shape (L, K-1, p)
    columns, boundaries : sequence of str
    chosen : float
    """
    ax = new_axes(ax)
    largest = np.abs(differences[:, 1:]).max(axis=(0, 1)) if len(boundaries) > 1 else np.zeros(len(columns))
    named = set(np.argsort(-largest, kind="stable")[:_MOST].tolist())
    for j, name in enumerate(columns):
        colour = PALETTE[sorted(named).index(j) % len(PALETTE)] if j in named else SOFT
        style = {"color": colour, "alpha": 1.0 if j in named else 0.5}
        ax.plot(penalties, differences[:, 0, j], linewidth=0.9, linestyle=(0, (4, 3)), **style)
        for k in range(1, len(boundaries)):
            label = plain(name) if j in named and k == 1 else None
            ax.plot(penalties, differences[:, k, j], linewidth=1.4, label=label, **style)
    penalty_axis(ax, penalties, chosen)
    ax.axhline(0.0, color=INK, linewidth=0.6)
    ax.set_ylabel("difference to the boundary before\n(dashed: slope of the first)")
    ax.legend(frameon=False, fontsize=9)
    return ax


@figure
def plot_slopes(slopes: pd.DataFrame, *, ax: Any = None) -> Any:
    """Slopes of each column by boundary."""
    ax = new_axes(ax)
    at = np.arange(slopes.shape[1])
    for j, (name, values) in enumerate(slopes.iterrows()):
        ax.plot(at, values, color=PALETTE[j % len(PALETTE)], marker=MARKERS[j % len(MARKERS)], markersize=4,
                linewidth=1.3, label=plain(name))  # fmt: skip
    ax.axhline(0.0, color=INK, linewidth=0.6)
    ax.set_xticks(at, [plain(c) for c in slopes.columns])
    ax.set_xlabel("boundary")
    ax.set_ylabel("slope")
    ax.legend(frameon=False, fontsize=9)
    return ax
