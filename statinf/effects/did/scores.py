"""Effects of one comparison of cohort and controls, and the influence of each unit on them.

Scores of Sant'Anna and Zhao (2020, arXiv 1812.01723): a mean over the cohort less one over controls weighted by their odds of
being in the cohort (inverse propensities), each less what controls' outcomes are predicted to be (regression), or both. Influence
values sum to the estimate's error; they account for the estimated propensities and regressions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.did.nuisances import Propensity, basis, propensity, regression, tilting
from statinf.learners.cells import Standard


@dataclass(frozen=True, kw_only=True)
class DidNuisances:
    """Which nuisances a method fits, and how.

    Attributes
    ----------
    by_propensity, by_regression : bool
    trim : float
        Propensity from which controls do not count.
    calibrated : bool
        Whether propensities balance the covariates and weight the controls' regressions; neither's estimation then moves
        the effect to first order, even where one of the two is wrong.
    """

    by_propensity: bool
    by_regression: bool
    trim: float = 1.0
    calibrated: bool = False

    def propensity(self, design: Standard, d: np.ndarray, w: np.ndarray) -> Propensity | None:
        """Propensities of the cohort; None for a method without them."""
        if not self.by_propensity:
            return None
        return (tilting if self.calibrated else propensity)(design, d, w, self.trim)

    def regression_weights(self, d: np.ndarray, w: np.ndarray, logit: Propensity | None) -> np.ndarray:
        """Weights (n,) of controls in their regressions, zero for the cohort."""
        return logit.odds if self.calibrated and logit is not None else w * (1.0 - d)


def panel_effects(
    x: np.ndarray, d: np.ndarray, w: np.ndarray, change: np.ndarray, how: DidNuisances
) -> tuple[np.ndarray, np.ndarray]:
    """Effects on several changes of the outcome of the same units, whose nuisances are fitted once.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    d, w : ndarray, shape (n,)
        Membership in the cohort, and weights.
    change : ndarray, shape (n, m)
        From each base period to each period.
    how : DidNuisances

    Returns
    -------
    (ndarray, ndarray), shapes (m,) and (n, m)
        Effects and influence values.
    """
    design = basis(x, w)
    z, treated = design.z, w * d
    logit = how.propensity(design, d, w)
    controls = how.regression_weights(d, w, logit)
    fitted = regression(z, change, controls, "controls") if how.by_regression else None
    rest = change if fitted is None else change - fitted.fitted
    effect, influence = _mean(treated, rest)
    target = treated @ z / treated.sum()
    if logit is not None:
        mean, part = _mean(logit.odds, rest)
        effect, influence = effect - mean, influence - part
        influence -= logit.score @ np.dot(z.T, part)
        target = target - logit.odds @ z / logit.odds.sum()
    if fitted is not None:
        influence -= fitted.influence(target)
    return effect, influence


def cross_section_effects(
    x: np.ndarray, d: np.ndarray, after: np.ndarray, w: np.ndarray, y: np.ndarray, how: DidNuisances
) -> tuple[float, np.ndarray]:
    """The effect from other units before and after; the doubly robust scores are the locally efficient ones.

    Calibrated nuisances add nothing to influence values: to first order neither moves the effect, as covariates are of one
    distribution in both samples.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    d, after, w, y : ndarray, shape (n,)
        Membership in the cohort, whether the row is of the later sample, weights and outcomes.
    how : DidNuisances

    Returns
    -------
    (float, ndarray of shape (n,))
    """
    design = basis(x, w)
    z, y = design.z, (y - w @ y / w.sum())[:, None]
    treated = w * d
    halves = (1.0 - after, after)
    total = _Sum(len(y))
    logit = how.propensity(design, d, w)
    weight = how.regression_weights(d, w, logit)
    controls = [regression(z, y, weight * s, "controls") for s in halves] if how.by_regression else []
    own = [regression(z, y, treated * s, "the cohort") for s in halves] if controls and logit is not None else []
    for half, sign in enumerate((-1.0, 1.0)):
        here = halves[half]
        rest = y - controls[half].fitted if controls and logit is not None else y
        total.add(sign, treated * here, rest)
        if logit is not None:
            odds = logit.odds * here
            part = total.add(-sign, odds, rest)
            if not how.calibrated:
                total.influence -= sign * (logit.score @ np.dot(z.T, part))[:, 0]
            if controls and not how.calibrated:
                total.influence += sign * controls[half].influence(odds @ z / odds.sum() - _centre(treated, z))[:, 0]
        elif controls:
            total.add(-sign, treated, controls[half].fitted)
            total.influence -= sign * controls[half].influence(_centre(treated, z))[:, 0]
        if own:
            # What the cohort's own regressions say of those seen in the other half.
            gap = own[half].fitted - controls[half].fitted
            total.add(sign, treated, gap)
            total.add(-sign, treated * here, gap)
            if not how.calibrated:
                moved = _centre(treated, z) - _centre(treated * here, z)
                total.influence += sign * own[half].influence(moved)[:, 0]
    return total.effect, total.influence


class _Sum:
    """A sum of signed weighted means with its influence values."""

    def __init__(self, n: int) -> None:
        self.effect, self.influence = 0.0, np.zeros(n)

    def add(self, sign: float, weight: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Add a mean of `value` (n, 1); returns each row's influence on the mean, shape (n, 1)."""
        mean, part = _mean(weight, value)
        self.effect += sign * float(mean[0])
        self.influence += sign * part[:, 0]
        return part


def _mean(weight: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means (m,) of values (n, m), and each row's influence (n, m)."""
    share = weight / weight.sum()
    mean = np.dot(share, value)
    return mean, (value - mean) * share[:, None]


def _centre(weight: np.ndarray, z: np.ndarray) -> np.ndarray:
    return weight @ z / weight.sum()
