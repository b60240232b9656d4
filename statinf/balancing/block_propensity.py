"""Propensity weights on blocks of rows: ipw and cbps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from statinf.balancing.block_rows import BlockRows
from statinf.balancing.propensity import (
    Triple,
    balance_all,
    balance_controls,
    balance_treated,
    logit_likelihood,
    probit_likelihood,
)
from statinf.balancing.propensity_weights import logit_weights, probability, tilt
from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.passes import PassDesign
from statinf.passes.newton import PassNewton, PassSums, minimise_passes

PropensityLoss = Callable[[np.ndarray, np.ndarray, np.ndarray], Triple]
LIKELIHOODS: dict[str, PropensityLoss] = {"logit": logit_likelihood, "probit": probit_likelihood}
BALANCES: dict[str, PropensityLoss] = {"ATE": balance_all, "ATT": balance_treated, "ATC": balance_controls}
LIMIT = 1e3


@dataclass(frozen=True)
class PropensityRule:
    """Weights of blocks by a fitted propensity.

    Attributes
    ----------
    rows : BlockRows
    beta : ndarray, shape (p + 1,)
        On the standardised columns.
    inverse : ndarray, shape (p + 1, p + 1)
        Of the summed curvature.
    estimand, link : str
    balanced : bool
        Whether the propensity balances the columns (cbps) instead of having the largest likelihood.
    share : float or None
        Of the treated, where weights are stabilised.
    mass : float
        Sum of sampling weights.
    """

    rows: BlockRows
    beta: np.ndarray
    inverse: np.ndarray
    estimand: str
    link: str
    balanced: bool
    share: float | None
    mass: float

    def predictor(self, block: Design) -> np.ndarray:
        """Of the propensity, shape (n,)."""
        return self.rows.columns(block) @ self.beta

    def values(self, block: Design) -> np.ndarray:
        return self._parts(block)[0]

    def _parts(self, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Weights, slopes, columns, predictor, arms, and weights before they are stabilised."""
        z, t, s = self.rows.columns(block), self.rows.arms.is_treated(block), block.weights
        eta = z @ self.beta
        if self.balanced:
            values, slope = logit_weights(eta, t, s, self.estimand)
            return values, slope, z, eta, t, values
        e, de = probability(eta, self.link)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            factor, dfactor = tilt(e, t, self.estimand)
            weight, slope = s * factor, s * dfactor * de
        if not np.isfinite(weight).all():
            raise DataError("A propensity of exactly 0 or 1 gives an infinite weight: restrict the sample, or use ATO.")
        arm = 1.0 if self.share is None else np.where(t, self.share, 1.0 - self.share)
        return weight * arm, slope * arm, z, eta, t, weight

    def expansion(self, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values, slope, z, eta, t, weight = self._parts(block)
        s = block.weights
        if self.balanced:
            score, curvature = (2.0 * t - 1.0) * values, np.abs(slope)
        else:
            _, gradient, curvature = LIKELIHOODS[self.link](eta, t.astype(np.float64), s)
            score = -gradient
        derivative = z * slope[:, None]
        influence = (z * score[:, None]) @ self.inverse
        leverage = quadratic_forms(z, self.inverse) * curvature
        if self.share is not None:
            derivative = np.column_stack([derivative, np.where(t, weight, -weight)])
            influence = np.column_stack([influence, s * (t - self.share) / self.mass])
        return derivative, influence, leverage


def fit_propensity(
    made: PassDesign, rows: BlockRows, function: PropensityLoss, mass: float, *, tol: float, max_iter: int
) -> PassNewton:
    """Minimise a row function over the coefficients of standardised columns and an intercept."""
    start = np.zeros((1, len(rows.kept) + 1))
    sums = partial(_sums, rows, function)
    return minimise_passes(made, sums, start, mass=mass, tol=tol, max_iter=max_iter, limit=LIMIT, label="propensity")


def _sums(rows: BlockRows, function: PropensityLoss, points: np.ndarray, block: Design) -> PassSums:
    z, t = rows.columns(block), rows.arms.is_treated(block).astype(np.float64)
    value, first, second = function(z @ points[0], t, block.weights)
    hessian = np.dot(z.T * second, z)
    return np.array([value.sum()]), (z.T @ first)[None], hessian[None]


def propensity_rule(
    found: PassNewton, rows: BlockRows, mass: float, *, estimand: str, link: str, balanced: bool, share: float | None
) -> PropensityRule:
    """The rule of a fitted propensity."""
    inverse = symmetric_inverse(found.hessian[0] * mass)
    return PropensityRule(rows, found.beta[0], inverse, estimand, link, balanced, share, mass)
