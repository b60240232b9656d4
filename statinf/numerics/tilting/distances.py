"""Calibration of row weights to known means, by the distance between calibrated and starting weights.

Deville and Särndal (1992, Journal of the American Statistical Association 87): the weights ``d_i g_i`` closest to d with
``sum d g z = sum d target``, for rows z that hold a one, are ``g_i = F(z_i'l)`` with the derivative F of the distance's
conjugate G. The dual ``sum d G(z_i'l) - l' sum d target`` is convex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.numerics.rowwise.newton import NewtonResult, damped_newton
from statinf.numerics.rowwise.sums import ScaledRows

DISTANCES = ("raking", "linear", "logit")
DIVERGED = 1e4
"""A predictor of this size means that the minimum lies at infinity: no weights meet the means."""

Three = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Distance:
    """Ratios ``g = F(u)`` between `low` and `high`, with ``F(0) = F'(0) = 1`` where no bound is met.

    Attributes
    ----------
    name : {"raking", "linear", "logit"}
        ``exp(u)``, ``1 + u``, both cut at the bounds, or a logistic curve between them.
    low, high : float
        ``low < 1 < high``; both finite for "logit".
    """

    name: str
    low: float = -np.inf
    high: float = np.inf

    @property
    def bounded(self) -> bool:
        """Whether a bound can be met that the distance does not keep by itself."""
        least = 0.0 if self.name == "raking" else -np.inf
        return self.low > least or self.high < np.inf

    def ratio(self, u: np.ndarray) -> np.ndarray:
        """F at predictors u, any shape."""
        return _CURVES[self.name](u, self.low, self.high)[1]

    def all(self, u: np.ndarray) -> Three:
        """G, F and F' at predictors u (n,)."""
        return _CURVES[self.name](u, self.low, self.high)


def _linear(u: np.ndarray, low: float, high: float) -> Three:
    g = np.clip(1.0 + u, low, high)
    # Beyond a bound G goes on along its tangent: g (1 + u) - g^2 / 2 is both pieces, up to the constant 1/2.
    return g * (1.0 + u) - 0.5 * g * g, g, ((1.0 + u > low) & (1.0 + u < high)).astype(np.float64)


def _raking(u: np.ndarray, low: float, high: float) -> Three:
    with np.errstate(over="ignore"):
        raw = np.exp(u)
    if low <= 0.0 and high == np.inf:
        return raw, raw, raw
    g = np.clip(raw, max(low, 0.0), high)
    inside = (raw > low) & (raw < high)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.where(inside, raw, g * (1.0 + u - np.log(g)))
    return value, g, np.where(inside, raw, 0.0)


def _logit(u: np.ndarray, low: float, high: float) -> Three:
    speed = (high - low) / ((1.0 - low) * (high - 1.0))
    from scipy.special import expit

    offset = np.log((1.0 - low) / (high - 1.0))
    share = expit(speed * u + offset)
    value = low * u + (high - low) / speed * np.logaddexp(0.0, speed * u + offset)
    return value, low + (high - low) * share, (high - low) * speed * share * (1.0 - share)


_CURVES: dict[str, Callable[[np.ndarray, float, float], Three]] = {
    "linear": _linear,
    "raking": _raking,
    "logit": _logit,
}


@dataclass(frozen=True)
class DistanceSolution:
    """Ratios that meet the means.

    Attributes
    ----------
    slope : ndarray, shape (k + 1,)
        The constant, then the columns, in units of the standardised rows.
    predictor : ndarray, shape (n,)
    residual : float
        Largest absolute remaining gap, in units of the scale.
    iterations : int
    converged : bool
    """

    slope: np.ndarray
    predictor: np.ndarray
    residual: float
    iterations: int
    converged: bool


def calibrate(
    rows: ScaledRows, base: np.ndarray, distance: Distance, *, tol: float = 1e-12, max_iter: int = 200
) -> DistanceSolution:
    """Meet the means that the rows are centred at.

    Parameters
    ----------
    rows : ScaledRows
        Centred at the means to be met, with intercept.
    base : ndarray, shape (n,)
        Starting weights d, positive.
    distance : Distance
    tol : float
        Largest gap at convergence, in units of ``rows.scale``.
    max_iter : int
    """
    mass = float(base.sum())

    def function(eta: np.ndarray, at: slice) -> Three:
        value, first, second = distance.all(eta)
        d = base[at]
        if first is value:
            value = d * value
            return value, value, value
        return d * value, d * first, d * second

    def evaluate(slope: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient, hessian = rows.sums(slope, function)
        gradient[0] -= mass
        return value / mass - float(slope[0]), gradient / mass, hessian / mass

    def first_order(slope: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = rows.first_sums(slope, function)
        gradient[0] -= mass
        return value / mass - float(slope[0]), gradient / mass

    found: NewtonResult = damped_newton(
        evaluate, np.zeros(rows.q), tol=tol, max_iter=max_iter, limit=DIVERGED, first_order=first_order
    )
    gap = float(np.max(np.abs(found.gradient), initial=0.0))
    solved = bool(np.isfinite(gap)) and (found.converged or gap <= 1e3 * tol)  # where rounding ends the search
    return DistanceSolution(found.beta, rows.predictor(found.beta), gap, found.iterations, solved)
