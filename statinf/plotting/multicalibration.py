"""Figures of multicalibration: errors by group, calibration by group, errors over rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, MARKERS, PALETTE, SOFT, figure, new_axes, plain

_MOST_CURVES, _FEWEST = 7, 10


@figure
def plot_groups(
    before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], *, outcome: str = "", ax: Any = None
) -> Any:
    """Mean errors with intervals by group, initial and fitted, from tables by name of column, all (groups,)."""
    labels = [plain(label) for label in after["group"]]
    ax = new_axes(ax, size=(6.4, 1.4 + 0.32 * len(labels)))
    at = np.arange(len(labels), dtype=float)
    ax.axvline(0.0, color=INK, linewidth=0.8)
    for made, shift, color, marker, name in (
        (before, -0.13, SOFT, "s", "initial"),
        (after, 0.13, ACCENT, "o", "fitted"),
    ):
        known = dict(zip(made["group"], range(len(made["group"])), strict=True))
        rows = [known[label] for label in after["group"]]
        error, low, high = (np.asarray(made[c], float)[rows] for c in ("error", "conf_low", "conf_high"))
        ax.errorbar(
            error,
            at + shift,
            xerr=np.nan_to_num((error - low, high - error)),
            fmt=marker,
            color=color,
            markersize=4.5,
            linewidth=1.2,
            capsize=2,
            label=name,
        )
    ax.set_yticks(at, labels)
    ax.invert_yaxis()
    ax.set(xlabel=f"mean of {plain(outcome)} less prediction")
    ax.legend(frameon=False)
    return ax


@figure
def plot_calibration(after: Mapping[str, np.ndarray], *, outcome: str = "", ax: Any = None) -> Any:
    """Mean outcomes over predictions by group, with intervals, from a table by name of column, all (cells,).

    Cells of fewer than ten rows are left out where others have more.
    """
    ax = new_axes(ax, size=(5.6, 4.8))
    enough = np.asarray(after["n"]) >= _FEWEST
    kept = {c: np.asarray(v)[enough if enough.any() else slice(None)] for c, v in after.items()}
    names = list(dict.fromkeys(kept["group"]))
    shown = names[:_MOST_CURVES]
    predicted, mean = kept["predicted"].astype(float), kept["outcome"].astype(float)
    low, high = min(predicted.min(), mean.min()), max(predicted.max(), mean.max())
    margin = 0.1 * (high - low or 1.0)
    ax.plot([low, high], [low, high], color=INK, linestyle="--", linewidth=0.8)
    for i, name in enumerate(shown):
        rows = kept["group"] == name
        half = np.nan_to_num((kept["conf_high"] - kept["conf_low"]).astype(float)[rows] / 2)
        color = PALETTE[i % len(PALETTE)]
        ax.errorbar(
            predicted[rows],
            mean[rows],
            yerr=half,
            color=color,
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            linewidth=1.0,
            elinewidth=0.6,
            label=plain(name),
        )
    if len(names) > len(shown):
        ax.set_title(f"{len(shown)} of {len(names)} groups", fontsize="medium")
    # Intervals of few rows end at the frame.
    ax.set(xlabel="prediction", ylabel=f"mean of {plain(outcome)}", ylim=(low - margin, high + margin))
    ax.legend(frameon=False, fontsize="small")
    return ax


@figure
def plot_path(train: np.ndarray, held_out: np.ndarray, kept: int, *, ax: Any = None) -> Any:
    """Mean squared errors (rounds + 1,) over rounds; the last round that is kept is marked."""
    ax = new_axes(ax)
    number = np.arange(len(train))
    ax.plot(number, train, color=PALETTE[0], marker="o", markersize=3.5, linewidth=1.3, label="boosted on")
    if not np.isnan(held_out).all():
        ax.plot(number, held_out, color=ACCENT, marker="s", markersize=3.5, linewidth=1.3, label="held out")
    ax.axvline(kept, color=INK, linestyle=":", linewidth=1.0)
    ax.set(xlabel="round", ylabel="mean squared error", ylim=(0, None))
    ax.legend(frameon=False)
    return ax
