"""Figures of paths of penalties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes, plain

_MOST = 6


@figure
def plot_path(penalties: np.ndarray, coef: np.ndarray, names: Sequence[str], used: float, *, ax: Any = None) -> Any:
    """Coefficients along the penalties, over the largest size each has on the path; those that enter first are named.

    Parameters
    ----------
    penalties : ndarray, shape (L,)
    coef : ndarray, shape (L, p)
    names : sequence of str
    used : float
    """
    ax = new_axes(ax)
    entry = np.where((coef != 0).any(axis=0), np.argmax(coef != 0, axis=0), len(penalties))
    first = np.argsort(entry, kind="stable")[:_MOST].tolist()
    sizes = np.abs(coef).max(axis=0)
    for j, name in enumerate(names):
        if not sizes[j] > 0:
            continue
        named = j in first
        colour = PALETTE[first.index(j) % len(PALETTE)] if named else SOFT
        style = {"color": colour, "alpha": 1.0 if named else 0.5, "linewidth": 1.4 if named else 0.8}
        ax.plot(penalties, coef[:, j] / sizes[j], label=plain(name) if named else None, **style)
    ax.axhline(0.0, color=INK, linewidth=0.6)
    ax.set_ylabel("coefficient over its largest size")
    penalty_axis(ax, penalties, used)
    ax.legend(frameon=False, fontsize=9)
    return ax


@figure
def plot_scores(
    penalties: np.ndarray,
    mean: np.ndarray,
    error: np.ndarray,
    used: float,
    *,
    score: str = "check loss",
    ax: Any = None,
) -> Any:
    """Held-out scores along the penalties, plus and minus a standard error."""
    ax = new_axes(ax)
    ax.errorbar(penalties, mean, yerr=np.nan_to_num(error), color=PALETTE[0], ecolor=SOFT, marker="o", markersize=3.5,
                linewidth=1.2, elinewidth=0.8)  # fmt: skip
    penalty_axis(ax, penalties, used)
    ax.set_ylabel(f"{score} of rows left out")
    return ax


def penalty_axis(ax: Any, penalties: np.ndarray, used: float) -> None:
    """The axis of penalties, from the largest on the left, with a line at the one in use."""
    if (penalties > 0).all() and len(penalties) > 1:
        ax.set_xscale("log")
        ax.invert_xaxis()
    ax.axvline(used, color=ACCENT, linewidth=1.0, linestyle=(0, (1, 2)))
    ax.set_xlabel("penalty; dotted: in use")
