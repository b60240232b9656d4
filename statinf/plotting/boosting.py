"""Figures of boosted laws: scores by iteration, calibration, and shares of the features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes, plain


@figure
def plot_score(path: np.ndarray, kept: int, score: str, new: np.ndarray | None = None, *, ax: Any = None) -> Any:
    """Mean score by iteration, and the iteration that predictions use.

    Parameters
    ----------
    path : ndarray, shape (iterations + 1, 2)
        In training and in validation; NaN without validation.
    kept : int
    score : str
    new : ndarray, shape (iterations + 1,), optional
        Of new rows.
    """
    ax = new_axes(ax)
    steps = np.arange(len(path))
    ax.plot(steps, path[:, 0], color=PALETTE[0], linewidth=1.5, label="training")
    if np.isfinite(path[:, 1]).any():
        ax.plot(steps, path[:, 1], color=ACCENT, linewidth=1.5, label="validation")
        ax.axvline(kept, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), label=f"iteration {kept}")
    if new is not None:
        ax.plot(np.arange(len(new)), new, color=PALETTE[2], linewidth=1.5, label="new rows")
    ax.set_xlabel("iteration")
    ax.set_ylabel("mean CRPS" if score == "crps" else "mean minus log density")
    ax.legend(frameon=False, fontsize=9)
    return ax


@figure
def plot_pit(values: np.ndarray, *, bins: int = 10, ax: Any = None) -> Any:
    """Histogram of probability integral transforms with the band that 95 percent of uniform ones stay in, bar by bar.

    Parameters
    ----------
    values : ndarray, shape (n,)
    bins : int
    """
    from scipy.stats import binom

    ax = new_axes(ax)
    n = len(values)
    heights, edges = np.histogram(values, bins=bins, range=(0.0, 1.0))
    ax.bar(edges[:-1], heights * bins / n, np.diff(edges), align="edge", color=SOFT, alpha=0.75, edgecolor="white")
    low, high = (binom.ppf(q, n, 1.0 / bins) * bins / n for q in (0.025, 0.975))
    ax.axhspan(low, high, color=PALETTE[0], alpha=0.15, linewidth=0, label="95% of uniform draws, per bar")
    ax.axhline(1.0, color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel("distribution function at the outcome")
    ax.set_ylabel("density")
    ax.legend(frameon=False, fontsize=9)
    return ax


@figure
def plot_importances(
    shares: np.ndarray, features: Sequence[str], parameters: Sequence[str], *, most: int = 15, ax: Any = None
) -> Any:
    """Shares of the features in each parameter, the largest on top.

    Parameters
    ----------
    shares : ndarray, shape (parameters, features)
    features, parameters : sequence of str
    most : int
        Features shown.
    """
    order = np.argsort(-shares.sum(axis=0), kind="stable")[:most][::-1]
    ax = new_axes(ax, size=(6.4, 1.2 + 0.28 * len(order)))
    at, height = np.arange(len(order)), 0.8 / len(parameters)
    for k, name in enumerate(parameters):
        place = at + 0.4 - (k + 0.5) * height
        ax.barh(place, shares[k, order], height, color=PALETTE[k % len(PALETTE)], label=plain(name))
    ax.set_yticks(at, [plain(features[j]) for j in order])
    ax.set_xlabel("share")
    ax.legend(frameon=False, fontsize=9)
    return ax
