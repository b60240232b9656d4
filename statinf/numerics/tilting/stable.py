"""Weights of least variance under approximate balance, by a semismooth Newton method on the dual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.rowwise.sums import ScaledRows

_ACCEPTED = 1e-8
"""Residual that counts as solved where rounding stops the steps: multipliers are huge close to infeasibility."""


@dataclass(frozen=True)
class StableWeights:
    """Solution of the stable weights program.

    Attributes
    ----------
    w : ndarray, shape (n,)
        Weights relative to the base, weighted mean one.
    nu : float
        Multiplier of the normalisation.
    multipliers : ndarray, shape (k,)
        Multipliers of the balance constraints, in units of the standardised rows; zero where a constraint is slack.
    residual : float
        Largest violation of the optimality conditions, relative to the base mass.
    iterations : int
    converged : bool
    """

    w: np.ndarray
    nu: float
    multipliers: np.ndarray
    residual: float
    iterations: int
    converged: bool


def stable_weights(
    rows: ScaledRows,
    base: np.ndarray,
    tolerance: np.ndarray,
    *,
    floor: float = 0.0,
    tol: float = 1e-10,
    max_iter: int = 200,
) -> StableWeights:
    """Minimise ``sum base (w - 1)^2`` with ``sum base w = sum base``, ``w >= floor`` and bounded imbalance.

    The imbalance of column j is ``|sum base w z_j| / sum base <= tolerance_j``. In the dual the weights are
    ``max(floor, 1 + nu + z' l)`` and the objective is piecewise quadratic in (nu, l) plus ``sum tolerance |l|``: each
    step solves the quadratic piece with its absolute values exactly and searches along the line.

    Parameters
    ----------
    rows : ScaledRows
        Centred at the target mean, with intercept.
    base : ndarray, shape (n,)
    tolerance : ndarray, shape (k,)
        In units of ``rows.scale``; zero asks for exact balance.
    floor : float or -inf
        Least weight; minus infinity allows negative weights.
    tol : float
    max_iter : int
    """
    mass = base.sum()
    penalty = np.r_[0.0, tolerance]

    def function(eta: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        b, raw = base[at], 1.0 + eta
        free = raw > floor
        if np.isfinite(floor):
            value = np.where(free, 0.5 * raw * raw, floor * raw - 0.5 * floor * floor)
            return b * value, b * np.where(free, raw, floor), b * free
        return b * 0.5 * raw * raw, b * raw, b

    def evaluate(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = rows.sums(beta, function)
        gradient[0] -= mass
        smooth = value / mass - beta[0]
        return float(smooth + penalty @ np.abs(beta)), gradient / mass, hessian / mass

    beta = np.zeros(rows.q)
    value, gradient, hessian = evaluate(beta)
    count, residual = 1, optimality(beta, gradient, penalty)
    while count < max_iter and residual > tol:
        target = quadratic_l1(hessian, gradient - hessian @ beta, penalty, beta)
        step = target - beta
        slope = float(gradient @ step + penalty @ (np.abs(target) - np.abs(beta)))
        length, accepted = 1.0, False
        while count < max_iter and length > 1e-9:
            trial = beta + length * step
            new_value, new_gradient, new_hessian = evaluate(trial)
            count += 1
            new_residual = optimality(trial, new_gradient, penalty)
            flat = abs(new_value - value) <= 1e-13 * max(1.0, abs(value)) and new_residual < residual
            if new_value <= value + 1e-4 * length * slope or flat:
                accepted = True
                break
            length /= 2.0
        if not accepted:
            break
        beta, value, gradient, hessian, residual = trial, new_value, new_gradient, new_hessian, new_residual
        if np.max(np.abs(beta)) > 1e5:
            break
    w = np.maximum(1.0 + rows.predictor(beta), floor)
    return StableWeights(w, float(beta[0]), beta[1:], residual, count, bool(residual <= max(tol, _ACCEPTED)))


def optimality(beta: np.ndarray, gradient: np.ndarray, penalty: np.ndarray) -> float:
    """Largest distance of minus the gradient from the subdifferential of ``sum penalty |beta|``."""
    at_zero = np.maximum(np.abs(gradient) - penalty, 0.0)
    elsewhere = np.abs(gradient + penalty * np.sign(beta))
    return float(np.max(np.where(beta == 0.0, at_zero, elsewhere), initial=0.0))


def quadratic_l1(hessian: np.ndarray, linear: np.ndarray, penalty: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Minimise ``beta' H beta / 2 + linear' beta + sum penalty |beta|`` for a small semidefinite H.

    Active-set steps on the signs; coordinate descent where they cycle.
    """
    d = np.sqrt(np.maximum(np.diag(hessian), 1e-12 * max(np.max(np.diag(hessian)), 1e-300)))
    h = hessian / np.outer(d, d) + 1e-12 * np.eye(len(d))
    b, c = linear / d, penalty / d
    x = start * d
    sign, active = np.sign(x), (x != 0) | (c == 0)
    for _ in range(50):
        x = np.zeros_like(x)
        x[active] = np.linalg.solve(h[np.ix_(active, active)], -(b + c * sign)[active])
        gradient = h @ x + b
        # The fixed point of the soft threshold decides both which coefficients stay and their signs.
        threshold = x - gradient
        new_active = (np.abs(threshold) > c) | (c == 0)
        new_sign = np.sign(threshold) * (c > 0)
        if np.array_equal(new_active, active) and np.array_equal(new_sign[active], sign[active] * (c[active] > 0)):
            return x / d
        sign, active = new_sign, new_active
    return _coordinate_descent(h, b, c, start * d) / d


def _coordinate_descent(h: np.ndarray, b: np.ndarray, c: np.ndarray, x: np.ndarray) -> np.ndarray:
    x = x.copy()
    gradient = h @ x + b
    for _ in range(300):
        moved = 0.0
        for j in range(len(x)):
            curve = h[j, j]
            u = x[j] - gradient[j] / curve
            new = np.sign(u) * max(abs(u) - c[j] / curve, 0.0)
            if new != x[j]:
                moved = max(moved, abs(new - x[j]))
                gradient += h[j] * (new - x[j])
                x[j] = new
        if moved <= 1e-14 * max(1.0, float(np.max(np.abs(x)))):
            break
    return x
