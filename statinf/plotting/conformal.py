"""Figures of prediction sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, edges_of, figure, new_axes, plain

_BLUE, _DARK, _RED = PALETTE[0], INK, ACCENT


@figure
def plot_band(
    x: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    outcome: tuple[np.ndarray, np.ndarray] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    ax: Any = None,
) -> Any:
    """Pieces of sets (pieces,) as vertical bars over a covariate, outcomes as points; unbounded bars end at the frame."""
    ax = new_axes(ax, size=(6.0, 4.0))
    if outcome is not None:
        recorded = np.isfinite(outcome[1])
        outcome = outcome[0][recorded], outcome[1][recorded]
    finite = np.concatenate([lower[np.isfinite(lower)], upper[np.isfinite(upper)], *([outcome[1]] if outcome else [])])
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    margin = 0.05 * (high - low or 1.0)
    shown = np.maximum(lower, low - margin), np.minimum(upper, high + margin)
    ax.vlines(
        x,
        *shown,
        color=_BLUE,
        alpha=float(np.clip(60.0 / max(len(x), 1), 0.06, 0.5)),
        linewidth=2.0,
        rasterized=len(x) > 2000,
    )
    if outcome is not None:
        size = float(np.clip(2000.0 / max(len(outcome[0]), 1), 2.0, 14.0))
        ax.scatter(*outcome, s=size, color=_RED, alpha=0.8, linewidth=0, zorder=3, rasterized=len(outcome[0]) > 2000)
    ax.set(xlabel=plain(xlabel), ylabel=plain(ylabel), ylim=(low - margin, high + margin))
    return ax


@figure
def plot_sizes(length: np.ndarray, *, bins: int = 40, ax: Any = None) -> Any:
    """Histogram of set sizes (n,); the number of infinite ones is told in the title."""
    ax = new_axes(ax, size=(6.0, 4.0))
    finite = length[np.isfinite(length)]
    ax.hist(finite, bins=edges_of(finite, bins), color=_BLUE, alpha=0.8)
    if len(finite):
        ax.axvline(finite.mean(), color=_DARK, linestyle="--", linewidth=1.0)
        ax.annotate(
            f"mean {finite.mean():.3g}",
            (finite.mean(), 0.95),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
        )
    if len(finite) < len(length):
        ax.set_title(f"{len(length) - len(finite)} of {len(length)} sets are infinite")
    ax.set(xlabel="Size of the prediction set", ylabel="Rows")
    return ax


@figure
def plot_coverage(
    x: np.ndarray,
    coverage: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    level: float,
    xlabel: str = "",
    label: str | None = None,
    color: str = _BLUE,
    ax: Any = None,
) -> Any:
    """Coverage in bins (bins,) with intervals, against the level asked for."""
    ax = new_axes(ax, size=(6.0, 4.0))
    bottom = min(0.5, float(low.min()) - 0.02, ax.get_ylim()[0] if ax.has_data() else 1.0)
    ax.axhline(level, color=_RED, linestyle="--", linewidth=1.0)
    ax.errorbar(
        x,
        coverage,
        yerr=(coverage - low, high - coverage),
        fmt="o-",
        color=color,
        markersize=4,
        linewidth=1.0,
        capsize=2,
        label=label and plain(label),
    )
    ax.set(xlabel=plain(xlabel), ylabel="Coverage", ylim=(bottom, 1.01))
    return ax


def plot_set_sizes(counts: np.ndarray, *, ax: Any = None) -> Any:
    """Bars of how many sets (K + 1,) have 0, 1, ... K classes."""
    ax = new_axes(ax, size=(6.0, 4.0))
    sizes = np.arange(len(counts))
    ax.bar(sizes, counts, color=_BLUE, alpha=0.8)
    if counts.sum():
        mean = float(sizes @ counts / counts.sum())
        ax.axvline(mean, color=_DARK, linestyle="--", linewidth=1.0)
        ax.annotate(
            f"mean {mean:.3g}",
            (mean, 0.95),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
        )
    if len(counts) <= 21:
        ax.set_xticks(sizes)
    ax.set(xlabel="Classes in the set", ylabel="Rows")
    return ax


def plot_shares(
    labels: list[str],
    coverage: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    level: float,
    xlabel: str = "",
    ax: Any = None,
) -> Any:
    """Coverage of named parts (parts,) with intervals, against the level asked for."""
    ax = new_axes(ax, size=(6.0, 4.0))
    at = np.arange(len(labels))
    ax.axhline(level, color=_RED, linestyle="--", linewidth=1.0)
    ax.errorbar(at, coverage, yerr=(coverage - low, high - coverage), fmt="o", color=_BLUE, markersize=5, capsize=3)
    ax.set_xticks(at, labels, rotation=0 if sum(map(len, labels)) < 60 else 45)
    ax.set(xlabel=xlabel, ylabel="Coverage", ylim=(min(0.5, float(np.min(low, initial=1.0)) - 0.02), 1.01))
    return ax


@figure
def plot_martingale(rows: np.ndarray, log10: np.ndarray, alarm: float, *, ax: Any = None) -> Any:
    """The logarithm (m,) of a martingale over rows (m,), with the value at which it gives alarm."""
    ax = new_axes(ax, size=(6.0, 4.0))
    ax.plot(rows, log10, color=_BLUE, lw=1.4)
    ax.axhline(0.0, color=_DARK, lw=0.8)
    ax.axhline(alarm, color=_RED, lw=0.9, ls="--", label=f"{10.0**alarm:g}")
    ax.set(xlabel="new row", ylabel="log10 of the martingale")
    ax.legend(frameon=False)
    return ax
