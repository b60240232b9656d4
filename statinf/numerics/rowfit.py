"""Minimise a sum over rows of a convex function of a linear predictor, fast when there are many rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.backend import generator
from statinf.numerics.newton import NewtonResult, damped_newton
from statinf.numerics.rowsums import Rows

_WARM_FROM = 60_000
_WARM_ROWS = 30_000

PositionFunction = Callable[[np.ndarray, "slice | np.ndarray"], tuple[np.ndarray, np.ndarray, np.ndarray]]


def warm_subset(rows: Rows) -> np.ndarray | None:
    """A fixed random subset of row positions to start from; None where the rows are few.

    Starting from the solution on a subset leaves two or three passes over all rows. It changes the path,
    not the solution.
    """
    return np.sort(generator(0).integers(0, rows.n, _WARM_ROWS)) if rows.n > _WARM_FROM else None


def minimise_rows(
    rows: Rows,
    function: PositionFunction,
    *,
    mass: float,
    start: np.ndarray | None = None,
    tol: float = 1e-10,
    max_iter: int = 100,
    limit: float = np.inf,
) -> NewtonResult:
    """Minimise ``sum_i f_i(z_i' beta) / mass`` over beta.

    Parameters
    ----------
    rows : Rows
    function : callable
        Maps the predictor of some rows and their positions (a slice or an array) to values, first and second
        derivatives.
    mass : float
        Divides the sum, so that `tol` is the largest mean score.
    start : ndarray, shape (q,), optional
    tol, max_iter, limit
        As in `damped_newton`.
    """
    zero = np.zeros(rows.q)
    subset = warm_subset(rows) if start is None else None
    if subset is not None:
        share = mass * len(subset) / rows.n
        found = _newton(
            rows.take(subset), lambda eta, at: function(eta, subset[at]), share, zero, 1e-6, max_iter, limit
        )
        start = found.beta if found.converged else None
    return _newton(rows, function, mass, zero if start is None else start, tol, max_iter, limit)


def _newton(
    rows: Rows, function: PositionFunction, mass: float, start: np.ndarray, tol: float, max_iter: int, limit: float
) -> NewtonResult:
    def evaluate(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient, hessian = rows.sums(beta, function)
        return value / mass, gradient / mass, hessian / mass

    return damped_newton(evaluate, start, tol=tol, max_iter=max_iter, limit=limit)
