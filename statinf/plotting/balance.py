"""Love plot of covariate balance and histograms of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, MARKERS, PALETTE, SOFT, new_axes, plain


def love_plot(
    terms: Sequence[str],
    before: np.ndarray,
    after: Mapping[str, np.ndarray],
    *,
    threshold: float | None = 0.1,
    absolute: bool = True,
    order: str = "before",
    ax: Any = None,
) -> Any:
    """Standardised mean differences before and after weighting, one line per column.

    Parameters
    ----------
    terms : sequence of str
    before : ndarray, shape (p,)
    after : mapping of str to ndarray, shape (p,)
        One entry a weighting.
    threshold : float, optional
        Where to draw the line of good balance; None draws none.
    absolute : bool
        Show absolute values.
    order : {"before", "given"}
        Largest difference before weighting on top, or the order given.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    show = np.abs if absolute else np.asarray
    at = np.argsort(np.abs(before)) if order == "before" else np.arange(len(terms))[::-1]
    ax = new_axes(ax, size=(6.4, max(2.0, 0.3 * len(terms) + 1.3)))
    y = np.arange(len(terms))
    ax.axvline(0.0, color=INK, linewidth=0.8)
    if threshold is not None:
        for place in (threshold,) if absolute else (-threshold, threshold):
            ax.axvline(place, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.plot(show(before)[at], y, "o", markerfacecolor="white", markeredgecolor=ACCENT, markersize=6, label="unweighted")
    colours = [c for c in PALETTE if c != ACCENT]
    for k, (name, values) in enumerate(after.items()):
        ax.plot(
            show(values)[at],
            y,
            MARKERS[k % len(MARKERS)],
            color=colours[k % len(colours)],
            markersize=5,
            label=plain(name),
        )
    ax.set_yticks(y, [plain(terms[i]) for i in at])
    ax.set_ylim(-0.7, len(terms) - 0.3)
    ax.set_xlabel("absolute standardised mean difference" if absolute else "standardised mean difference")
    ax.grid(axis="y", visible=True, alpha=0.25)
    ax.legend(frameon=False, loc="lower right")
    return ax


def weight_histogram(
    weights: np.ndarray,
    treated: np.ndarray,
    *,
    names: tuple[str, str] = ("treated", "control"),
    bins: int = 40,
    ax: Any = None,
) -> Any:
    """Histograms of the weights of each arm, relative to the arm's mean.

    Parameters
    ----------
    weights : ndarray, shape (n,)
    treated : ndarray of bool, shape (n,)
    names : pair of str
        Of the treated and the control arm.
    bins : int
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    relative = [weights[arm] / weights[arm].mean() for arm in (treated, ~treated)]
    edges = np.linspace(0.0, max(float(r.max()) for r in relative) * 1.0001, bins + 1)
    for values, name, colour in zip(relative, names, (ACCENT, PALETTE[0]), strict=True):
        size = values.sum() ** 2 / (values @ values)
        ax.hist(
            values,
            bins=edges,
            histtype="stepfilled",
            alpha=0.45,
            color=colour,
            label=f"{plain(name)} (ESS {size:.0f} of {len(values)})",
        )
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_xlabel("weight relative to the arm's mean")
    ax.set_ylabel("rows")
    ax.legend(frameon=False)
    return ax
