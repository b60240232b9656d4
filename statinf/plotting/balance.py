"""Love plot of covariate balance and histograms of weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError, one_of
from statinf.plotting.style import ACCENT, INK, MARKERS, PALETTE, SOFT, figure, new_axes, plain

_LEVEL = re.compile(r"^(?:C\((\w+)(?:,.*)?\)|(\w+))\[(?:T\.)?(.+)\]$")
"""One level of a factor, as a term: a line of its own, whichever level is coded as the one that others are compared with."""


@figure
def love_plot(
    terms: Sequence[str],
    before: np.ndarray,
    after: Mapping[str, np.ndarray],
    *,
    threshold: float | None = 0.1,
    absolute: bool = True,
    order: str = "before",
    measure: str = "standardised mean difference",
    names: Mapping[str, str] | None = None,
    ax: Any = None,
) -> Any:
    """Standardised mean differences, or correlations with a dose, before and after weighting, one line per column.

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
    order : {"before", "after", "given", "name"}
        Largest difference before weighting, or after the first one, on top; the order given; or that of the names.
    measure : str
        What is compared.
    names : mapping of str to str, optional
        What to call columns in the figure.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    show = np.abs if absolute else np.asarray
    shown = called(terms, names)
    at = line_order(order, shown, before, next(iter(after.values()), before))
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
    ax.set_yticks(y, [plain(shown[i]) for i in at])
    ax.set_ylim(-0.7, len(terms) - 0.3)
    ax.set_xlabel(f"absolute {measure}" if absolute else measure)
    ax.grid(axis="y", visible=True, alpha=0.25)
    ax.legend(frameon=False, loc="lower right")
    return ax


def called(terms: Sequence[str], names: Mapping[str, str] | None) -> list[str]:
    """Terms as the figure calls them, levels of factors as `race: white`; a name for a term that does not occur is refused."""
    unknown = [name for name in names or {} if name not in terms]
    if unknown:
        raise OptionError(
            f"names= has {unknown[0]!r}, which is no line of the figure; they are {', '.join(terms[:12])}."
        )
    plainly = [_LEVEL.sub(r"\1\2: \3", term) for term in terms]
    shown = plainly if len(set(plainly)) == len(terms) else terms
    return [(names or {}).get(term, name) for term, name in zip(terms, shown, strict=True)]


def line_order(order: str, names: Sequence[str], before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Positions from the lowest line to the highest."""
    one_of("order", order, ("before", "after", "given", "name"))
    if order in ("before", "after"):
        return np.argsort(np.abs(before if order == "before" else after), kind="stable")
    return (
        np.arange(len(names))[::-1] if order == "given" else np.argsort(np.array(names, dtype=str), kind="stable")[::-1]
    )


@figure
def love_panels(
    terms: Sequence[str],
    panels: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    *,
    pairs: str = "all",
    threshold: float | None = 0.1,
    absolute: bool = True,
    order: str = "before",
    measure: str = "standardised mean difference",
    names: Mapping[str, str] | None = None,
    ax: Any = None,
) -> Any:
    """Love plots of several pairs of arms, or of the largest difference of any pair.

    Parameters
    ----------
    terms : sequence of str
    panels : mapping of str to pair of ndarray and mapping of str to ndarray, shape (p,)
        Differences of each pair before weighting and after each.
    pairs : {"all", "largest"}
        One panel a pair in the same order of lines, or the largest absolute difference of any pair.
    threshold, absolute, order, measure, names
        As `love_plot` takes them.
    ax : matplotlib axes, optional
        For "largest".

    Returns
    -------
    matplotlib axes, or an array of them, one a pair
    """
    one_of("pairs", pairs, ("all", "largest"))
    shown = called(terms, names)
    most = np.max([np.abs(before) for before, _ in panels.values()], axis=0)
    weightings = list(dict.fromkeys(name for _, after in panels.values() for name in after))
    least = {name: np.max([np.abs(after[name]) for _, after in panels.values()], axis=0) for name in weightings}
    how: dict[str, Any] = {"threshold": threshold, "absolute": absolute, "order": "given"}
    at = line_order(order, shown, most, next(iter(least.values()), most))[::-1]
    lines = [shown[i] for i in at]
    if pairs == "largest" or ax is not None:
        how["measure"] = f"{measure}, largest of all pairs of arms"
        return love_plot(lines, most[at], {name: values[at] for name, values in least.items()}, **how, ax=ax)
    import matplotlib.pyplot as plt

    wide = min(3, len(panels))
    deep = -(-len(panels) // wide)
    size = (3.2 * wide + 1.6, deep * max(2.0, 0.3 * len(terms) + 1.5))
    _, grid = plt.subplots(deep, wide, figsize=size, layout="constrained", sharex=True, sharey=True, squeeze=False)
    axes = grid.ravel()
    for place, (title, (before, after)) in zip(axes, panels.items(), strict=False):
        love_plot(lines, before[at], {name: values[at] for name, values in after.items()}, **how, ax=place)
        place.set_title(plain(title), fontsize=10)
        place.set_xlabel("")
        place.get_legend().remove()
    for place in axes[len(panels) :]:
        place.set_visible(False)
    last = axes[len(panels) - 1]
    last.legend(frameon=False, loc="lower right")
    axes[0].figure.supxlabel(
        "absolute standardised mean difference" if absolute else "standardised mean difference", fontsize=10
    )
    return axes[: len(panels)]


@figure
def weight_histogram(
    weights: np.ndarray,
    arms: Mapping[str, np.ndarray],
    *,
    bins: int = 40,
    ax: Any = None,
) -> Any:
    """Histograms of the weights of each arm, relative to the arm's mean.

    Parameters
    ----------
    weights : ndarray, shape (n,)
    arms : mapping of str to ndarray of bool, shape (n,)
        The rows of each.
    bins : int
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    relative = [weights[arm] / weights[arm].mean() for arm in arms.values()]
    colours = [ACCENT, *(c for c in PALETTE if c != ACCENT)]
    edges = np.linspace(0.0, max(float(r.max()) for r in relative) * 1.0001, bins + 1)
    for k, (name, values) in enumerate(zip(arms, relative, strict=True)):
        size = values.sum() ** 2 / (values @ values)
        ax.hist(
            values,
            bins=edges,
            histtype="stepfilled",
            alpha=0.45,
            color=colours[k % len(colours)],
            label=f"{plain(name)} (ESS {size:.0f} of {len(values)})",
        )
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_xlabel("weight relative to the arm's mean")
    ax.set_ylabel("rows")
    ax.legend(frameon=False)
    return ax


@figure
def chance_histogram(groups: Mapping[str, np.ndarray], *, bins: int = 40, ax: Any = None) -> Any:
    """Histograms of the chance of the treated arm, one per arm.

    Parameters
    ----------
    groups : mapping of str to ndarray
        Chances of the rows of each arm.
    bins : int
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    ax = new_axes(ax)
    colours = [ACCENT, *(c for c in PALETTE if c != ACCENT)]
    edges = np.linspace(0.0, 1.0, bins + 1)
    for colour, (name, values) in zip(colours, groups.items(), strict=False):
        ax.hist(values, bins=edges, histtype="stepfilled", alpha=0.45, color=colour, label=plain(name))
    ax.set_xlabel("chance to come from the treated arm, given the features")
    ax.set_ylabel("rows")
    ax.legend(frameon=False)
    return ax
