"""Minimise a sum over rows of a convex function of a linear predictor, fast when there are many rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.backend import generator, one_blas_thread
from statinf.numerics.rowwise.newton import NewtonResult, damped_newton, newton_step
from statinf.numerics.rowwise.sums import RUN, ScaledRows

_WARM_FROM = 60_000
_WARM_SHARE = 24
_NEAR = 0.15
"""Mean score from which one step more on some of the rows leaves a fraction of their sampling error."""

PositionFunction = Callable[[np.ndarray, "slice | np.ndarray"], tuple[np.ndarray, np.ndarray, np.ndarray]]
Search = Callable[[ScaledRows, "np.ndarray | None", np.ndarray, float], NewtonResult]


def from_some_rows(rows: ScaledRows, search: Search) -> np.ndarray:
    """A start for all rows: the solution on ever more of them. Zero where the rows are few.

    It leaves two steps on all rows, and changes the path, not the solution. The last step on some of the rows is taken
    unseen: the pass over all rows that follows looks at the point anyway.

    Parameters
    ----------
    rows : ScaledRows
    search : callable
        ``search(some, positions, start, tol)`` solves the problem on some of the rows.

    Returns
    -------
    ndarray, shape (q,)
    """
    start = np.zeros(rows.q)
    if rows.n <= _WARM_FROM:
        return start
    few = max(2000, 100 * rows.q)
    runs = max(few, rows.n // _WARM_SHARE) // RUN
    firsts = (np.arange(runs) + generator(0).random(runs)) * ((rows.n - RUN) / runs)
    some = (firsts.astype(np.int64)[:, None] + np.arange(RUN)).ravel()
    every = len(some) // few
    for positions in (some[::every], some) if every > 1 else (some,):
        found = search(rows.take(positions), positions, start, _NEAR)
        start = found.beta + newton_step(found.hessian, found.gradient) if found.converged else start
    return start


def minimise_rows(
    rows: ScaledRows,
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
    rows : ScaledRows
    function : callable
        Maps the predictor of some rows, which it may overwrite, and their positions (a slice or an array) to values,
        first and second derivatives.
    mass : float
        Divides the sum, so that `tol` is the largest mean score.
    start : ndarray, shape (q,), optional
    tol, max_iter, limit
        As in `damped_newton`.
    """

    def search(some: ScaledRows, positions: np.ndarray | None, start: np.ndarray, tol: float) -> NewtonResult:
        share = mass if positions is None else mass * len(positions) / rows.n
        local = function if positions is None else lambda eta, at: function(eta, positions[at])
        return _newton(some, local, share, start, tol, max_iter, limit)

    with one_blas_thread():  # a pool woken by the small systems between passes spins on the cores these need
        return search(rows, None, from_some_rows(rows, search) if start is None else start, tol)


def _newton(
    rows: ScaledRows,
    function: PositionFunction,
    mass: float,
    start: np.ndarray,
    tol: float,
    max_iter: int,
    limit: float,
) -> NewtonResult:
    def evaluate(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient, hessian = rows.sums(beta, function)
        return value / mass, gradient / mass, hessian / mass

    def first_order(beta: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = rows.first_sums(beta, function)
        return value / mass, gradient / mass

    return damped_newton(evaluate, start, tol=tol, max_iter=max_iter, limit=limit, first_order=first_order)
