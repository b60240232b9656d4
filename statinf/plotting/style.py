"""One look for all figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from statinf.errors import OptionError

INK = "#1b2a41"
ACCENT = "#c1440e"
SOFT = "#7a8ba3"
PALETTE = ("#1f5a94", "#c1440e", "#3a7d44", "#8a4f9e", "#b8860b", "#4a4e69", "#00808a")

MARKERS = "osD^vP*X"


P = ParamSpec("P")
T = TypeVar("T")


def figure(function: Callable[P, T]) -> Callable[P, T]:
    """A figure whose options are refused by name where it does not take them."""
    code = function.__code__  # type: ignore[attr-defined]
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    offered = ", ".join(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])

    @wraps(function)
    def drawn(*args: P.args, **options: P.kwargs) -> T:
        unknown = next((name for name in options if name not in own), None)
        if unknown is not None:
            raise OptionError(f"{unknown}= is not an option of this figure; it takes {offered}.")
        return function(*args, **options)

    return drawn


def plain(text: Any) -> str:
    """Text that a figure shows as it is: dollar signs start no formula, and a legend leaves no name out."""
    shown = str(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def new_axes(ax: Any = None, *, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """The axes given, or those of a new figure, with light grid and open frame."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def edges_of(values: np.ndarray, bins: Any) -> Any:
    """Edges of so many bins for a histogram of finite values (n,); anything but a number of bins is left as it is.

    Values that differ by rounding alone have no range to cut; they stand in the middle of one as wide as they are large.
    """
    if not isinstance(bins, int | np.integer) or not len(values):
        return bins
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high))
    if high - low <= 1e-10 * size:
        middle, half = 0.5 * low + 0.5 * high, 0.5 * size or 0.5
        low, high = middle - half, middle + half
    return np.linspace(low, high, bins + 1)
