"""One look for all figures."""

from __future__ import annotations

from typing import Any

INK = "#1b2a41"
ACCENT = "#c1440e"
SOFT = "#7a8ba3"
PALETTE = ("#1f5a94", "#c1440e", "#3a7d44", "#8a4f9e", "#b8860b", "#4a4e69", "#00808a")

MARKERS = "osD^vP*X"


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
