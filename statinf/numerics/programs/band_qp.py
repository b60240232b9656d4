"""Ridge quadratic programmes with a low-rank matrix, bounds, and a band on one weighted sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from statinf.backend import progress_bar
from statinf.errors import ConvergenceError


@dataclass(frozen=True)
class BandSolution:
    """A minimiser.

    Attributes
    ----------
    values : ndarray, shape (n,)
    multiplier : float
        Of the band: 0 where the band is not active.
    objective : float
    iterations : int
    residual : float
        Largest violation of the fixed point ``u = projection((linear - L L'u) / ridge)``.
    """

    values: np.ndarray
    multiplier: float
    objective: float
    iterations: int
    residual: float


def solve_band_qp(
    factor: np.ndarray,
    linear: np.ndarray,
    ridge: float,
    upper: np.ndarray,
    coefficients: np.ndarray,
    band: tuple[float, float],
    *,
    start: np.ndarray | None = None,
    tolerance: float = 1e-11,
    max_iterations: int = 200,
) -> BandSolution:
    """Minimise ``u'(L L' + ridge I)u / 2 - linear'u`` over ``0 <= u <= upper`` and ``band[0] <= c'u <= band[1]``.

    Parameters
    ----------
    factor : ndarray, shape (n, r)
        L.
    linear, upper, coefficients : ndarray, shape (n,)
        Coefficients c are positive.
    ridge : float
        Positive.
    band : (float, float)
    start : ndarray, shape (n,), optional
        A guess of the solution.
    tolerance : float
        On the residual, relative to the largest entry of the solution.
    max_iterations : int

    Returns
    -------
    BandSolution

    Notes
    -----
    With v = L'u the dual is smooth and strongly convex in r variables: its gradient is ``v - L'u(v)`` where u(v) is the
    projection of ``(linear - L v) / ridge``, and its generalised Hessian needs the free entries of u alone. Newton steps
    with a line search are globally convergent and finish in a handful of n r^2 products, whatever the conditioning of
    the kernel matrix.
    """
    if start is None:
        v = factor.T @ project(linear / ridge, upper, coefficients, band)[0]
        v *= ridge / (ridge + float(np.einsum("ij,ij->", factor, factor)) / max(1, len(linear)))
    else:
        v = factor.T @ start
    state = _dual(factor, linear, ridge, upper, coefficients, band, v)
    steps = 0
    for _ in progress_bar(range(max_iterations), label="Newton steps, at most"):
        value, gradient, u, multiplier = state
        scale = max(1.0, float(np.abs(v).max(initial=0.0)))
        if np.abs(gradient).max(initial=0.0) <= tolerance * scale:
            break
        step = -_newton(factor, u, upper, coefficients, ridge, multiplier, gradient)
        slope = float(gradient @ step)
        size = 1.0
        for _ in range(40):
            fresh = _dual(factor, linear, ridge, upper, coefficients, band, v + size * step)
            # Near the solution the value is flat to rounding, and a smaller gradient decides.
            flat = (
                abs(fresh[0] - value) <= 1e-13 * (1.0 + abs(value)) and np.abs(fresh[1]).max() < np.abs(gradient).max()
            )
            if fresh[0] <= value + 1e-4 * size * slope or flat:
                break
            size /= 2.0
        else:
            break
        v, state, steps = v + size * step, fresh, steps + 1
    value, gradient, u, multiplier = state
    residual = float(np.abs(gradient).max(initial=0.0)) / max(1.0, float(np.abs(v).max(initial=0.0)))
    if residual > 1e-7:
        raise ConvergenceError(
            f"the quadratic programme of the kernel weights did not converge (residual {residual:.1e})."
        )
    inner = factor.T @ u
    objective = 0.5 * float(inner @ inner) + 0.5 * ridge * float(u @ u) - float(linear @ u)
    return BandSolution(u, multiplier, objective, steps, residual)


def project(
    z: np.ndarray, upper: np.ndarray, coefficients: np.ndarray, band: tuple[float, float]
) -> tuple[np.ndarray, float]:
    """The nearest point of the box within the band, and the shift t with ``point = clip(z - t c, 0, upper)``."""
    plain = np.clip(z, 0.0, upper)
    total = float(coefficients @ plain)
    if band[0] <= total <= band[1]:
        return plain, 0.0
    goal = band[1] if total > band[1] else band[0]
    # The sum falls in t, linearly between the points where an entry reaches or leaves a bound.
    low = float(np.min((z - upper) / coefficients))
    high = float(np.max(z / coefficients))
    t = 0.0
    for _ in range(200):
        t = 0.5 * (low + high)
        inside = np.clip(z - t * coefficients, 0.0, upper)
        gap = float(coefficients @ inside) - goal
        if gap > 0:
            low = t
        else:
            high = t
        if high - low <= 1e-9 * max(1.0, abs(t)):
            break
    # One exact step on the linear piece removes what the bisection leaves.
    moving = (z - t * coefficients > 0) & (z - t * coefficients < upper)
    curvature = float(coefficients[moving] @ coefficients[moving])
    if curvature > 0:
        inside = np.clip(z - t * coefficients, 0.0, upper)
        t += (float(coefficients @ inside) - goal) / curvature
    return np.clip(z - t * coefficients, 0.0, upper), t


def _dual(
    factor: np.ndarray,
    linear: np.ndarray,
    ridge: float,
    upper: np.ndarray,
    coefficients: np.ndarray,
    band: tuple[float, float],
    v: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray, float]:
    pull = linear - factor @ v
    u, shift = project(pull / ridge, upper, coefficients, band)
    value = 0.5 * float(v @ v) + float(pull @ u) - 0.5 * ridge * float(u @ u)
    return value, v - factor.T @ u, u, shift * ridge


def _newton(
    factor: np.ndarray,
    u: np.ndarray,
    upper: np.ndarray,
    coefficients: np.ndarray,
    ridge: float,
    multiplier: float,
    gradient: np.ndarray,
) -> np.ndarray:
    free = (u > 0) & (u < upper)
    rows = factor[free]
    hessian = rows.T @ rows / ridge
    if multiplier != 0.0 and free.any():
        c = coefficients[free]
        along = rows.T @ c
        hessian -= np.outer(along, along) / (ridge * float(c @ c))
    hessian[np.diag_indices_from(hessian)] += 1.0
    return cho_solve(cho_factor(hessian), gradient)
