"""Roots of estimating equations by damped Newton steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Root:
    """Where a search for a root ended.

    Attributes
    ----------
    beta : ndarray, shape (q,)
    residual : float
        Largest absolute equation left.
    iterations : int
        Evaluations.
    converged : bool
    """

    beta: np.ndarray
    residual: float
    iterations: int
    converged: bool


def damped_root(
    evaluate: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    *,
    tol: float = 1e-10,
    max_iter: int = 100,
    limit: float = 1e3,
) -> Root:
    """Newton's method, each step halved until the equations' norm falls.

    Parameters
    ----------
    evaluate : callable
        Equations (q,) and their Jacobian (q, q) at a point; values that are not finite count as too far.
    tol : float
        Largest absolute equation at convergence.
    max_iter : int
        Evaluations allowed.
    limit : float
        Give up once a parameter exceeds this size.
    """
    beta = np.asarray(start, dtype=np.float64)
    value, jacobian = evaluate(beta)
    count, size = 1, float(np.linalg.norm(value))
    while count < max_iter and np.isfinite(size) and np.max(np.abs(value)) > tol:
        step = np.linalg.lstsq(jacobian, -value, rcond=1e-14)[0]
        length, accepted = 1.0, False
        while count < max_iter and length > 1e-8:
            point = beta + length * step
            trial = evaluate(point)
            count += 1
            norm = float(np.linalg.norm(trial[0]))
            if np.isfinite(norm) and norm <= (1.0 - 1e-4 * length) * size:
                beta, (value, jacobian), size, accepted = point, trial, norm, True
                break
            length /= 2.0
        if not accepted or np.max(np.abs(beta)) > limit:
            break
    residual = float(np.max(np.abs(value)))
    return Root(beta, residual, count, bool(residual <= tol))
