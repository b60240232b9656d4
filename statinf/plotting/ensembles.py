"""A figure of models that are put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, PALETTE, SOFT, figure, new_axes, plain


@figure
def plot_stack(
    models: Sequence[str], weights: np.ndarray, errors: np.ndarray, average: float, ensemble: float, *, ax: Any = None
) -> Any:
    """Cross-validated error of each model, with its weight, beside those of their average and of the ensemble.

    Parameters
    ----------
    models : sequence of str
    weights, errors : ndarray, shape (m,)
        Errors are roots of mean squared errors.
    average, ensemble : float
    """
    size = (6.4, 1.2 + 0.3 * (len(models) + 2))
    ax = new_axes(ax, size=size)
    names = [f"{plain(name)}, weight {weight:.2f}" for name, weight in zip(models, weights, strict=True)]
    places = np.arange(len(names) + 2)
    held = np.append(errors, [average, ensemble])
    colours = [PALETTE[0] if weight != 0 else SOFT for weight in weights] + [SOFT, ACCENT]
    ax.hlines(places, 0.0, held, color=SOFT, linewidth=0.8)
    ax.scatter(held, places, color=colours, zorder=3)
    ax.set_yticks(places, [*names, "average", "ensemble"])
    ax.invert_yaxis()
    ax.set_xlim(left=0.0)
    ax.set_xlabel("cross-validated root mean squared error")
    return ax
