"""Figures of regression under shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, edges_of, figure, new_axes, plain


@figure
def plot_balance(
    columns: Sequence[str], before: np.ndarray, after: np.ndarray, *, threshold: float = 0.1, ax: Any = None
) -> Any:
    """Absolute standardised differences before and after weighting, one line per column.

    Parameters
    ----------
    columns : sequence of str
    before, after : ndarray, shape (p,)
    threshold : float
        A line to judge by.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    order = np.argsort(np.abs(before))
    ax = new_axes(ax, size=(6.4, max(1.8, 0.34 * len(columns) + 1.1)))
    y = np.arange(len(columns))
    b, a = np.abs(before)[order], np.abs(after)[order]
    ax.hlines(y, np.minimum(a, b), np.maximum(a, b), color=SOFT, linewidth=1.0)
    ax.plot(b, y, "o", color=SOFT, markersize=6, label="before")
    ax.plot(a, y, "o", color=INK, markersize=6, label="after")
    ax.axvline(threshold, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_yticks(y, [plain(columns[i]) for i in order])
    ax.set_ylim(-0.7, len(columns) - 0.3)
    ax.set_xlim(left=0)
    ax.set_xlabel("absolute difference from the target, standard deviations")
    ax.legend(frameon=False, loc="lower right")
    ax.grid(axis="y", visible=False)
    return ax


@figure
def plot_weights(ratio: np.ndarray, ess: float, *, bins: int = 40, ax: Any = None) -> Any:
    """Distribution of the density ratio over the source rows.

    Parameters
    ----------
    ratio : ndarray, shape (n,)
    ess : float
    bins : int
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    ax.hist(ratio, bins=edges_of(ratio, bins), color=PALETTE[0], alpha=0.85)
    ax.axvline(1.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_xlabel("density ratio, target over source")
    ax.set_ylabel("source rows")
    ax.set_title(f"effective sample size {ess:.0f} of {len(ratio)}", loc="left", fontsize=10)
    return ax


@figure
def plot_columns(
    names: Sequence[str], effect: np.ndarray, moved: np.ndarray, *, level: float = 0.05, ax: Any = None
) -> Any:
    """Effect size of every column; those that moved after adjustment are filled.

    Parameters
    ----------
    names : sequence of str
    effect : ndarray, shape (k,)
    moved : ndarray of bool, shape (k,)
    level : float
        False discovery rate behind `moved`.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    order = np.argsort(np.abs(effect))
    ax = new_axes(ax, size=(6.4, max(1.8, 0.34 * len(names) + 1.1)))
    y = np.arange(len(names))
    ax.axvline(0.0, color=SOFT, linewidth=0.9)
    ax.hlines(y, 0.0, effect[order], color=SOFT, linewidth=1.2)
    for on, label in ((True, f"moved (false discovery rate {level:g})"), (False, "no evidence")):
        at = np.flatnonzero(moved[order] == on)
        if len(at):
            face = ACCENT if on else "white"
            ax.plot(
                effect[order][at],
                at,
                "o",
                color=ACCENT if on else SOFT,
                markerfacecolor=face,
                markersize=7,
                label=label,
            )
    ax.set_yticks(y, [plain(names[i]) for i in order])
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.set_xlabel("target minus source, standard deviations (largest share difference for categories)")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    ax.grid(axis="y", visible=False)
    return ax


@figure
def plot_nulls(tests: Sequence[tuple[str, float, np.ndarray, float]], *, bins: int = 40) -> Any:
    """Permutation laws with the observed statistics, one panel per test.

    Parameters
    ----------
    tests : sequence of (label, observed, null, p)
    bins : int

    Returns
    -------
    ndarray of matplotlib axes
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, len(tests), figsize=(3.2 * len(tests), 2.8), layout="constrained", squeeze=False)
    for ax, (label, observed, null, p) in zip(axes[0], tests, strict=True):
        new_axes(ax)
        ax.hist(null, bins=edges_of(null, bins), color=SOFT, alpha=0.8)
        ax.axvline(observed, color=ACCENT, linewidth=1.6)
        ax.set_title(f"{label}\np = {p:.3g}", fontsize=9, loc="left")
        ax.set_yticks([])
    return axes[0]


@figure
def plot_omega(
    grid: np.ndarray, omega: np.ndarray, outcomes: np.ndarray, *, ax: Any = None, label: str = "estimate"
) -> Any:
    """The ratio of outcome densities over a grid, with the source outcomes as ticks.

    Parameters
    ----------
    grid, omega : ndarray, shape (k,)
    outcomes : ndarray, shape (n,)
    ax : matplotlib axes, optional
    label : str

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    ax.plot(grid, omega, color=INK, linewidth=1.8, label=plain(label))
    ax.axhline(1.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.plot(outcomes, np.zeros(len(outcomes)), "|", color=SOFT, markersize=9, alpha=0.5)
    ax.set_xlabel("outcome")
    ax.set_ylabel("density ratio, target over source")
    return ax


@figure
def plot_shares(
    names: Sequence[str], source: np.ndarray, target: np.ndarray, low: np.ndarray, high: np.ndarray, *, ax: Any = None
) -> Any:
    """Class shares of a source and, with intervals, of a target.

    Parameters
    ----------
    names : sequence of str
    source, target, low, high : ndarray, shape (k,)
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax, size=(6.4, max(1.8, 0.4 * len(names) + 1.1)))
    y = np.arange(len(names))[::-1]
    ax.hlines(y, low, high, color=INK, linewidth=1.4)
    ax.plot(source, y, "o", color=SOFT, markersize=6, label="source")
    ax.plot(target, y, "o", color=INK, markersize=6, label="target, estimated")
    ax.set_yticks(y, [plain(name) for name in names])
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.set_xlim(left=0)
    ax.set_xlabel("share of the rows")
    ax.legend(frameon=False, loc="best")
    ax.grid(axis="y", visible=False)
    return ax
