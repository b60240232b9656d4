"""Damped Newton for smooth convex functions of a few parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

ValueAndDerivatives = tuple[float, np.ndarray, np.ndarray]

_WITHIN_REACH = 1e4
"""Multiple of the tolerance that one more step with the Hessian at hand takes off at little cost."""


@dataclass(frozen=True)
class NewtonResult:
    """Where a Newton search ended.

    Attributes
    ----------
    beta : ndarray, shape (q,)
    value : float
    gradient : ndarray, shape (q,)
    hessian : ndarray, shape (q, q)
        Where it was last evaluated.
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
    evaluate: Callable[[np.ndarray], ValueAndDerivatives],
    start: np.ndarray,
    *,
    tol: float = 1e-10,
    max_iter: int = 100,
    limit: float = np.inf,
    first_order: Callable[[np.ndarray], tuple[float, np.ndarray]] | None = None,
) -> NewtonResult:
    """Newton's method with backtracking on the value.

    Parameters
    ----------
    evaluate : callable
        Value, gradient (q,) and Hessian (q, q) at a point; an infinite value counts as too far.
    start : ndarray, shape (q,)
        Zero in its place if the function is not finite there.
    tol : float
        Largest absolute gradient entry at convergence.
    max_iter : int
        Evaluations allowed.
    limit : float
        Give up, not converged, once a parameter exceeds this size: a minimum at infinity.
    first_order : callable, optional
        Value and gradient alone. Called in place of `evaluate` where the gradients so far foretell that the point is
        the last; should it not be, the next step is taken with the Hessian at hand.
    """
    beta = np.asarray(start, dtype=np.float64)
    value, gradient, hessian = evaluate(beta)
    count = 1
    if not np.isfinite(value) and beta.any():
        beta = np.zeros_like(beta)
        value, gradient, hessian = evaluate(beta)
        count = 2
    sizes = [_size(gradient)]
    while count < max_iter and sizes[-1] > tol:
        step = newton_step(hessian, gradient)
        slope = float(gradient @ step)
        length, accepted = 1.0, None
        while count < max_iter:
            point = beta + length * step
            if first_order is not None and length == 1.0 and _forecast(sizes) <= _WITHIN_REACH * tol:
                trial = (*first_order(point), hessian)
            else:
                trial = evaluate(point)
            count += 1
            decrease = trial[0] - value
            # Near the minimum the decrease drowns in rounding; there the gradient decides.
            rounding = 1e-13 * max(1.0, abs(value))
            smaller = _size(trial[1]) < sizes[-1]
            if np.isfinite(trial[0]) and (decrease <= 1e-4 * length * slope or (abs(decrease) <= rounding and smaller)):
                accepted = trial
                break
            if length < 1e-10 or (abs(slope) <= rounding and not smaller):
                break
            length /= 2.0
        if accepted is None:
            break
        beta = beta + length * step
        # A shortened step says nothing about the next one.
        sizes = [*sizes, _size(accepted[1])] if length == 1.0 else [_size(accepted[1])]
        value, gradient, hessian = accepted
        if np.max(np.abs(beta)) > limit:
            break
    return NewtonResult(beta, value, gradient, hessian, count, bool(sizes[-1] <= tol))


def _size(gradient: np.ndarray) -> float:
    return float(np.max(np.abs(gradient), initial=0.0))


def _forecast(sizes: list[float]) -> float:
    """The gradient after the next full step, where the last one converged quadratically: infinite elsewhere."""
    if len(sizes) < 2 or sizes[-1] > 0.1 * sizes[-2]:
        return np.inf
    return sizes[-1] * (sizes[-1] / sizes[-2]) ** 2


def newton_step(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """``-hessian^-1 gradient``, with a vanishing ridge if the Hessian is singular."""
    squares = np.diag(hessian)
    largest = float(np.max(squares, initial=0.0))
    if not largest > 1e-280:
        return -gradient
    # Rounding may leave nothing, or less, of a column that is constant where the weights are.
    diagonal = np.sqrt(np.maximum(squares, 1e-16 * largest))
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
