"""Figures of smooth terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, SOFT, figure, new_axes, plain

SmoothPanel = tuple[str, str, Mapping[str, np.ndarray], tuple[np.ndarray, np.ndarray], tuple[float, float]]


@figure
def plot_smooths(panels: Sequence[SmoothPanel], *, columns: int = 3) -> Any:
    """One panel per spline: the curve, its interval, and below it where the rows of both samples lie.

    Parameters
    ----------
    panels : sequence of (argument, title, curve, (source, target), (low, high))
        The curve with columns x, estimate, conf_low, conf_high; values of the argument in both samples; the source's range.
    columns : int
        Panels beside one another.

    Returns
    -------
    ndarray of matplotlib axes
    """
    import matplotlib.pyplot as plt

    wide = min(columns, len(panels))
    tall = -(-len(panels) // wide)
    _, axes = plt.subplots(tall, wide, figsize=(4.2 * wide, 3.4 * tall), layout="constrained", squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, (argument, title, line, samples, bounds) in zip(axes.flat, panels, strict=False):
        new_axes(ax)
        x = line["x"]
        ax.fill_between(x, line["conf_low"], line["conf_high"], color=SOFT, alpha=0.25, linewidth=0.0)
        inside = (x >= bounds[0]) & (x <= bounds[1])
        ax.plot(x, line["estimate"], color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        ax.plot(x[inside], line["estimate"][inside], color=INK, linewidth=2.0)
        low, high = ax.get_ylim()
        step = 0.14 * (high - low)
        for level, values, colour, name in ((1, samples[0], INK, "source"), (2, samples[1], ACCENT, "target")):
            # Histograms along the foot, each as high as the other.
            shown = values[(values >= x[0]) & (values <= x[-1])]
            if not len(shown):
                continue
            counts, edges = np.histogram(shown, bins=40, range=(x[0], x[-1]))
            height = 0.9 * step * counts / counts.max()
            ax.bar(
                edges[:-1], height, width=np.diff(edges), align="edge", bottom=low - level * step, color=colour, alpha=0.75,
                label=name,
            )  # fmt: skip
        ax.set_ylim(low - 2.1 * step, high)
        ax.set_xlim(x[0], x[-1])
        ax.set_xlabel(plain(argument))
        ax.set_title(plain(title), fontsize=9.5, loc="left")
    axes.flat[0].legend(frameon=False, fontsize=8, loc="best")
    axes.flat[0].set_ylabel("effect on the mean")
    return axes.flat[: len(panels)]
