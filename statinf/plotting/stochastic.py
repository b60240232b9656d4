"""Figures of streams: estimates as rows arrive, joint regions, distances to normality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, new_axes, plain


def plot_path(
    rows: np.ndarray,
    estimate: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    terms: Sequence[str],
    *,
    level: float = 0.95,
    ax: Any = None,
) -> Any:
    """Estimates with pointwise intervals against the number of rows, on a logarithmic axis.

    Parameters
    ----------
    rows : ndarray, shape (m,)
    estimate, low, high : ndarray, shape (m, q)
    terms : sequence of str
    level : float
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    for j, term in enumerate(terms):
        colour = PALETTE[j % len(PALETTE)]
        ax.fill_between(rows, low[:, j], high[:, j], color=colour, alpha=0.18, linewidth=0)
        ax.plot(rows, estimate[:, j], color=colour, label=plain(term))
        ax.annotate(
            f"{estimate[-1, j]:.4g}", (rows[-1], estimate[-1, j]), xytext=(4, 0), textcoords="offset points",
            color=colour, fontsize=8, va="center",
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlabel("rows")
    ax.set_ylabel(f"estimate, {100 * level:g}% interval")
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_region(
    centre: np.ndarray, form: np.ndarray, bound: float, terms: Sequence[str], *, draws: np.ndarray | None = None, ax: Any = None
) -> Any:  # fmt: skip
    """The region {x: (x - centre)' form (x - centre) <= bound} of two coefficients, over replicas.

    Parameters
    ----------
    centre : ndarray, shape (2,)
    form : ndarray, shape (2, 2)
    bound : float
    terms : sequence of two str
    draws : ndarray, shape (B, 2), optional
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax, size=(5.0, 4.6))
    if draws is not None:
        shown = draws[:2000]
        ax.plot(shown[:, 0], shown[:, 1], ".", color=SOFT, markersize=3, alpha=0.5, label="replicas")
    angle = np.linspace(0.0, 2.0 * np.pi, 241)
    values, vectors = np.linalg.eigh(form)
    radii = np.sqrt(bound / np.maximum(values, np.finfo(float).tiny))
    edge = centre + (np.column_stack([np.cos(angle), np.sin(angle)]) * radii) @ vectors.T
    ax.plot(edge[:, 0], edge[:, 1], color=ACCENT, label="region")
    ax.plot(*centre, "o", color=INK, label="average")
    ax.set_xlabel(plain(terms[0]))
    ax.set_ylabel(plain(terms[1]))
    ax.legend(frameon=False, fontsize=8)
    return ax
