"""Figures of marginal effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.plotting.style import INK, PALETTE, SOFT, edges_of, figure, new_axes, plain


@dataclass(frozen=True, repr=False)
class MarginLine(Brief):
    """Estimates and limits along x, each of shape (points,)."""

    x: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


@figure
def plot_lines_with_bands(
    lines: Mapping[str, MarginLine], column: str, *, label: str = "", zero: bool = False, ax: Any = None
) -> Any:
    """Lines with bands, one colour for each name.

    Parameters
    ----------
    lines : mapping of str to MarginLine
    column : str
        Name of the horizontal axis.
    label : str
        Of the vertical axis.
    zero : bool
        Whether to draw a line at zero.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    if zero:
        ax.axhline(0.0, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    for k, (name, line) in enumerate(lines.items()):
        colour = INK if len(lines) == 1 else PALETTE[k % len(PALETTE)]
        ax.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0.0)
        ax.plot(line.x, line.estimate, color=colour, linewidth=1.8, label=plain(name) if name else None)
    ax.set_xlabel(plain(column))
    ax.set_ylabel(plain(label))
    ax.margins(x=0.0)
    if len(lines) > 1:
        ax.legend(frameon=False, fontsize=8, loc="best")
    return ax


@figure
def plot_distributions(blocks: Mapping[str, np.ndarray], *, label: str = "", bins: int = 40, ax: Any = None) -> Any:
    """Histograms of estimates over rows, one outline for each name, with their means.

    Parameters
    ----------
    blocks : mapping of str to ndarray
    label : str
        Of the horizontal axis.
    bins : int
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    for k, (name, values) in enumerate(blocks.items()):
        found, colour = values[np.isfinite(values)], PALETTE[k % len(PALETTE)]
        if not len(found):
            continue
        edges = edges_of(found, bins)
        ax.hist(found, bins=edges, histtype="stepfilled", color=colour, alpha=0.2)
        ax.hist(found, bins=edges, histtype="step", color=colour, linewidth=1.2, label=plain(name))
        ax.axvline(float(found.mean()), color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.set_xlabel(plain(label))
    ax.set_ylabel("rows")
    ax.legend(frameon=False, fontsize=8, loc="best")
    return ax
