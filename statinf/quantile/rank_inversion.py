"""Confidence intervals for quantile regression coefficients by inversion of rank tests.

Koenker (1994), Confidence intervals for regression quantiles; with unequal densities Koenker and Machado
(1999). For a trial value c of a coefficient the regression of y - c x_j on the other columns has dual a(c);
T(c) = x_j'(a(c) - (1 - tau)) over its standard deviation is a step function that falls in c. All its steps are
walked from the estimate outwards, vertex by vertex, until |T| passes the critical value; the limit lies
between the last two steps, by linear interpolation in T. Vertices at which T does not change are no steps: where
n tau is whole the walk passes through some, which depend on the path. For the same reason an estimate that is one of
several has its steps at both ends of their range.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.quantreg.bandwidth import bandwidth
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.quantile.covariance import difference_densities

_TIE_BREAK = 1e-11
_SAME = 1e-8
_PIVOT = 1e-10
_NO_STEP = 1e-8
_FLOOR = np.finfo(float).eps ** (2 / 3)


class _Steps(NamedTuple):
    """Where |T| changes on one side of the estimate, outwards, until it passes the critical value.

    at : (m,) values of the coefficient; level : (m,) |T| beyond each, not standardised.
    """

    at: list[float]
    level: list[float]


def rank_intervals(
    X: np.ndarray,
    y: np.ndarray,
    tau: float,
    critical: float,
    *,
    iid: bool = False,
    functionals: np.ndarray | None = None,
) -> np.ndarray:
    """Limits of each coefficient at one level.

    Parameters
    ----------
    X, y : (n, p), (n,)
    tau : float
    critical : float
        Quantile of the reference distribution that |T| must pass.
    iid : bool
        Whether the errors have one density; otherwise densities are estimated as for vcov="nid".
    functionals : (m, p), optional
        Linear functions of the coefficients to find limits of; the coefficients themselves by default.

    Returns
    -------
    ndarray, shape (m, 2)
        Infinite where T never passes the critical value.
    """
    spread = np.abs(y - np.median(y))
    y = y + _TIE_BREAK * (spread + spread.mean()) * np.random.default_rng(0).random(len(y))
    solved = solve_quantiles(X, y, np.array([tau]))
    start = solved.basis[0], np.clip(solved.dual[0] + (1 - tau), 0.0, 1.0)
    density = None
    if not iid:
        density = difference_densities(X, y, np.array([tau]), floor=_FLOOR, halve=_leaves(len(y), tau))[0]
    functionals = np.eye(X.shape[1]) if functionals is None else functionals
    limits = np.empty((len(functionals), 2))
    for g, ends in zip(functionals, limits, strict=True):
        bound = critical * np.sqrt(tau * (1 - tau) * _unexplained(X, g, density))
        down, up = (_walk(X, y, start, g, sign, bound) for sign in (-1.0, 1.0))
        ends[0] = _limit(down, up.at[0], bound, -np.inf)
        ends[1] = _limit(up, down.at[0], bound, np.inf)
    return limits


def _leaves(n: int, tau: float) -> bool:
    """Whether the window of the densities leaves (0, 1)."""
    h = bandwidth(n, tau)
    return tau - h <= 0 or tau + h >= 1


def _unexplained(X: np.ndarray, g: np.ndarray, density: np.ndarray | None) -> float:
    """Sum of squares of the column of coefficient g'b that the others leave, by a density-weighted regression."""
    whole = np.linalg.qr(g[:, None], mode="complete")[0]
    own, others = X @ (g / (g @ g)), X @ whole[:, 1:]
    root = np.ones(len(X)) if density is None else np.sqrt(density)
    coef = np.linalg.lstsq(others * root[:, None], own * root, rcond=None)[0]
    return float(((own - others @ coef) ** 2).sum())


def _walk(X: np.ndarray, y: np.ndarray, start: tuple, g: np.ndarray, sign: float, bound: float) -> _Steps:
    """The steps of T in g'b from a basis and its dual, upwards or downwards."""
    basis, dual = start[0].copy(), start[1].copy()
    coef = np.linalg.solve(X[basis], y[basis])
    residual = y - X @ coef
    residual[basis] = 0.0
    same = _SAME * np.abs(residual).mean() * np.linalg.norm(np.linalg.lstsq(X.T, g, rcond=None)[0]) * np.sqrt(len(y))
    steps, here, reached = _Steps([], []), float(g @ coef), 0.0
    for _ in range(10 * len(y) + 100):
        inverse = np.linalg.inv(X[basis])
        # The basic duals that keep the other columns' equations move along one line; T moves with it.
        line = sign * (g @ inverse)
        moves = np.abs(line) > _PIVOT * np.abs(line).max()
        room = np.full(len(line), np.inf)
        room[moves] = np.where(line > 0, dual, dual - 1.0)[moves] / line[moves]
        leave = int(np.argmin(room))
        reached += room[leave]
        dual = np.clip(dual - room[leave] * np.where(moves, line, 0.0), 0.0, 1.0)
        direction = inverse[:, leave] / line[leave]
        along = X @ direction
        along[np.abs(along) <= _PIVOT * np.abs(along).max()] = 0.0
        ahead = np.where(residual > 0, along > 0, (residual < 0) & (along < 0))
        ahead[basis] = False
        rows = np.flatnonzero(ahead)
        if not len(rows):
            _record(steps, here, reached, bound)
            return steps
        ratio = residual[rows] / along[rows]
        enter = rows[np.argmin(ratio)]
        dual[leave] = 1.0 if residual[enter] > 0 else 0.0
        basis[leave] = enter
        coef = np.linalg.solve(X[basis], y[basis])
        residual = residual - ratio.min() * along
        residual[basis] = 0.0
        there = float(g @ coef)
        if abs(there - here) > same:  # tied rows make one step of T
            if _record(steps, here, reached, bound):
                return steps
            here = there
    raise ConvergenceError(
        "the rank test was not inverted: too many tied residuals; use a bootstrap for these intervals."
    )


def _record(steps: _Steps, here: float, reached: float, bound: float) -> bool:
    """Note a step of T, if it is one; whether T has passed the bound."""
    if reached - (steps.level[-1] if steps.level else 0.0) > _NO_STEP * bound:
        steps.at.append(here)
        steps.level.append(reached)
    return reached > bound


def _limit(steps: _Steps, opposite: float, bound: float, otherwise: float) -> float:
    """Interpolated between the step at which T passes the bound and the one before, or the first on the other side."""
    if steps.level[-1] <= bound:
        return otherwise
    before, inner = (steps.at[-2], steps.level[-2]) if len(steps.at) > 1 else (opposite, 0.0)
    return before + (steps.at[-1] - before) * (bound - inner) / (steps.level[-1] - inner)
