"""Quantile regressions of right-censored outcomes, one level after another, for many weightings at once.

Both estimators solve, at each level of a grid, a quantile regression whose linear term carries what earlier levels have
found out about the censored rows. Levels that the rows cannot reach are NaN, as are all that follow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.numerics.quantreg.solver import solve_quantiles

_ON = 1e-9
"""Distance to the fit, of the outcome's range, within which a row counts as interpolated."""


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

    def step(j: int, on: np.ndarray, last: np.ndarray | None) -> np.ndarray:
        if last is not None:
            above[on] = y >= last @ X.T - near
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

    def step(j: int, on: np.ndarray, last: np.ndarray | None) -> np.ndarray:
        t, before = grid[j], 0.0 if j == 0 else grid[j - 1]
        share = _share(t, passed[on], censored)
        found = _solve(X, y, t, w[on] * share, (t * w[on] * (1.0 - share)) @ X, last)
        while j == 0:  # rows censored below all levels say nothing
            below = censored & (y <= found @ X.T) & np.isnan(passed[on])
            if not below.any():
                break
            passed[on] = np.where(below, 0.0, passed[on])
            share = _share(t, passed[on], censored)
            found = _solve(X, y, t, w[on] * share, (t * w[on] * (1.0 - share)) @ X, found)
        now = found @ X.T
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


def _solve(X, y, tau, w, pull, start) -> np.ndarray:
    levels = np.full(len(w), tau)
    return solve_quantiles(X, y, levels, w, pull=pull, start=start, certified=False).coef


def _walk(
    step: Callable[[int, np.ndarray, np.ndarray | None], np.ndarray], levels: int, replicas: int, p: int
) -> np.ndarray:
    """Coefficients level by level, of the replicas that have reached each."""
    path = np.full((replicas, levels, p), np.nan)
    on = np.arange(replicas)
    last = None
    for j in range(levels):
        found = step(j, on, last)
        good = np.isfinite(found).all(axis=1)
        path[on[good], j] = found[good]
        on, last = on[good], found[good]
        if not len(on):
            break
    return path
