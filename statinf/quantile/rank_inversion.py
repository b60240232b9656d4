"""Confidence intervals for quantile regression coefficients by inversion of rank tests.

Koenker (1994), Confidence intervals for regression quantiles; with unequal densities Koenker and Machado
(1999). For a trial value c of a coefficient the regression of y - c x_j on the other columns has dual a(c);
T(c) = x_j'(a(c) - (1 - tau)) over its standard deviation is a step function that falls in c. All its steps are
walked from the estimate outwards, vertex by vertex, until |T| passes the critical value; the limit lies
between the last two steps, by linear interpolation in T.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.quantile.covariance import difference_densities

_TIE_BREAK = 1e-11
_SAME = 1e-8
_FLOOR = np.finfo(float).eps ** (2 / 3)


def rank_intervals(X: np.ndarray, y: np.ndarray, tau: float, critical: float, *, iid: bool = False) -> np.ndarray:
    """Limits of each coefficient at one level.

    Parameters
    ----------
    X, y : (n, p), (n,)
    tau : float
    critical : float
        Quantile of the reference distribution that |T| must pass.
    iid : bool
        Whether the errors have one density; otherwise densities are estimated as for vcov="nid".

    Returns
    -------
    ndarray, shape (p, 2)
        Infinite where T never passes the critical value.
    """
    p = X.shape[1]
    y = y + _TIE_BREAK * (np.abs(y) + np.abs(y).mean()) * np.random.default_rng(0).random(len(y))
    solved = solve_quantiles(X, y, np.array([tau]))
    density = None if iid else difference_densities(X, y, np.array([tau]), floor=_FLOOR, halve=False)[0]
    limits = np.empty((p, 2))
    for j in range(p):
        others = np.delete(X, j, axis=1)
        scale = np.sqrt(tau * (1 - tau) * _unexplained(X[:, j], others, density))
        for side, sign in enumerate((-1.0, 1.0)):
            limits[j, side] = _walk(X, y, tau, solved, j, sign, critical * scale)
    return limits


def _unexplained(x: np.ndarray, others: np.ndarray, density: np.ndarray | None) -> float:
    """Sum of squares of a column that the others leave, by a density-weighted regression."""
    root = np.ones(len(x)) if density is None else np.sqrt(density)
    coef = np.linalg.lstsq(others * root[:, None], x * root, rcond=None)[0]
    return float(((x - others @ coef) ** 2).sum())


def _walk(X, y, tau, solved, j: int, sign: float, critical: float) -> float:
    basis = solved.basis[0].copy()
    coef = solved.coef[0].copy()
    dual = np.clip(solved.dual[0] + (1 - tau), 0.0, 1.0)
    residual = y - X @ coef
    residual[basis] = 0.0
    same = _SAME * (np.abs(coef[j]) + np.abs(y).mean() / np.abs(X[:, j]).mean())
    inner, reached, here, before = 0.0, 0.0, coef[j], coef[j]
    for _ in range(10 * len(y) + 100):
        inverse = np.linalg.inv(X[basis])
        # The basic duals that keep the other columns' equations move along one line; T moves with it.
        line = sign * inverse[j]
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(line > 0, dual / line, np.where(line < 0, (dual - 1.0) / line, np.inf))
        leave = int(np.argmin(room))
        reached += room[leave]
        dual = np.clip(dual - room[leave] * line, 0.0, 1.0)
        direction = inverse[:, leave] * (sign / inverse[j, leave])
        along = X @ direction
        ahead = np.where(residual > 0, along > 0, (residual < 0) & (along < 0))
        ahead[basis] = False
        rows = np.flatnonzero(ahead)
        if not len(rows):
            return _between(before, here, inner, reached, critical) if reached > critical else sign * np.inf
        steps = residual[rows] / along[rows]
        enter = rows[np.argmin(steps)]
        dual[leave] = 1.0 if residual[enter] > 0 else 0.0
        basis[leave] = enter
        coef = np.linalg.solve(X[basis], y[basis])
        residual = residual - steps.min() * along
        residual[basis] = 0.0
        if np.abs(coef[j] - here) > same:  # tied rows make one step of T
            if reached > critical:
                return _between(before, here, inner, reached, critical)
            before, here, inner = here, coef[j], reached
    raise ConvergenceError(
        "the rank test was not inverted: too many tied residuals; use a bootstrap for these intervals."
    )


def _between(before: float, here: float, inner: float, outer: float, critical: float) -> float:
    return before + (here - before) * (critical - inner) / (outer - inner)
