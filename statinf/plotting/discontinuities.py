"""Figures of discontinuities at a cutoff."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes, plain


@figure
def plot_densities(x: np.ndarray, w: np.ndarray, curve: Any, *, bins: int = 20, ax: Any = None) -> Any:
    """A running variable's density on both sides of a cutoff, over a histogram with an edge there.

    Parameters
    ----------
    x, w : ndarray, shape (n,)
        Running variable and weights.
    curve : SideDensities
    bins : int
        Bars per side.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    cutoff, colours = curve.cutoff, (PALETTE[0], ACCENT)
    for above in (False, True):
        rows = curve.above == above
        at, level = curve.at[rows], curve.estimate[rows]
        low, high = (cutoff, at[-1]) if above else (at[0], cutoff)
        edges = np.linspace(low, high, bins + 1)
        inside = (x >= low) & (x <= high) if above else (x >= low) & (x < high)
        heights, _ = np.histogram(x[inside], edges, weights=w[inside])
        ax.bar(edges[:-1], heights / w.sum() / np.diff(edges), np.diff(edges), align="edge", color=SOFT, alpha=0.35)
        half = curve.half * curve.std_error[rows]
        name = "at or above" if above else "below"
        ax.fill_between(at, level - half, level + half, color=colours[above], alpha=0.2, linewidth=0)
        ax.plot(at, level, color=colours[above], linewidth=1.6, label=name)
    ax.axvline(cutoff, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(plain(curve.running))
    ax.set_ylabel("density")
    ax.legend(frameon=False, fontsize=9)
    return ax


@figure
def plot_curves(fit: Any, band: Any) -> Any:
    """Mean quantile functions on both sides of a cutoff, and their difference with a uniform band.

    Parameters
    ----------
    fit : DistributionJump
    band : CurveBand

    Returns
    -------
    ndarray of matplotlib axes, shape (2,)
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained")
    for curve, colour, name in ((fit.below, PALETTE[0], "below"), (fit.above, ACCENT, "at or above")):
        axes[0].plot(fit.tau, curve, color=colour, linewidth=1.8, label=name)
    axes[0].set_ylabel(plain(fit.outcome))
    axes[0].set_title(f"mean quantiles at {plain(fit.running)} = {fit.cutoff:g}", fontsize=10)
    axes[0].legend(frameon=False, fontsize=9)
    axes[1].axhline(0.0, color=INK, linewidth=0.8)
    axes[1].fill_between(band.tau, band.lower, band.upper, color=PALETTE[0], alpha=0.2, linewidth=0)
    axes[1].plot(band.tau, band.estimate, color=PALETTE[0], linewidth=1.8)
    axes[1].set_title(f"effect, uniform {100 * band.level:g}% band", fontsize=10)
    for ax in axes:
        ax.set_xlabel("level")
    return axes


@figure
def plot_bins(found: Any, *, intervals: bool = False, ax: Any = None) -> Any:
    """Means of an outcome in bins of a running variable, and a polynomial on each side of the cutoff.

    Parameters
    ----------
    found : RdBins
    intervals : bool
        Of the means.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    for side, colour in ((found.left, PALETTE[0]), (found.right, ACCENT)):
        there = side.count > 0
        at, mean = side.x[there] + found.cutoff, side.y[there]
        if intervals:
            half = np.nan_to_num(side.half_width(found.level)[there])
            ax.vlines(at, mean - half, mean + half, color=colour, alpha=0.35, linewidth=1.0)
        ax.plot(at, mean, "o", color=colour, markersize=3.5, alpha=0.9)
        line = np.linspace(side.edges[0], side.edges[-1], 200)
        ax.plot(line + found.cutoff, np.polynomial.polynomial.polyval(line, side.coef), color=colour, linewidth=1.6)
    ax.axvline(found.cutoff, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_xlabel(plain(found.running))
    ax.set_ylabel(plain(found.outcome))
    return ax


@figure
def plot_checks(found: Any, *, axes: Any = None) -> Any:
    """Estimates at other cutoffs and with other bandwidths, with their intervals.

    Parameters
    ----------
    found : RdChecks
    axes : sequence of matplotlib axes, optional
        One for each check.

    Returns
    -------
    array of matplotlib axes
    """
    kinds = list(dict.fromkeys(found.check))
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, len(kinds), figsize=(4.6 * len(kinds), 3.4), layout="constrained", squeeze=False)
        axes = axes[0]
    labels = {"placebo": f"placebo cutoff of {plain(found.running)}", "bandwidth": "bandwidth"}
    for ax, kind in zip(np.atleast_1d(axes), kinds, strict=True):
        new_axes(ax)
        rows = np.array([one == kind for one in found.check])
        at, estimate, half = found.at[rows], found.estimate[rows], found.half[rows]
        out = np.abs(estimate) > half
        for mine, colour in ((~out, PALETTE[0]), (out, ACCENT)):
            ax.vlines(
                at[mine], (estimate - half)[mine], (estimate + half)[mine], color=colour, alpha=0.5, linewidth=1.2
            )
            ax.plot(at[mine], estimate[mine], "o", color=colour, markersize=4)
        ax.axhline(0.0, color=INK, linewidth=0.8)
        mark = found.cutoff if kind == "placebo" else found.bandwidth
        ax.axvline(mark, color=SOFT, linewidth=1.0, linestyle=(0, (4, 3)))
        ax.set_xlabel(labels[kind])
        ax.set_ylabel("jump (robust)")
    return np.atleast_1d(axes)
