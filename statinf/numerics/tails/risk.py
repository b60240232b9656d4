"""Value at risk and conditional value at risk of weighted losses, exactly, by one sort.

CVaR at level beta is the mean of the worst share 1 - beta of the losses, and the minimum over a of
a + E max(l - a, 0) / (1 - beta) (Rockafellar and Uryasev 2000); the smallest minimiser is the beta-quantile, the VaR. Limits of
the VaR are quantiles of the losses at levels around beta (Woodruff 1952): they need no density and follow the law's skewness.
"""

from __future__ import annotations

import numpy as np

_ROUNDING = 1e-12
"""Cumulated shares of weight that differ by less are the same share."""
_POINTS = 1001
"""Most points of a stretch of the quantile function."""
_ERRORS = 8.0
"""Standard errors of the level on either side that a stretch of many losses holds."""


def value_at_risk(losses: np.ndarray, weights: np.ndarray, level: float) -> float:
    """The smallest loss that a share `level` of the weight does not exceed.

    Parameters
    ----------
    losses, weights : ndarray, shape (n,)
        Weights sum to one; losses of weight zero are absent.
    level : float
        In [0, 1).
    """
    used = weights > 0
    losses, weights = losses[used], weights[used]
    order = np.argsort(losses, kind="stable")
    share = np.cumsum(weights[order])
    at = int(np.searchsorted(share, max(level, _ROUNDING) - _ROUNDING))
    return float(losses[order[min(at, len(order) - 1)]])


def tail_mean(losses: np.ndarray, weights: np.ndarray, level: float) -> tuple[float, float]:
    """VaR and CVaR; see `value_at_risk` for the arguments."""
    var = value_at_risk(losses, weights, level)
    if level == 0:
        return var, float(weights @ losses)
    return var, var + float(weights @ np.maximum(losses - var, 0.0)) / (1.0 - level)


def tail_shares(losses: np.ndarray, weights: np.ndarray, level: float, var: float) -> np.ndarray:
    """Share of each row in the worst rows, shape (n,), in [0, 1]: rows at the VaR split what is left of 1 - level."""
    above, at = losses > var, losses == var
    left = (1.0 - level) - float(weights[above].sum())
    held = float(weights[at].sum())
    return above + at * (float(np.clip(left / held, 0.0, 1.0)) if held > 0 else 0.0)


def cvar_influence(losses: np.ndarray, level: float, var: float, cvar: float) -> np.ndarray:
    """Influence function of the CVaR at each row, shape (n,); its weighted mean is zero."""
    if level == 0:
        return losses - cvar
    return var + np.maximum(losses - var, 0.0) / (1.0 - level) - cvar


def var_influence(losses: np.ndarray, weights: np.ndarray, level: float, var: float, density: float) -> np.ndarray:
    """Influence function of the VaR at each row, shape (n,), for a density of the losses there."""
    return (tail_shares(losses, weights, level, var) - (1.0 - level)) / density


def level_error(losses: np.ndarray, weights: np.ndarray, level: float, var: float) -> float:
    """Standard error of the share of losses up to the VaR, for independent rows of known weights."""
    return float(np.sqrt(np.sum((weights * (tail_shares(losses, weights, level, var) - (1.0 - level))) ** 2)))


def quantile_stretch(losses: np.ndarray, weights: np.ndarray, level: float, error: float) -> np.ndarray:
    """The quantile function around a level, shape (2, k): shares, and the losses there.

    Parameters
    ----------
    losses, weights : ndarray, shape (n,)
        Weights sum to one.
    level, error : float
        The level, and its standard error. All losses are held where they are few, else those within eight errors, thinned.
    """
    used = weights > 0
    losses, weights = losses[used], weights[used]
    order = np.argsort(losses, kind="stable")
    middle = np.cumsum(weights[order]) - 0.5 * weights[order]
    if len(order) > _POINTS:
        first, last = np.searchsorted(middle, [level - _ERRORS * error, level + _ERRORS * error])
        first, last = max(int(first) - 1, 0), min(int(last), len(order) - 1)
        kept = np.unique(np.linspace(first, last, min(_POINTS, last - first + 1)).round().astype(int))
        order, middle = order[kept], middle[kept]
    return np.stack([middle, losses[order]])


def quantile_limits(stretch: np.ndarray, level: float, half: float) -> tuple[float, float]:
    """Quantiles at `level - half` and `level + half`, between the losses of a stretch; infinite at levels beyond 0 and 1."""
    if not np.isfinite(half):
        return np.nan, np.nan
    low, high = np.interp([level - half, level + half], *stretch)
    return (-np.inf if level - half <= 0.0 else float(low)), (np.inf if level + half >= 1.0 else float(high))
