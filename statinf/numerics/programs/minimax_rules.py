"""Minimax risk rules for an outcome in [-M, M] whose weighted moments lie in a box.

The law of the outcome given rows F (t, d), of masses q and weights a, is any for which |sum_j q_j a_j y_j F_j - tau| <= box.
The least worst-case risk is the minimum over mu of  sum_j q_j g(z_j) - tau'mu + box'|mu|,  z_j = a_j F_j'mu:

    log loss, y in {-1, 1}      g = log(2 cosh z)                     probability of 1: 1 / (1 + exp(-2 z))
    0-1 loss, y in {-1, 1}      g = max(|z|, 1/2)                     probability of 1: z + 1/2 within [0, 1]
    squared loss                g = M^2 + z^2 / 4, M |z| past 2 M     prediction: z / 2 within [-M, M]
    absolute loss               g = M max(1, |z|)                     prediction: M z within [-M, M]

(Segovia-Martin, Mazuelas and Liu 2023 for classes; the rules for numbers follow by the same duality: the worst outcome is
at an end of its range.) Losses with corners are linear programmes; the others are solved by proximal Newton steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError

LOSSES = ("log", "0-1", "squared", "absolute")
SLACK = 1e-6
"""By which the smallest box is widened, so that the set has an inside."""
_SWEEPS, _STEPS = 4000, 200


@dataclass(frozen=True, repr=False)
class MinimaxRule(Brief):
    """A rule of least worst-case risk.

    Attributes
    ----------
    mu : ndarray, shape (d,)
    risk : float
        Worst-case risk.
    """

    mu: np.ndarray
    risk: float


def smallest_box(features: np.ndarray, tau: np.ndarray, limit: float) -> np.ndarray:
    """The box of least total width, shape (d,), for which some outcomes in [-limit, limit] have moments within it.

    Parameters
    ----------
    features : ndarray, shape (t, d)
        Rows times their weights and masses.
    tau : ndarray, shape (d,)
    limit : float
    """
    from scipy.optimize import linprog

    t, d = features.shape
    size = float(np.abs(features).sum()) * limit / d or 1.0
    # Outcomes over their limit, and the moments' excess on either side, in units of the largest moments.
    left = np.hstack([features.T * (limit / size), np.eye(d), -np.eye(d)])
    cost = np.concatenate([np.zeros(t), np.ones(2 * d)])
    bounds = [(-1.0, 1.0)] * t + [(0.0, None)] * (2 * d)
    found = linprog(cost, A_eq=left, b_eq=tau / size, bounds=bounds, method="highs")
    if found.x is None:
        raise ConvergenceError(f"the box of the moments was not found: {found.message}")
    excess = (found.x[t : t + d] + found.x[t + d :]) * size
    return np.where(excess > 1e-9 * size, excess, 0.0) + SLACK


def solve_minimax(
    features: np.ndarray, q: np.ndarray, tau: np.ndarray, box: np.ndarray, loss: str, limit: float = 1.0
) -> MinimaxRule:
    """The rule of least worst-case risk.

    Parameters
    ----------
    features : ndarray, shape (t, d)
        Rows times their weights.
    q : ndarray, shape (t,)
        Masses, with sum one.
    tau, box : ndarray, shape (d,)
    loss : {"log", "0-1", "squared", "absolute"}
    limit : float
        M.
    """
    if loss in ("0-1", "absolute"):
        floor, slope = (0.5, 1.0) if loss == "0-1" else (limit, limit)
        return _linear(features, q, tau, box, floor, slope)
    return _proximal(features, q, tau, box, _log if loss == "log" else _squared(limit))


def _linear(
    features: np.ndarray, q: np.ndarray, tau: np.ndarray, box: np.ndarray, floor: float, slope: float
) -> MinimaxRule:
    from scipy.optimize import linprog

    t, d = features.shape
    steep = slope * features
    cost = np.concatenate([box - tau, box + tau, q])
    eye = -np.eye(t)
    above = np.vstack([np.hstack([steep, -steep, eye]), np.hstack([-steep, steep, eye])])
    bounds = [(0.0, None)] * (2 * d) + [(floor, None)] * t
    found = linprog(cost, A_ub=above, b_ub=np.zeros(2 * t), bounds=bounds, method="highs")
    if found.x is None:
        raise ConvergenceError(f"the minimax rule was not found: {found.message}")
    return MinimaxRule(found.x[:d] - found.x[d : 2 * d], float(found.fun))


RuleCurve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _log(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tanh = np.tanh(z)
    return np.abs(z) + np.log1p(np.exp(-2.0 * np.abs(z))), tanh, 1.0 - tanh**2


def _squared(limit: float) -> RuleCurve:
    def curve(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inside = np.abs(z) <= 2.0 * limit
        value = np.where(inside, limit**2 + 0.25 * z**2, limit * np.abs(z))
        return value, np.clip(0.5 * z, -limit, limit), 0.5 * inside

    return curve


def _proximal(features: np.ndarray, q: np.ndarray, tau: np.ndarray, box: np.ndarray, curve: RuleCurve) -> MinimaxRule:
    """Newton steps on the smooth part, the widths' absolute values kept, with backtracking."""
    d = features.shape[1]
    mu = np.zeros(d)

    def parts(mu: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, slope, bend = curve(features @ mu)
        gradient = features.T @ (q * slope) - tau
        return float(q @ value - tau @ mu + box @ np.abs(mu)), gradient, q * bend

    value, gradient, bend = parts(mu)
    size = float(np.abs(features).max(initial=0.0)) ** 2
    for _ in range(_STEPS):
        hessian = (features * bend[:, None]).T @ features
        hessian[np.diag_indices(d)] += 1e-12 * max(float(np.trace(hessian)) / d, 1e-6 * size, 1e-300)
        goal = _lasso_step(hessian, gradient, box, mu)
        move = goal - mu
        fall = float(-gradient @ move + box @ (np.abs(mu) - np.abs(goal)))
        if not fall > 1e-15 * max(abs(value), 1e-300):
            return MinimaxRule(mu, value)
        length = 1.0
        while True:
            fresh = parts(mu + length * move)
            if fresh[0] <= value - 1e-4 * length * fall:
                break
            length *= 0.5
            if length < 1e-9:
                if fall <= 1e-10 * abs(value):
                    return MinimaxRule(mu, value)
                raise ConvergenceError(
                    f"the minimax rule was not found: no step lowers the risk (decrement {fall:.1e})."
                )
        mu, (value, gradient, bend) = mu + length * move, fresh
    raise ConvergenceError(f"the minimax rule was not found in {_STEPS} Newton steps (decrement {fall:.1e}).")


def _lasso_step(hessian: np.ndarray, gradient: np.ndarray, box: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Minimise the quadratic model plus box'|.|: by the signs at hand where they hold, else by coordinates."""
    linear = gradient - hessian @ mu
    for sign in (np.sign(mu), np.sign(np.linalg.solve(hessian, -linear))):
        guess = _with_signs(hessian, linear, box, sign)
        if guess is not None:
            return guess
    b, diagonal = mu.copy(), np.diag(hessian)
    pull = hessian @ b + linear
    for _ in range(_SWEEPS):
        largest = 0.0
        for j in range(len(b)):
            z = b[j] * diagonal[j] - pull[j]
            new = np.sign(z) * max(abs(z) - box[j], 0.0) / diagonal[j]
            if new != b[j]:
                largest = max(largest, abs(new - b[j]) * np.sqrt(diagonal[j]))
                pull += hessian[:, j] * (new - b[j])
                b[j] = new
        if largest <= 1e-9 * (1.0 + float(np.sqrt(abs(b @ hessian @ b)))):
            break
    exact = _with_signs(hessian, linear, box, np.sign(b))
    return b if exact is None else exact


def _with_signs(hessian: np.ndarray, linear: np.ndarray, box: np.ndarray, sign: np.ndarray) -> np.ndarray | None:
    """The minimum with given signs; None if the conditions do not hold there."""
    on = sign != 0
    b = np.zeros(len(sign))
    if on.any():
        b[on] = np.linalg.solve(hessian[np.ix_(on, on)], -(linear + box * sign)[on])
    pull = hessian @ b + linear
    holds = (b[on] * sign[on] >= 0).all() and (np.abs(pull[~on]) <= box[~on] * (1.0 + 1e-9)).all()
    return b if holds else None
