"""Exponential tilts under bounded imbalance with a price on what exceeds the bound, by proximal Newton steps on the dual.

Over probabilities p minimise ``sum p log(p / q) + sum_j price_j (|sum p z_j| - tolerance_j)_+``. In the dual p is proportional to
``q exp(z l)`` and l minimises ``log sum q exp(z l) + sum tolerance_j |l_j|`` subject to ``|l_j| <= price_j``: the hinge's
conjugate is ``tolerance_j |l_j|`` within the price and infinite beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ACCEPTED = 1e-8
"""Residual that counts as solved where rounding stops the steps."""
_FAR, _FLAT = 1e6, 1e-20
"""Multipliers and curvatures at which weights run off to a few rows: there is no solution."""


@dataclass(frozen=True)
class HingedTilt:
    """Solution of the program.

    Attributes
    ----------
    p : ndarray, shape (m,)
        Sum one.
    multipliers : ndarray, shape (k,)
        Zero where a constraint is slack, at the price where the constraint is given up.
    residual : float
        Largest violation of the optimality conditions.
    iterations : int
    converged : bool
    """

    p: np.ndarray
    multipliers: np.ndarray
    residual: float
    iterations: int
    converged: bool


def hinged_tilt(
    z: np.ndarray,
    base: np.ndarray,
    tolerance: np.ndarray,
    price: np.ndarray,
    *,
    tol: float = 1e-10,
    max_iter: int = 200,
) -> HingedTilt:
    """Solve the program of this module.

    Parameters
    ----------
    z : ndarray, shape (m, k)
        Features less their target means.
    base : ndarray, shape (m,)
        Positive; q up to a factor.
    tolerance, price : ndarray, shape (k,)
        Prices may be infinite.
    tol : float
        Largest residual at which the search stops.
    max_iter : int
    """
    log_base = np.log(base)

    def evaluate(slope: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        eta = log_base + z @ slope
        top = float(eta.max())
        p = np.exp(eta - top)
        total = float(p.sum())
        return top + np.log(total) + float(tolerance @ np.abs(slope)), p / total, (p / total) @ z

    slope = np.zeros(z.shape[1])
    value, p, gradient = evaluate(slope)
    residual, count = _residual(slope, gradient, tolerance, price), 1
    while residual > tol and count < max_iter:
        hessian = (z * p[:, None]).T @ z - np.outer(gradient, gradient)
        if np.diag(hessian).max(initial=0.0) < _FLAT:
            break
        step = _quadratic(hessian, gradient - hessian @ slope, tolerance, price, slope) - slope
        decrease = float(gradient @ step + tolerance @ (np.abs(slope + step) - np.abs(slope)))
        length, accepted = 1.0, False
        while length > 1e-9 and count < max_iter:
            trial = slope + length * step
            new_value, new_p, new_gradient = evaluate(trial)
            count += 1
            new_residual = _residual(trial, new_gradient, tolerance, price)
            flat = abs(new_value - value) <= 1e-13 * max(1.0, abs(value)) and new_residual < residual
            if new_value <= value + 1e-4 * length * decrease or flat:
                accepted = True
                break
            length /= 2.0
        if not accepted:
            break
        slope, value, p, gradient, residual = trial, new_value, new_p, new_gradient, new_residual
        if np.abs(slope).max() > _FAR:
            break
    return HingedTilt(p, slope, residual, count, bool(residual <= max(tol, _ACCEPTED)))


def _residual(slope: np.ndarray, gradient: np.ndarray, tolerance: np.ndarray, price: np.ndarray) -> float:
    """Distance from optimality: of minus the gradient to the subdifferential of the penalty within the box."""
    at_zero = np.maximum(np.abs(gradient) - tolerance, 0.0)
    pull = gradient + tolerance * np.sign(slope)
    at_bound = np.maximum(pull * np.sign(slope), 0.0)
    elsewhere = np.where(np.abs(slope) >= price, at_bound, np.abs(pull))
    return float(np.max(np.where(slope == 0.0, at_zero, elsewhere), initial=0.0))


def _quadratic(
    hessian: np.ndarray, linear: np.ndarray, tolerance: np.ndarray, price: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Minimise ``l'H l / 2 + linear' l + sum tolerance |l|`` in the box, for a semidefinite H.

    Steps on the set of coordinates that are neither zero nor at the price; one coordinate at a time where these cycle.
    """
    diagonal = np.diag(hessian)
    d = np.sqrt(np.maximum(diagonal, 1e-12 * max(float(np.max(diagonal, initial=0.0)), 1e-300)))
    h = hessian / np.outer(d, d) + 1e-12 * np.eye(len(d))
    b, c, g = linear / d, tolerance / d, price * d
    x = start * d
    state = np.where(np.abs(x) >= g, 2, np.where((x != 0) | (c == 0), 1, 0)) * np.where(x < 0, -1, 1)
    for _ in range(20):
        free, bound = np.abs(state) == 1, np.abs(state) == 2
        x = np.zeros_like(x)
        x[bound] = g[bound] * np.sign(state[bound])
        right = -(b + c * np.sign(state))[free] - h[np.ix_(free, bound)] @ x[bound]
        x[free] = np.linalg.solve(h[np.ix_(free, free)], right)
        threshold = x - (h @ x + b)
        soft = np.abs(threshold) - c
        new = np.where(soft >= g, 2, np.where((soft > 0) | (c == 0), 1, 0)) * np.where(threshold < 0, -1, 1)
        same = (new == state) | ((c == 0) & (np.abs(new) == 1) & (np.abs(state) == 1)) | ((new == 0) & (state == 0))
        if same.all():
            return np.clip(x / d, -price, price)
        state = new
    return np.clip(_one_by_one(h, b, c, g, np.clip(start * d, -g, g)) / d, -price, price)


