"""Figures of prediction regions in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.plotting.style import PALETTE, figure, new_axes, plain

_STEPS = 200


@figure
def plot_regions(
    regions: Sequence[Any],
    *,
    outcomes: np.ndarray | None = None,
    labels: Sequence[str] = (),
    ax: Any = None,
) -> Any:
    """Regions of two outcomes, filled, with the outcomes (k, 2) of their rows as points."""
    if len(regions[0].names) != 2:
        raise DataError(f"regions of {len(regions[0].names)} outcomes have no figure; those of two have.")
    ax = new_axes(ax, size=(6.0, 4.5))
    for i, region in enumerate(regions):
        colour = PALETTE[i % len(PALETTE)]
        box = region.box.to_numpy()
        if not np.isfinite(box).all():
            continue
        room = 0.02 * (box[:, 1] - box[:, 0]) + 1e-12
        x, y = (np.linspace(low - r, high + r, _STEPS) for (low, high), r in zip(box, room, strict=True))
        inside = region.contains(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).reshape(_STEPS, _STEPS)
        ax.contourf(x, y, inside.astype(float), levels=[0.5, 1.5], colors=[colour], alpha=0.25)
        ax.contour(x, y, inside.astype(float), levels=[0.5], colors=[colour], linewidths=1.2)
        label = plain(labels[i]) if labels else None
        if outcomes is not None and np.isfinite(outcomes[i]).all():
            ax.plot(*outcomes[i], "o", color=colour, markersize=6, markeredgecolor="white", label=label)
        elif label:
            ax.plot([], [], color=colour, label=label)
    ax.set(xlabel=plain(regions[0].names[0]), ylabel=plain(regions[0].names[1]))
    if labels:
        ax.legend(frameon=False)
    return ax
