"""Damped Newton for smooth convex functions of a few parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

Evaluation = tuple[float, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class NewtonResult:
    """Where a Newton search ended.

    Attributes
    ----------
    beta : ndarray, shape (q,)
    value : float
    gradient : ndarray, shape (q,)
    hessian : ndarray, shape (q, q)
    iterations : int
        Evaluations of the function, line search included.
    converged : bool
        Whether ``max|gradient| <= tol``.
    """

    beta: np.ndarray
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    iterations: int
    converged: bool


def damped_newton(
    evaluate: Callable[[np.ndarray], Evaluation],
    start: np.ndarray,
    *,
    tol: float = 1e-10,
    max_iter: int = 100,
    limit: float = np.inf,
) -> NewtonResult:
    """Minimise a convex function by Newton steps halved until the Armijo condition holds.

    Parameters
    ----------
    evaluate : callable
        Maps parameters (q,) to value, gradient and Hessian. A non-finite value counts as too far.
    start : ndarray, shape (q,)
    tol : float
        Largest absolute gradient entry at convergence.
    max_iter : int
        Evaluations allowed.
    limit : float
        Give up, not converged, once a parameter exceeds this size: a minimum at infinity.
    """
    beta = np.asarray(start, dtype=np.float64)
    value, gradient, hessian = evaluate(beta)
    count = 1
    while count < max_iter:
        if np.max(np.abs(gradient), initial=0.0) <= tol:
            break
        step = newton_step(hessian, gradient)
        slope = float(gradient @ step)
        length, accepted = 1.0, None
        while count < max_iter:
            trial = evaluate(beta + length * step)
            count += 1
            decrease = trial[0] - value
            # Near the minimum the decrease drowns in rounding; there the gradient decides.
            rounding = 1e-13 * max(1.0, abs(value))
            smaller = np.max(np.abs(trial[1])) < np.max(np.abs(gradient))
            if np.isfinite(trial[0]) and (decrease <= 1e-4 * length * slope or (abs(decrease) <= rounding and smaller)):
                accepted = trial
                break
            if length < 1e-10 or (abs(slope) <= rounding and not smaller):
                break
            length /= 2.0
        if accepted is None:
            break
        beta = beta + length * step
        value, gradient, hessian = accepted
        if np.max(np.abs(beta)) > limit:
            break
    size = np.max(np.abs(gradient), initial=0.0)
    return NewtonResult(beta, value, gradient, hessian, count, bool(size <= tol))


def newton_step(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """``-hessian^-1 gradient``, with a vanishing ridge if the Hessian is singular."""
    diagonal = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    scaled = hessian / np.outer(diagonal, diagonal)
    ridge = 0.0
    while True:
        try:
            factor = cho_factor(scaled + ridge * np.eye(len(scaled)))
        except np.linalg.LinAlgError:
            ridge = 1e-10 if ridge == 0.0 else 100.0 * ridge
            if ridge > 1.0:
                return -gradient / diagonal**2
            continue
        return -cho_solve(factor, gradient / diagonal) / diagonal
