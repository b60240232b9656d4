"""Figures of quantile fits."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes, plain


@figure
def plot_process(frame: Any, *, columns: int = 3, terms: Any = None) -> Any:
    """One panel a coefficient: estimate against the level, pointwise limits, uniform band.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns tau, term, estimate, conf_low, conf_high and perhaps band_low, band_high.
    columns : int
        Panels a row.
    terms : sequence of str, optional
        Which coefficients; all by default.

    Returns
    -------
    ndarray of matplotlib axes
    """
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(frame["term"])) if terms is None else list(terms)
    names = [n for n in names if frame.loc[frame["term"] == n, "estimate"].notna().all()]
    wide = min(columns, len(names))
    tall = -(-len(names) // wide)
    _, grid = plt.subplots(
        tall, wide, figsize=(3.4 * wide, 2.7 * tall), layout="constrained", squeeze=False, sharex=True
    )
    for ax, name in zip(grid.flat, names, strict=False):
        one = frame[frame["term"] == name]
        new_axes(ax)
        if "band_low" in one:
            ax.fill_between(
                one["tau"], one["band_low"], one["band_high"], color=SOFT, alpha=0.22, linewidth=0, label="uniform band"
            )
        ax.fill_between(
            one["tau"], one["conf_low"], one["conf_high"], color=PALETTE[0], alpha=0.32, linewidth=0, label="pointwise"
        )
        ax.plot(
            one["tau"], one["estimate"], color=INK, linewidth=1.5, marker="o" if len(one) < 25 else None, markersize=3
        )
        if one["conf_low"].min() <= 0 <= one["conf_high"].max():
            ax.axhline(0.0, color=ACCENT, linewidth=0.8, linestyle=(0, (4, 3)))
        ax.set_title(plain(name), fontsize=10)
    for ax in grid.flat[len(names) :]:
        ax.set_visible(False)
    for ax in grid[-1]:
        ax.set_xlabel("level")
    grid.flat[0].legend(frameon=False, fontsize=8)
    return grid


@figure
def plot_lines(
    x: np.ndarray, y: np.ndarray, lines: np.ndarray, xlabel: str, ylabel: str, tau: np.ndarray, *, ax: Any = None
) -> Any:
    """Data with fitted quantile lines.

    Parameters
    ----------
    lines : ndarray, shape (1 + k, 2)
        Two values of the regressor, then the fitted quantiles there, one row per level.
    """
    ax = new_axes(ax, size=(6.4, 4.4))
    ax.plot(x, y, "o", color=SOFT, markersize=3, alpha=0.6, markeredgewidth=0)
    for t, line in zip(tau, lines[1:], strict=True):
        middle = abs(t - 0.5) < 1e-9
        ax.plot(lines[0], line, color=ACCENT if middle else PALETTE[0], linewidth=1.8 if middle else 1.1)
        ax.annotate(
            f"{t:g}", (lines[0, 1], line[1]), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    ax.set_xlabel(plain(xlabel))
    ax.set_ylabel(plain(ylabel))
    return ax


@figure
def plot_calibration(tau: np.ndarray, coverage: np.ndarray, n: int, *, ax: Any = None, label: str | None = None) -> Any:
    """Share of outcomes below each quantile less the level, with the 95% binomial band of perfect calibration."""
    ax = new_axes(ax, size=(5.4, 3.6))
    grid = np.linspace(0.001, 0.999, 200)
    half = 1.96 * np.sqrt(grid * (1 - grid) / n)
    ax.fill_between(grid, -half, half, color=SOFT, alpha=0.25, linewidth=0)
    ax.axhline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.plot(tau, coverage - tau, color=INK, marker="o", markersize=3.5, linewidth=1.2, label=label and plain(label))
    ax.set_xlabel("level")
    ax.set_ylabel("coverage less level")
    return ax


@figure
def plot_fan(
    x: np.ndarray, lines: np.ndarray, tau: np.ndarray, points: Any, xlabel: str, ylabel: str, *, ax: Any = None
) -> Any:
    """Quantiles over a covariate: bands between levels t and 1 - t, a line per level.

    Parameters
    ----------
    lines : ndarray, shape (k, m)
    tau : ndarray, shape (m,)
        Increasing.
    points : tuple of two ndarrays, or None
        Covariate and outcome of rows.
    """
    ax = new_axes(ax, size=(6.4, 4.4))
    if points is not None:
        ax.plot(*points, "o", color=SOFT, markersize=2.5, alpha=0.5, markeredgewidth=0)
        # Outcomes far out would leave no room for the quantiles.
        drawn = lines[np.isfinite(lines)]
        if drawn.size and np.ptp(drawn) > 0:
            middle, half = drawn.mean(), 1.6 * np.abs(drawn - drawn.mean()).max()
            ax.set_ylim(
                max(middle - half, np.nanmin(points[1]) - 0.1 * half),
                min(middle + half, np.nanmax(points[1]) + 0.1 * half),
            )
    for low in np.flatnonzero(tau < 0.5 - 1e-9):
        high = np.flatnonzero(np.abs(tau - (1 - tau[low])) < 1e-9)
        if len(high):
            ax.fill_between(x, lines[:, low], lines[:, high[0]], color=PALETTE[0], alpha=0.15, linewidth=0)
    for t, line in zip(tau, lines.T, strict=True):
        middle = abs(t - 0.5) < 1e-9
        ax.plot(x, line, color=ACCENT if middle else PALETTE[0], linewidth=1.8 if middle else 1.0)
    room, named = 0.04 * np.ptp(ax.get_ylim()), []
    for k in np.argsort(np.abs(tau - 0.5), kind="stable"):
        # A level whose name would lie over another's goes without.
        if np.isfinite(at := lines[-1, k]) and all(abs(at - other) > room for other in named):
            named.append(at)
            where = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            ax.annotate(f"{tau[k]:g}", (x[-1], at), fontsize=8, **where)
    ax.set_xlabel(plain(xlabel))
    ax.set_ylabel(plain(ylabel))
    return ax


@figure
def plot_training(history: np.ndarray, *, ax: Any = None) -> Any:
    """Held-out loss by epoch, with the epoch whose network was kept."""
    ax = new_axes(ax)
    epochs = np.arange(1, len(history) + 1)
    ax.plot(epochs, history, color=INK, linewidth=1.3)
    best = int(np.nanargmin(history))
    ax.plot(epochs[best], history[best], "o", color=ACCENT, markersize=5)
    ax.set_xlabel("epoch")
    ax.set_ylabel("held-out pinball loss")
    return ax
