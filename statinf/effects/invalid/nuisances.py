"""Parametric nuisances: the instrument given covariates, treatment and outcome given instrument and covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.invalid.rows import InvalidRows
from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.learners.logit import Logit
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.linear.symmetric import symmetric_inverse


@dataclass(frozen=True)
class NuisanceResiduals:
    """What nuisances leave.

    Attributes
    ----------
    z : ndarray, shape (n, m)
        Instruments less their mean given covariates.
    r, u : ndarray, shape (n,)
        Treatment and outcome less their means given instruments and covariates.
    """

    z: np.ndarray
    r: np.ndarray
    u: np.ndarray


def logit_coefficients(x: np.ndarray, y: np.ndarray, w: np.ndarray, what: str) -> np.ndarray:
    """Coefficients of a logit on columns x (n, p + 1), a constant first.

    Raises
    ------
    NotIdentifiedError
        If the columns separate the values.
    """
    used = w > 0
    try:
        found = Logit().fit(x[used, 1:], y[used], w[used])
    except ConvergenceError:
        raise NotIdentifiedError(
            f"covariates separate the values of {what}: its probability is zero or one somewhere. Leave the separating "
            "covariates out, or restrict the sample to where both values occur."
        ) from None
    return np.append(found.intercept, found.coefficients)


def linear_fit(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Fitted values (n,) by least squares of y on x (n, p) under weights."""
    inverse = symmetric_inverse((x * w[:, None]).T @ x)
    return x @ (inverse @ (x.T @ (w * y)))


def treatment_by_arm(rows: InvalidRows) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Coefficients of the treatment's logit at the lower and the upper value of the instrument; None where it is constant."""
    found = []
    for arm in (False, True):
        mask = rows.w * (rows.on == arm)
        inside = rows.a[mask > 0]
        still = np.ptp(inside) == 0.0
        found.append(None if still else logit_coefficients(rows.x, rows.a, mask, f"the treatment '{rows.treatment}'"))
    return found[0], found[1]


def probability(rows: InvalidRows, coef: np.ndarray | None, arm: bool) -> np.ndarray:
    """Probability of treatment at a value of the instrument, shape (n,)."""
    if coef is None:
        return np.full(len(rows.a), rows.a[(rows.w > 0) & (rows.on == arm)][0])
    return sigmoid(rows.x @ coef)


def residuals(rows: InvalidRows) -> NuisanceResiduals:
    """A logit of an instrument with two values, least squares of the rest; treatment and outcome by value of such an instrument."""
    x, w = rows.x, rows.w
    z = np.empty_like(rows.z)
    for j, name in enumerate(rows.names):
        column = rows.z[:, j]
        if np.isin(column[w > 0], (0.0, 1.0)).all():
            z[:, j] = column - sigmoid(x @ logit_coefficients(x, column, w, f"the instrument '{name}'"))
        else:
            z[:, j] = column - linear_fit(x, column, w)
    if not rows.two_valued:
        both = np.column_stack([x, rows.z])
        return NuisanceResiduals(z, rows.a - linear_fit(both, rows.a, w), rows.y - linear_fit(both, rows.y, w))
    low, high = w * ~rows.on, w * rows.on
    r, u = (v - np.where(rows.on, linear_fit(x, v, high), linear_fit(x, v, low)) for v in (rows.a, rows.y))
    return NuisanceResiduals(z, r, u)