def _one_by_one(h: np.ndarray, b: np.ndarray, c: np.ndarray, g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The same minimum by a primal active set: exact along each face, one coordinate joining or leaving at a time."""
    x, tiny = x.copy(), 1e-13
    free = ((x != 0) & (np.abs(x) < g)) | (c == 0)
    for _ in range(20 * len(x) + 100):
        sign = np.sign(x)
        gradient = h @ x + b
        right = -(gradient + c * sign)[free]
        if np.abs(right).max(initial=0.0) > tiny * max(1.0, float(np.abs(b).max())):
            step = np.zeros_like(x)
            step[free] = np.linalg.solve(h[np.ix_(free, free)], right)
            length, leaves = _room(x, step, c, g)
            x = x + length * step
            if leaves >= 0:
                at_zero = abs(x[leaves]) < 0.5 * g[leaves]
                x[leaves] = 0.0 if at_zero else np.sign(x[leaves]) * g[leaves]
                free[leaves] = False
                continue
            gradient = h @ x + b
        zero, bound = (x == 0) & ~free, (x != 0) & ~free
        gain = np.where(zero, np.abs(gradient) - c, np.where(bound, (gradient + c * np.sign(x)) * np.sign(x), 0.0))
        worst = int(np.argmax(gain))
        if gain[worst] <= 1e-12 * max(1.0, float(np.abs(b).max())):
            break
        # A coordinate at zero moves a hair into the orthant that it joins, so that its sign is known.
        x[worst] = -np.sign(gradient[worst]) * 1e-300 if x[worst] == 0 else x[worst] * (1.0 - 1e-15)
        free[worst] = True
    return x


def _room(x: np.ndarray, step: np.ndarray, c: np.ndarray, g: np.ndarray) -> tuple[float, int]:
    """How far a step may go before a coordinate changes its sign or meets its bound, at most 1, and which; -1 for none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        to_zero = np.where((c > 0) & (x * step < 0), -x / step, np.inf)
        to_bound = np.where(step != 0, (np.sign(step) * g - x) / step, np.inf)
    room = np.minimum(to_zero, to_bound)
    first = int(np.argmin(room))
    return (float(room[first]), first) if room[first] < 1.0 else (1.0, -1)
