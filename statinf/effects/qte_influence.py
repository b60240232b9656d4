"""Weighted quantiles of the two arms, their densities, and how rows and propensities move them (Firpo 2007).

The tau-quantile of an arm under weights w solves sum w (tau - 1{y <= q}) = 0, so that a row moves it by
w (tau - 1{y <= q}) / (f sum w), f the density of the weighted outcome at q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.numerics.quantreg.bandwidth import bandwidth, inside


@dataclass(frozen=True, repr=False)
class ArmQuantiles(Brief):
    """Quantiles of one arm's outcome.

    Attributes
    ----------
    value : ndarray, shape (k,)
    density : ndarray, shape (k,)
        At the quantiles; 0 where one outcome fills the window in which it is estimated.
    atom : ndarray, shape (k,)
        Share of the weight at the quantile itself.
    window : ndarray, shape (k,)
        Half-width, in shares, of the window of the density.
    unit : ndarray, shape (k, n)
        (tau - 1{y <= q}) over the arm's weight, with the subgradient at rows on the quantile: its weighted sum is zero.
    """

    value: np.ndarray
    density: np.ndarray
    atom: np.ndarray
    window: np.ndarray
    unit: np.ndarray


def arm_quantiles(y: np.ndarray, w: np.ndarray, tau: np.ndarray, rule: str) -> ArmQuantiles:
    """Quantiles of y (n,) under weights w (n,), zero for rows of other arms.

    The density is 2 h over the distance of the quantiles at tau - h and tau + h (Hendricks and Koenker 1991), h the window of
    `rule` for as many rows as the weights are worth. A kernel density, as Firpo's, is too large in long tails: nominal 95%
    intervals at tau = 0.9 of lognormal outcomes covered 0.85 with it in 250 samples of 400 rows, 0.97 with this one.

    Parameters
    ----------
    y, w : ndarray, shape (n,)
    tau : ndarray, shape (k,)
    rule : {"hall-sheather", "bofinger"}
    """
    total = float(w.sum())
    effective = max(int(total**2 / float(w @ w)), 2)
    h = np.array([inside(t, bandwidth(effective, t, rule)) for t in tau])
    # Shares of equal weights that reach a level but for rounding have reached it.
    shares = np.stack([tau, tau - h, tau + h]).ravel() * (1.0 - 1e-12)
    q, low, high = weighted_quantile(y, shares, w).reshape(3, -1)
    flat = ~(high - low > 2e-10 * np.maximum(np.abs(low), np.abs(high)))
    density = np.where(flat, 0.0, 2.0 * h / np.where(flat, 1.0, high - low))
    on = y == q[:, None]
    below, held = (y < q[:, None]) @ w / total, on @ w / total
    # Rows on the quantile take the part of it that is left.
    part = np.where(held > 0, (tau - below) / np.where(held > 0, held, 1.0), 0.0)
    unit = (tau[:, None] - (y < q[:, None]) - on * part[:, None]) / total
    return ArmQuantiles(q, density, held, h, unit)


def check_density(found: ArmQuantiles, tau: np.ndarray, arm: str) -> None:
    """Refuse standard errors where an arm's outcome has no density at a quantile.

    Raises
    ------
    NotIdentifiedError
        With the level, the arm and the outcome that holds the mass.
    """
    none = np.flatnonzero(~(found.density > 0.0))
    if len(none):
        k = none[0]
        raise NotIdentifiedError(
            f"{100 * found.atom[k]:.0f}% of the {arm} have the outcome {found.value[k]:g}, their quantile at tau={tau[k]:g}: "
            "it has no density there, which standard errors need; leave this level out, or use bootstrap(kind='pairs')."
        )
