"""Figures of treatment effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes, plain


@figure
def plot_overlap(
    propensity: np.ndarray, treated: np.ndarray, weights: np.ndarray, *, bins: int = 30, ax: Any = None
) -> Any:
    """Histograms of propensities (n,): the treated above the axis, the controls below."""
    ax = new_axes(ax, size=(6.4, 3.6))
    edges = np.linspace(0.0, 1.0, bins + 1)
    for arm, sign, colour, label in ((treated, 1.0, PALETTE[0], "treated"), (~treated, -1.0, ACCENT, "controls")):
        # Shares of the arm: a small arm stays visible beside a large one.
        counts = np.histogram(propensity[arm], edges, weights=weights[arm])[0] / weights[arm].sum()
        ax.bar(edges[:-1], sign * counts, width=np.diff(edges), align="edge", color=colour, alpha=0.8, label=label)
    ax.axhline(0.0, color=INK, linewidth=0.8)
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.set_xlabel("propensity")
    ax.set_ylabel("share of the arm")
    ax.legend(frameon=False)
    return ax


@figure
def plot_sensitivity(
    bound: Callable[[np.ndarray, np.ndarray], np.ndarray],
    theta: float,
    *,
    most: float = 0.3,
    null: float = 0.0,
    ax: Any = None,
) -> Any:
    """Contours of the bound nearer to `null` over confounder strengths cf_d (x) and cf_y (y)."""
    ax = new_axes(ax, size=(5.4, 4.4))
    grid = np.linspace(0.0, most, 61)
    d, y = np.meshgrid(grid, grid)
    values = bound(y, d)
    lines = ax.contour(d, y, values, levels=8, colors=SOFT, linewidths=1.0)
    ax.clabel(lines, fontsize=8, fmt="%.4g")
    if np.min(values) < null < np.max(values):
        at_null = ax.contour(d, y, values, levels=[null], colors=ACCENT, linewidths=2.0)
        ax.clabel(at_null, fontsize=9, fmt=f"{null:g}")
    ax.plot(0.0, 0.0, "o", color=INK, clip_on=False)
    ax.annotate(f" {theta:.4g}", (0.0, 0.0), va="bottom")
    ax.set_xlabel("share of the treatment's residual variation explained (cf_d)")
    ax.set_ylabel("share of the outcome's residual variation (cf_y)")
    return ax


@figure
def plot_band(
    x: np.ndarray,
    estimate: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    band_low: np.ndarray,
    band_high: np.ndarray,
    *,
    label: str = "",
    what: str = "effect",
    ax: Any = None,
) -> Any:
    """A curve with pointwise and uniform bands at sorted x (m,)."""
    ax = new_axes(ax)
    ax.fill_between(x, band_low, band_high, color=SOFT, alpha=0.25, linewidth=0, label="uniform band")
    ax.fill_between(x, low, high, color=PALETTE[0], alpha=0.3, linewidth=0, label="pointwise")
    ax.plot(x, estimate, color=INK)
    if what == "effect":
        ax.axhline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_xlabel(plain(label))
    ax.set_ylabel(what)
    ax.legend(frameon=False)
    return ax


@figure
def plot_toc(share: np.ndarray, toc: np.ndarray, error: np.ndarray, *, label: str = "", ax: Any = None) -> Any:
    """Gain of treating the share (m,) with the highest priority over treating everybody, with 95% limits."""
    ax = new_axes(ax)
    ax.fill_between(share, toc - 1.96 * error, toc + 1.96 * error, color=PALETTE[0], alpha=0.25, linewidth=0)
    ax.plot(share, toc, color=INK, label=plain(label))
    ax.axhline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_xlabel("share treated, highest priority first")
    ax.set_ylabel("effect above the average")
    return ax


@figure
def plot_groups(
    labels: Sequence[str], estimate: np.ndarray, low: np.ndarray, high: np.ndarray, overall: float, *, ax: Any = None
) -> Any:
    """Effects by group with intervals, and the average effect."""
    ax = new_axes(ax, size=(6.4, 3.6))
    at = np.arange(len(labels))
    ax.axhline(overall, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)), label="average effect")
    ax.vlines(at, low, high, color=INK, linewidth=1.6)
    ax.plot(at, estimate, "o", color=INK)
    ax.set_xticks(at, [plain(one) for one in labels])
    ax.set_ylabel("effect")
    ax.legend(frameon=False)
    return ax
