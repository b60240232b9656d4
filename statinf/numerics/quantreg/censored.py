"""Quantile regressions of right-censored outcomes, one level after another, for many weightings at once.

Both estimators solve, at each level of a grid, a quantile regression whose linear term carries what earlier levels have
found out about the censored rows. Levels that the rows cannot reach are NaN, as are all that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.numerics.quantreg.vertex import descend

_ON = 1e-9
"""Distance to the fit, of the outcome's range, within which a row counts as interpolated."""
_BYTES = 128 * 2**20
_PIVOTED_ROWS = 8000
"""Beyond these rows too many cross the fit between two levels to follow them by pivots."""


class _Level(NamedTuple):
    """Fits of one level: coefficients (R, p), NaN where there are none, and the rows they interpolate (R, p)."""

    coef: np.ndarray
    basis: np.ndarray


def martingale_path(X: np.ndarray, y: np.ndarray, event: np.ndarray, grid: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Peng and Huang (2008): counts of events below the fit are what their cumulated hazard says.

    At level t the fit b solves sum_i w_i x_i (event_i 1{y_i <= x_i'b} - A_i(t)) = 0, where
    A_i(t) = sum over earlier levels u of 1{y_i >= x_i'b(u)} (H(next u) - H(u)), H(u) = -log(1 - u).

    Parameters
    ----------
    X : (n, p)
    y : (n,)
        The smaller of outcome and censoring point.
    event : (n,)
        1 where the outcome was seen, 0 where it is known to exceed y.
    grid : (m,)
        Increasing levels in (0, 1).
    w : (R, n)
        Weights of at least 0, one row per replica.

    Returns
    -------
    ndarray, shape (R, m, p)
    """
    hazard = np.diff(-np.log1p(-np.concatenate([[0.0], grid])))
    near = _ON * np.ptp(y)
    seen = w * event
    half = 0.5 * seen @ X
    compensator = np.zeros_like(w)
    above = np.ones(w.shape, bool)

    def step(j: int, on: np.ndarray, last: _Level | None) -> _Level:
        if last is not None:
            above[on] = y >= last.coef @ X.T - near
        compensator[on] += w[on] * above[on] * hazard[j]
        # The weighted median of the events alone, its subgradient moved to where the compensator is met.
        return _solve(X, y, 0.5, seen[on], compensator[on] @ X - half[on], last)

    return _walk(step, len(grid), len(w), X.shape[1])


def redistributed_path(X: np.ndarray, y: np.ndarray, event: np.ndarray, grid: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Portnoy (2003): a censored row that the fit has passed at level s is at its censoring point with weight
    (t - s) / (1 - s) at level t, and above all else with the rest, as in the Kaplan-Meier estimator.

    Parameters and return as for `martingale_path`.
    """
    censored = event == 0
    passed = np.full(w.shape, np.nan)
    fitted = np.empty(w.shape)

    def step(j: int, on: np.ndarray, last: _Level | None) -> _Level:
        t, before = grid[j], 0.0 if j == 0 else grid[j - 1]
        share = _share(t, passed[on], censored)
        found = _solve(X, y, t, w[on] * share, (t * w[on] * (1.0 - share)) @ X, last)
        while j == 0:  # rows censored below all levels say nothing
            below = censored & (y <= found.coef @ X.T) & np.isnan(passed[on])
            if not below.any():
                break
            passed[on] = np.where(below, 0.0, passed[on])
            share = _share(t, passed[on], censored)
            found = _solve(X, y, t, w[on] * share, (t * w[on] * (1.0 - share)) @ X, found)
        now = found.coef @ X.T
        if j > 0:
            new = censored & np.isnan(passed[on]) & (y < now)
            with np.errstate(divide="ignore", invalid="ignore"):
                back = np.clip((now - y) / (now - fitted[on]), 0.0, 1.0)
            passed[on] = np.where(new, t - (t - before) * back, passed[on])
        fitted[on] = now
        return found

    return _walk(step, len(grid), len(w), X.shape[1])


def _share(t: float, passed: np.ndarray, censored: np.ndarray) -> np.ndarray:
    """Part of each row's weight that is where it was seen, shape (R, n)."""
    share = np.where(np.isnan(passed), 0.0, (t - passed) / (1.0 - passed))
    return np.where(censored, share, 1.0)


def _solve(X: np.ndarray, y: np.ndarray, tau: float, w: np.ndarray, pull: np.ndarray, last: _Level | None) -> _Level:
    """Quantile regressions with linear terms; from one level to the next a few pivots lead from the last vertex."""
    levels = np.full(len(w), tau)
    if last is None or len(y) > _PIVOTED_ROWS:
        start = None if last is None else last.coef
        first = solve_quantiles(X, y, levels, w, pull=pull, start=start, certified=False)
        return _Level(first.coef, first.basis)
    size = max(1, int(_BYTES // (8 * X.shape[0] * (X.shape[1] + 6))))
    coef, basis = np.empty_like(last.coef), np.empty_like(last.basis)
    for at in range(0, len(w), size):
        part = slice(at, at + size)
        k = len(levels[part])
        found = descend(
            np.broadcast_to(X, (k, *X.shape)),
            np.broadcast_to(y, (k, len(y))),
            w[part],
            pull[part],
            levels[part],
            last.basis[part],
        )
        coef[part] = np.where(found.optimal[:, None], found.coef, np.nan)
        basis[part] = found.basis
    return _Level(coef, basis)


def _walk(step: Callable[[int, np.ndarray, _Level | None], _Level], levels: int, replicas: int, p: int) -> np.ndarray:
    """Coefficients level by level, of the replicas that have reached each."""
    path = np.full((replicas, levels, p), np.nan)
    on = np.arange(replicas)
    last = None
    for j in range(levels):
        found = step(j, on, last)
        good = np.isfinite(found.coef).all(axis=1)
        path[on[good], j] = found.coef[good]
        on, last = on[good], _Level(found.coef[good], found.basis[good])
        if not len(on):
            break
    return path
