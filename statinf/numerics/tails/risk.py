"""Value at risk and conditional value at risk of weighted losses, exactly, by one sort.

CVaR at level beta is the mean of the worst share 1 - beta of the losses, and the minimum over a of
a + E max(l - a, 0) / (1 - beta) (Rockafellar and Uryasev 2000); the smallest minimiser is the beta-quantile, the VaR.
"""

from __future__ import annotations

import numpy as np

_ROUNDING = 1e-12
"""Cumulated shares of weight that differ by less are the same share."""


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
