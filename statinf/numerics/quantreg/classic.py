"""One quantile regression by the simplex of Barrodale and Roberts, from no basis at all.

Barrodale and Roberts (1973), An improved algorithm for discrete l1 linear approximation, SIAM Journal on
Numerical Analysis 10; for any level Koenker and d'Orey (1987). Where the optimum is not unique it ends at the
same vertex as their program, so that numbers derived from it agree with software built on it.
"""

from __future__ import annotations

import numpy as np

from statinf.numerics.quantreg.solver import fit_quantiles

_MOST_STEPS = 1000
_FLAT = 1e-12
_OPTIMAL = 1e-9


def barrodale_roberts(X: np.ndarray, y: np.ndarray, tau: float) -> np.ndarray:
    """Coefficients, shape (p,).

    Parameters
    ----------
    X : (n, p)
        Full column rank.
    y : (n,)
    tau : float
    """
    coef, rows = _first_basis(X, y, tau)
    for _ in range(_MOST_STEPS):
        inverse = np.linalg.inv(X[rows])
        coef = inverse @ y[rows]
        residual, psi = _signs(X, y, coef, rows, tau)
        edge = (psi @ X) @ inverse
        up, down = edge + tau, 1.0 - tau - edge
        slope = np.minimum(up, down)
        leave = int(np.argmin(slope))
        if slope[leave] >= -_OPTIMAL:
            return coef
        sign = -1.0 if up[leave] <= down[leave] else 1.0
        rows[leave] = _stop(X @ (sign * inverse[:, leave]), residual, slope[leave], rows)[0]
    return fit_quantiles(X, y, tau)[0]  # tied responses made it cycle


def _first_basis(X: np.ndarray, y: np.ndarray, tau: float) -> tuple[np.ndarray, list[int]]:
    """Bring in one column after the other, the steepest first, keeping the rows already fitted."""
    p = X.shape[1]
    coef, rows, used = np.zeros(p), [], []
    free = list(range(p))
    while free:
        residual, psi = _signs(X, y, coef, rows, tau)
        best = (np.inf, 0, np.zeros(p))
        for j in free:
            direction = np.zeros(p)
            direction[j] = 1.0
            if rows:
                direction[used] = -np.linalg.solve(X[np.ix_(rows, used)], X[rows, j])
            climb = float(psi @ (X @ direction))
            if -abs(climb) < best[0] - _FLAT:
                best = (-abs(climb), j, direction if climb >= 0 else -direction)
        slope, j, direction = best
        row, step = _stop(X @ direction, residual, slope, rows)
        coef = coef + step * direction
        rows.append(row)
        used.append(j)
        free.remove(j)
    return coef, rows


def _signs(X, y, coef, rows, tau):
    residual = y - X @ coef
    residual[rows] = 0.0
    psi = tau - (residual < 0)
    psi[rows] = 0.0
    return residual, psi


def _stop(along: np.ndarray, residual: np.ndarray, slope: float, rows: list[int]) -> tuple[int, float]:
    """The row at which the objective stops falling, and the step to it."""
    crosses = np.where(residual >= 0, along > _FLAT, along < -_FLAT)
    crosses[rows] = False
    ahead = np.flatnonzero(crosses)
    at = residual[ahead] / along[ahead]
    order = np.argsort(at, kind="stable")
    climbed = slope + np.cumsum(np.abs(along[ahead[order]]))
    stop = order[min(int(np.searchsorted(climbed, -_FLAT)), len(order) - 1)]
    return int(ahead[stop]), float(at[stop])
