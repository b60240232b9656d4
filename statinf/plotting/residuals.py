"""Four residual diagnostics of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.plotting.style import ACCENT, INK, new_axes, plain

_MOST_POINTS = 5_000


def plot_residuals(
    fitted: np.ndarray,
    residual: np.ndarray,
    standard: np.ndarray,
    leverage: np.ndarray,
    *,
    fitted_label: str = "fitted value",
) -> Any:
    """Residuals against fit, their normal quantiles, their spread, and leverage.

    Parameters
    ----------
    fitted, residual, standard, leverage : ndarray, shape (n,)
        Beyond 5,000 rows an even selection of the sorted rows is drawn.

    Returns
    -------
    ndarray of matplotlib axes, shape (2, 2)
    """
    import matplotlib.pyplot as plt
    from scipy.special import ndtri

    if len(fitted) > _MOST_POINTS:
        keep = np.argsort(standard)[np.linspace(0, len(fitted) - 1, _MOST_POINTS).astype(int)]
        fitted, residual, standard, leverage = fitted[keep], residual[keep], standard[keep], leverage[keep]
    _, axes = plt.subplots(2, 2, figsize=(8.0, 6.4), layout="constrained")
    for ax in axes.flat:
        new_axes(ax)
    dots = {"marker": "o", "s": 14, "alpha": 0.6, "color": INK, "linewidths": 0}
    axes[0, 0].scatter(fitted, residual, **dots)
    axes[0, 0].axhline(0.0, color=ACCENT, linewidth=0.9)
    axes[0, 0].set(xlabel=plain(fitted_label), ylabel="residual")
    ordered = np.sort(standard[np.isfinite(standard)])
    theory = ndtri((np.arange(1, len(ordered) + 1) - 0.5) / len(ordered))
    axes[0, 1].scatter(theory, ordered, **dots)
    axes[0, 1].axline((0.0, 0.0), slope=1.0, color=ACCENT, linewidth=0.9)
    axes[0, 1].set(xlabel="normal quantile", ylabel="standardised residual")
    axes[1, 0].scatter(fitted, np.sqrt(np.abs(standard)), **dots)
    axes[1, 0].set(xlabel=plain(fitted_label), ylabel="root of |standardised residual|")
    axes[1, 1].scatter(leverage, standard, **dots)
    axes[1, 1].axhline(0.0, color=ACCENT, linewidth=0.9)
    axes[1, 1].set(xlabel="leverage", ylabel="standardised residual")
    return axes
