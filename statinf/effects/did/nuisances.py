"""Propensities of a cohort and regressions of outcomes, with what their estimation adds to influence values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.learners.cells import Standard, standardise
from statinf.learners.logit import full_fit
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.reduction import independent_columns
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import exponential_tilt

_OVERLAP = 0.999
"""A cell whose propensities come nearer to one is left out, as a logit that nearly separates says nothing."""
_SINGULAR = 1e-12
"""Smallest eigenvalue of a Gram matrix of standardised columns, beside its largest, that is taken for a number."""


@dataclass(frozen=True)
class Propensity:
    """The logit of a cohort against its controls.

    Attributes
    ----------
    score : ndarray, shape (n, k)
        Contribution of each unit to the coefficients' error, the inverse information included.
    odds : ndarray, shape (n,)
        Weights that make the controls look like the cohort; zero outside the controls.
    """

    score: np.ndarray
    odds: np.ndarray


def basis(x: np.ndarray, w: np.ndarray) -> Standard:
    """A constant and the covariates (n, p), centred and scaled under weights (n,), without those that others determine."""
    made = standardise(x, w)
    kept = np.ones(made.z.shape[1], bool)
    if x.shape[1]:
        kept = independent_columns(triangular_factor(made.z, w), made.z.shape[1])
    return Standard(made.z[:, kept], made.centre[kept[1:]], made.scale[kept[1:]])


def propensity(design: Standard, d: np.ndarray, w: np.ndarray, trim: float) -> Propensity:
    """Fit the logit of d (n,) on standardised columns; controls whose propensity is `trim` or more do not count.

    Raises
    ------
    NotIdentifiedError
        If the cohort and its controls do not overlap.
    """
    try:
        coef = full_fit(design, d, w, 0.0)
    except ConvergenceError:
        raise NotIdentifiedError("covariates tell the cohort from its controls without error") from None
    z = design.z
    chance = sigmoid(z @ coef)
    odds = _trimmed(np.where(d == 0, w * chance / (1.0 - chance), 0.0), chance, trim)
    information = np.dot(z.T, z * (w * chance * (1.0 - chance))[:, None])
    return Propensity((z * (w * (d - chance))[:, None]) @ inverse(information, "the propensity"), odds)


def tilting(design: Standard, d: np.ndarray, w: np.ndarray, trim: float) -> Propensity:
    """Odds that give the controls the cohort's means of all columns (Graham, Pinto and Egel 2012); as `propensity`."""
    z, treated, controls = design.z, w * d, np.flatnonzero(d == 0)
    share = w[controls] / w[controls].sum()
    if z.shape[1] > 1:
        centre = np.dot(treated, z[:, 1:]) / treated.sum()
        found = exponential_tilt(ScaledRows(z[controls, 1:], centre, np.ones(len(centre))), w[controls])
        if not found.converged:
            raise NotIdentifiedError("no weights give the controls the cohort's means of the covariates")
        share = found.p
    odds = np.zeros(len(d))
    odds[controls] = share * treated.sum()
    chance = np.where(d == 0, odds / (w + odds), 0.0)
    odds = _trimmed(odds, chance, trim)
    curvature = np.dot(z.T, z * odds[:, None])
    return Propensity((z * (treated - odds)[:, None]) @ inverse(curvature, "the propensity"), odds)


def _trimmed(odds: np.ndarray, chance: np.ndarray, trim: float) -> np.ndarray:
    """The controls' weights without those whose propensity is `trim` or more."""
    if chance.max() >= _OVERLAP:
        raise NotIdentifiedError(f"propensities come to {chance.max():.4g}, so that there are no controls alike")
    odds = np.where(chance < trim, odds, 0.0)
    if not odds.any():
        raise NotIdentifiedError(f"all controls have propensities above trim={trim:g}")
    return odds


@dataclass(frozen=True)
class ChangeRegression:
    """Least squares of outcomes on some units.

    Attributes
    ----------
    fitted : ndarray, shape (n, m)
        For all units.
    z : ndarray, shape (n, k)
    residual : ndarray, shape (n, m)
        Weighted; zero outside the units that were fitted to.
    inverse : ndarray, shape (k, k)
        Of the weighted Gram matrix.
    """

    fitted: np.ndarray
    z: np.ndarray
    residual: np.ndarray
    inverse: np.ndarray

    def influence(self, gradient: np.ndarray) -> np.ndarray:
        """Influence (n, m) of each unit on what has this gradient (k,) in the coefficients."""
        return self.residual * (self.z @ (self.inverse @ gradient))[:, None]


def regression(z: np.ndarray, y: np.ndarray, w: np.ndarray, what: str) -> ChangeRegression:
    """Regress y (n, m) on z (n, k) with weights (n,), which are zero for units left out.

    Raises
    ------
    NotIdentifiedError
        If these units do not determine the coefficients.
    """
    weighted = z * w[:, None]
    turned = inverse(np.dot(weighted.T, z), f"the outcome's regression among {what}")
    coef = turned @ np.dot(weighted.T, y)
    # Once more on the residuals: normal equations alone would lose twice the digits that columns nearly share.
    coef = coef + turned @ np.dot(weighted.T, y - z @ coef)
    fitted = z @ coef
    return ChangeRegression(fitted, z, (y - fitted) * w[:, None], turned)


def inverse(gram: np.ndarray, what: str) -> np.ndarray:
    """The inverse of a Gram matrix (k, k); a `NotIdentifiedError` that names `what` where it is singular."""
    values, vectors = np.linalg.eigh(gram)
    if not values[0] > _SINGULAR * values[-1]:
        raise NotIdentifiedError(f"{what} is not determined by its covariates")
    return (vectors / values) @ vectors.T
