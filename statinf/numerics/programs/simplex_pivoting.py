"""Convex quadratic programs over probability vectors, by block principal pivoting.

``min v' Q v / 2 + q' v`` subject to ``sum_{group g} v = 1`` for every group and ``v >= floor``. Each step solves the
equality-constrained problem on the coordinates held free; coordinates change sides by the signs of their value and
multiplier, all at once while that makes progress, one by one otherwise, which ends for a positive definite Q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from statinf.backend import progress_bar


class Quadratic(Protocol):
    """A positive definite matrix known through products and solves on subsets."""

    def product(self, v: np.ndarray) -> np.ndarray: ...

    def solve(self, free: np.ndarray, right: np.ndarray) -> np.ndarray:
        """``Q[free, free]^-1 right`` for `free` positions and a matrix of right-hand sides."""
        ...


@dataclass(frozen=True)
class Dense:
    """An explicit positive definite matrix, shape (n, n)."""

    matrix: np.ndarray

    def product(self, v: np.ndarray) -> np.ndarray:
        return self.matrix @ v

    def solve(self, free: np.ndarray, right: np.ndarray) -> np.ndarray:
        part = self.matrix if len(free) == len(self.matrix) else self.matrix[np.ix_(free, free)]
        return cho_solve(cho_factor(part, lower=True, check_finite=False), right, check_finite=False)


@dataclass(frozen=True)
class SimplexSolution:
    """Attributes
    ----------
    v : ndarray, shape (n,)
    multipliers : ndarray, shape (groups,)
        Of the sums.
    free : ndarray of bool, shape (n,)
        Coordinates above their floor.
    residual : float
        Largest violation of the optimality conditions, relative to the size of the gradient.
    iterations : int
    converged : bool
    """

    v: np.ndarray
    multipliers: np.ndarray
    free: np.ndarray
    residual: float
    iterations: int
    converged: bool


def simplex_qp(
    quadratic: Quadratic,
    linear: np.ndarray,
    groups: np.ndarray,
    floor: np.ndarray,
    *,
    free: np.ndarray | None = None,
    tol: float = 1e-9,
    max_iter: int = 200,
) -> SimplexSolution:
    """Solve the program.

    Parameters
    ----------
    quadratic : Quadratic
    linear : ndarray, shape (n,)
    groups : ndarray of int, shape (n,)
        Group of each coordinate, 0 .. G - 1.
    floor : ndarray, shape (n,)
        Lower bounds; their sums within groups lie below 1.
    free : ndarray of bool, shape (n,), optional
        First guess of the coordinates above their floor.
    tol : float
        Relative size of negative multipliers and floor violations that count as zero.
    max_iter : int
    """
    n, count = len(linear), int(groups.max()) + 1
    indicator = np.equal.outer(groups, np.arange(count)).astype(np.float64)
    free = np.ones(n, dtype=bool) if free is None else free.copy()
    fewest, patience = n + 1, 5
    v, nu = np.zeros(n), np.zeros(count)
    residual, iterations = np.inf, 0
    for _ in progress_bar(range(max_iter), label="pivoting steps, at most"):
        iterations += 1
        _keep_groups_alive(free, groups, count, linear)
        v, nu = _equality_solution(quadratic, linear, indicator, floor, free)
        slack = quadratic.product(v) + linear - indicator @ nu
        scale = max(float(np.max(np.abs(linear))), 1e-300)
        low = free & (v < floor - tol * float(np.max(np.abs(v))))
        wrong = ~free & (slack < -tol * scale)
        residual = _residual(v, floor, slack, free, scale)
        bad = low | wrong
        number = int(bad.sum())
        if number == 0:
            break
        if number < fewest:
            fewest, patience = number, 5
        elif patience > 0:
            patience -= 1
        else:
            # Single pivots in a fixed order cannot cycle.
            last = int(np.flatnonzero(bad)[-1])
            bad = np.zeros(n, dtype=bool)
            bad[last] = True
        free = free ^ bad
    return SimplexSolution(np.maximum(v, floor), nu, free, residual, iterations, bool(residual <= 10 * tol))


def _equality_solution(
    quadratic: Quadratic, linear: np.ndarray, indicator: np.ndarray, floor: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise with the free coordinates unbounded and the others at their floor."""
    at = np.flatnonzero(free)
    held = np.where(free, 0.0, floor)
    right = linear[at] + (quadratic.product(held)[at] if np.any(held) else 0.0)
    e = indicator[at]
    both = quadratic.solve(at, np.column_stack([right, e]))
    a, b = both[:, 0], both[:, 1:]
    nu = np.linalg.solve(e.T @ b, 1.0 - indicator.T @ held + e.T @ a)
    v = held
    v[at] = b @ nu - a
    return v, nu


def _residual(v: np.ndarray, floor: np.ndarray, slack: np.ndarray, free: np.ndarray, scale: float) -> float:
    below = float(np.max((floor - v) / max(float(np.max(np.abs(v))), 1e-300), initial=0.0))
    stationarity = float(np.max(np.abs(slack[free]), initial=0.0)) / scale
    dual = float(np.max(-slack[~free], initial=0.0)) / scale
    return max(below, stationarity, dual)


def _keep_groups_alive(free: np.ndarray, groups: np.ndarray, count: int, linear: np.ndarray) -> None:
    for g in range(count):
        members = np.flatnonzero(groups == g)
        if not np.any(free[members]):
            free[members[np.argmin(linear[members])]] = True
