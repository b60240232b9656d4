"""Coefficients of one fit or several, with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, MARKERS, PALETTE, figure, new_axes, plain


@dataclass(frozen=True)
class Limits:
    """Estimates and limits of one fit, shape (q,), by coefficient name.

    Attributes
    ----------
    terms : tuple of str
    estimate, low, high : ndarray, shape (q,)
    inner : tuple of (ndarray, ndarray)
        Limits of further, smaller levels, drawn broader the smaller they are.
    """

    terms: tuple[str, ...]
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    inner: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def draw(self, ax: Any, at: Sequence[int], y: np.ndarray, colour: str, marker: str, name: str) -> None:
        """Intervals and estimates of some coefficients at the heights `y`."""
        ax.hlines(y, self.low[at], self.high[at], color=colour, linewidth=1.6 - 0.4 * bool(self.inner))
        for k, (low, high) in enumerate(self.inner, start=1):
            ax.hlines(y, low[at], high[at], color=colour, linewidth=1.2 + 1.6 * k)
        ax.plot(self.estimate[at], y, marker, color=colour, markersize=5, label=plain(name))


@figure
def plot_coefficients(
    fits: Mapping[str, Limits], *, intercept: bool = False, ax: Any = None, label: str = "estimate"
) -> Any:
    """Draw one line per coefficient, the first on top; several fits stand side by side, by colour and by marker.

    Parameters
    ----------
    fits : mapping of str to Limits
        By the name in the legend, which there is for several.
    intercept : bool
        Whether to draw the intercept, whose scale is seldom that of the others.
    ax : matplotlib axes, optional
    label : str
        Of the horizontal axis.

    Returns
    -------
    matplotlib axes
    """
    terms = _shown(fits, intercept)
    place = {term: len(terms) - 1 - i for i, term in enumerate(terms)}
    count = len(fits)
    ax = new_axes(
        ax, size=(6.4, max(1.6, (0.2 + 0.14 * count) * len(terms) + 1.0 + (0.25 * count if count > 1 else 0)))
    )
    ax.axvline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    colours = _colours(count)
    half = min(0.3, 0.14 * (count - 1))
    shifts = np.linspace(half, -half, count)
    for k, ((name, one), shift) in enumerate(zip(fits.items(), shifts, strict=True)):
        at = [i for i, term in enumerate(one.terms) if term in place and np.isfinite(one.estimate[i])]
        if not at:
            continue
        y = np.array([place[one.terms[i]] for i in at], dtype=float) + shift
        one.draw(ax, at, y, colours[k % len(colours)], MARKERS[k % len(MARKERS)], name)
    ax.set_yticks(np.arange(len(terms))[::-1], [plain(term) for term in terms])
    ax.set_ylim(-0.7, len(terms) - 0.3)
    ax.set_xlabel(label)
    ax.grid(axis="y", visible=False)
    if count > 1:
        for below in range(len(terms) - 1):
            ax.axhline(below + 0.5, color=INK, linewidth=0.4, alpha=0.2)
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=_columns(fits))
    return ax


_LEAST = 0.05
"""Share of a common axis within which a coefficient, its interval and zero cannot be told apart."""


def unlike(fits: Mapping[str, Limits], *, intercept: bool = False) -> bool:
    """Whether on one axis some coefficient would be a dot at zero beside the longest of the others.

    Parameters
    ----------
    fits : mapping of str to Limits
    intercept : bool
        Whether it is drawn.

    Returns
    -------
    bool
    """
    reach = []
    for term in _shown(fits, intercept):
        seen = [np.array([0.0])]
        for one in fits.values():
            if term in one.terms:
                at = one.terms.index(term)
                seen.append(np.array([one.estimate[at], one.low[at], one.high[at]]))
        values = np.concatenate(seen)
        values = values[np.isfinite(values)]
        reach.append((values.min(), values.max()))
    low, high = np.array(reach).reshape(-1, 2).T
    whole = high.max(initial=0.0) - low.min(initial=0.0)
    return bool(np.any(high - low < _LEAST * whole))


@figure
def plot_panels(fits: Mapping[str, Limits], *, intercept: bool = False, label: str = "estimate") -> Any:
    """Draw one panel per coefficient, each with its own scale, the fits below each other in all.

    Parameters
    ----------
    fits : mapping of str to Limits
        By name, the first on top.
    intercept : bool
    label : str
        Below all panels.

    Returns
    -------
    array of matplotlib axes
    """
    import matplotlib.pyplot as plt

    terms, count = _shown(fits, intercept), len(fits)
    columns = min(len(terms), 3)
    rows = -(-len(terms) // columns)
    size = (2.3 * columns + 1.2, rows * (0.32 * count + 0.75) + 0.4)
    drawn, grid = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    colours = _colours(count)
    for ax, term in zip(grid.flat, terms, strict=False):
        new_axes(ax)
        ax.axvline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
        for k, (name, one) in enumerate(fits.items()):
            if term in one.terms and np.isfinite(one.estimate[at := one.terms.index(term)]):
                one.draw(
                    ax, [at], np.array([count - 1.0 - k]), colours[k % len(colours)], MARKERS[k % len(MARKERS)], name
                )
        ax.set_title(plain(term), fontsize="medium", loc="left")
        ax.set_yticks(np.arange(count)[::-1] if count > 1 else [], [plain(name) for name in fits] if count > 1 else [])
        ax.set_ylim(-0.6, count - 0.4)
        ax.grid(axis="y", visible=False)
        ax.locator_params(axis="x", nbins=4)
    for ax in grid.flat[len(terms) :]:
        ax.set_visible(False)
    drawn.supxlabel(label, fontsize="medium")
    return grid


def _columns(names: Iterable[str]) -> int:
    """Columns of the legend: three at most, fewer where names are so long that they would leave the figure."""
    room = [len(name) + 5 for name in names]
    return next((k for k in (3, 2) if k <= len(room) and sum(max(room[c::k]) for c in range(k)) <= 66), 1)


def _colours(count: int) -> tuple[str, ...]:
    return (INK,) if count == 1 else tuple(c for c in PALETTE if c != ACCENT)


def _shown(fits: Mapping[str, Limits], intercept: bool) -> list[str]:
    """Coefficients that any fit has an estimate of, in the order in which they first appear."""
    finite = [t for one in fits.values() for t, e in zip(one.terms, one.estimate, strict=True) if np.isfinite(e)]
    known = list(dict.fromkeys(finite))
    return [t for t in known if intercept or t != "Intercept" or len(known) == 1]
