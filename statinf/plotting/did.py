"""Figures of difference-in-differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, PALETTE, SOFT, figure, new_axes

if TYPE_CHECKING:
    import pandas as pd


@figure
def plot_path(path: pd.DataFrame, reference: np.ndarray, *, event: bool, ax: Any = None) -> Any:
    """Averages with pointwise limits (thick) and uniform bands (thin); of an event study before and from treatment on.

    `reference` (r,) holds times since treatment that are zero by definition; they are drawn hollow.
    """
    ax = new_axes(ax, size=(6.4, 3.8))
    name = path.columns[0]
    at = path[name].to_numpy()
    before = at < 0 if event else np.zeros(len(at), bool)
    for where, colour, label in ((before, SOFT, "before treatment"), (~before, PALETTE[0], "from treatment on")):
        part = path[where]
        if not len(part):
            continue
        ax.vlines(at[where], part["band_low"], part["band_high"], color=colour, linewidth=1.2)
        ax.vlines(at[where], part["conf_low"], part["conf_high"], color=colour, linewidth=4.0, alpha=0.45)
        ax.plot(at[where], part["estimate"], "o", color=colour, markersize=5.0, label=label if event else None)
    if len(reference):
        ax.plot(reference, np.zeros(len(reference)), "o", color=SOFT, markerfacecolor="white", label="base period")
    ax.axhline(0.0, color=ACCENT, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set_xlabel("periods since treatment" if event else {"cohort": "first treated period"}.get(name, "period"))
    ax.set_ylabel("effect on the treated")
    _whole(ax, np.concatenate([at, reference]))
    if event and (before.any() or len(reference)):
        ax.legend(frameon=False)
    return ax


@figure
def plot_cohorts(
    group: np.ndarray,
    time: np.ndarray,
    estimate: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    ax: Any = None,
) -> Any:
    """Effects of each cohort against the period, with pointwise limits; hollow before treatment."""
    ax = new_axes(ax, size=(6.4, 3.8))
    cohorts, times = np.unique(group), np.unique(time)
    gap = float(np.diff(times).min()) if len(times) > 1 else 1.0
    for k, cohort in enumerate(cohorts.tolist()):
        colour = PALETTE[k % len(PALETTE)]
        own = group == cohort
        x = time[own] + gap * 0.5 * ((k + 0.5) / len(cohorts) - 0.5)
        ax.vlines(x, low[own], high[own], color=colour, linewidth=1.4)
        ax.plot(x, estimate[own], color=colour, linewidth=0.8, alpha=0.6)
        post = time[own] >= cohort
        ax.plot(x[post], estimate[own][post], "o", color=colour, markersize=5.0, label=f"{cohort:.10g}")
        ax.plot(x[~post], estimate[own][~post], "o", color=colour, markersize=5.0, markerfacecolor="white")
    ax.axhline(0.0, color=INK, linewidth=0.8)
    ax.set_xlabel("period")
    ax.set_ylabel("effect on the treated")
    _whole(ax, times)
    ax.legend(frameon=False, title="first treated")
    return ax


def _whole(ax: Any, at: np.ndarray) -> None:
    """Ticks at the periods where these are few."""
    values = np.unique(at)
    if len(values) <= 15:
        ax.set_xticks(values, [f"{v:.10g}".replace("-", "\N{MINUS SIGN}") for v in values])
