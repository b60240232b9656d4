"""Newton's method for smooth convex sums over rows, one pass an evaluation; several problems take the same passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.numerics.rowwise.newton import newton_step
from statinf.passes.design import PassDesign

PassSums = tuple[np.ndarray, np.ndarray, np.ndarray]
NewtonRowSums = Callable[[np.ndarray, Design], PassSums]
"""From points (K, q) and the design of a block to values (K,), gradients (K, q) and Hessians (K, q, q), summed over its rows."""
NewtonFinish = Callable[[np.ndarray, PassSums], PassSums]
_ROUNDING = 1e-13


@dataclass(frozen=True)
class PassNewton:
    """Where searches ended.

    Attributes
    ----------
    beta : ndarray, shape (K, q)
        A step further than where the sums were last taken, for those that converged.
    value : ndarray, shape (K,)
    gradient : ndarray, shape (K, q)
    hessian : ndarray, shape (K, q, q)
        Where the sums were last taken.
    residual : ndarray, shape (K,)
        Largest absolute entries of the gradients.
    converged : ndarray of bool, shape (K,)
    passes : int
        Evaluations of the sums over all rows.
    """

    beta: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    residual: np.ndarray
    converged: np.ndarray
    passes: int


def minimise_passes(
    made: PassDesign,
    sums: NewtonRowSums,
    start: np.ndarray,
    *,
    mass: np.ndarray | float = 1.0,
    tol: float = 1e-10,
    max_iter: int = 100,
    limit: float = np.inf,
    label: str = "likelihood",
    warm: bool = True,
    finish: NewtonFinish | None = None,
) -> PassNewton:
    """Minimise K sums over rows at once.

    Parameters
    ----------
    made : PassDesign
    sums : callable
        Picklable; see `NewtonRowSums`.
    start : ndarray, shape (K, q)
        Where the first block's own search begins, and that over all rows where that search fails.
    mass : float or ndarray, shape (K,)
        Divides the sums, so that `tol` is the largest mean score.
    tol : float
    max_iter : int
        Passes allowed; those of halved steps count.
    limit : float
        Give up a problem, not converged, once a parameter exceeds this size: a minimum at infinity.
    label : str
        What the bar says.
    warm : bool
        Begin at the solution of the first block's rows, which saves passes.
    finish : callable, optional
        From points and sums over all rows to the values and derivatives that are minimised, for smooth functions of sums.

    Returns
    -------
    PassNewton
        The caller looks at `converged`, as it knows the words for what stands in the way.
    """
    begin = np.array(start, dtype=np.float64)
    if warm:
        begin = _from_first(made, sums, begin, limit, finish)
    total: Callable[[np.ndarray], PassSums] = partial(_total, made, sums, label, finish)
    return lockstep(total, begin, mass=mass, tol=tol, max_iter=max_iter, limit=limit)


def _total(
    made: PassDesign, sums: NewtonRowSums, label: str, finish: NewtonFinish | None, points: np.ndarray
) -> PassSums:
    found: Any = made.total(partial(_quiet, sums, points), label)
    return found if finish is None else finish(points, found)


def _quiet(sums: NewtonRowSums, points: np.ndarray, block: Design) -> PassSums:
    # A step too long overflows; the value then says so.
    with np.errstate(over="ignore", invalid="ignore"):
        return sums(points, block)


def _from_first(
    made: PassDesign, sums: NewtonRowSums, start: np.ndarray, limit: float, finish: NewtonFinish | None
) -> np.ndarray:
    """The solutions of the first block's rows; `start` where they have none."""
    block = made.head()
    if block is None or not (block.weights > 0).any():
        return start
    heavy = float(block.weights.sum()) if finish is None else 1.0
    evaluate = partial(_quiet_at, sums, block, finish)
    found = lockstep(evaluate, start, mass=heavy, tol=1e-4, max_iter=30, limit=min(limit, 50.0))
    return np.where(found.converged[:, None], found.beta, start)


def _quiet_at(sums: NewtonRowSums, block: Design, finish: NewtonFinish | None, points: np.ndarray) -> PassSums:
    found = _quiet(sums, points, block)
    return found if finish is None else finish(points, found)


def lockstep(
    evaluate: Callable[[np.ndarray], PassSums],
    start: np.ndarray,
    *,
    mass: np.ndarray | float = 1.0,
    tol: float = 1e-10,
    max_iter: int = 100,
    limit: float = np.inf,
) -> PassNewton:
    """Damped Newton steps of K problems, all of whose points are evaluated together.

    A problem whose step must be halved tries the half at the next evaluation; one that is done stays where it is.
    """
    weight = np.broadcast_to(np.asarray(mass, dtype=np.float64), (len(start),))
    beta = np.array(start, dtype=np.float64)
    value, gradient, hessian = _mean(evaluate(beta), weight)
    count = 1
    lost = ~np.isfinite(value)
    if lost.any() and beta[lost].any():
        beta[lost] = 0.0
        value, gradient, hessian = _mean(evaluate(beta), weight)
        count = 2
    size = _size(gradient)
    active = np.isfinite(value) & (size > tol)
    length = np.ones(len(beta))
    step = np.zeros_like(beta)
    step[active] = _steps(hessian[active], gradient[active])
    while active.any() and count < max_iter:
        point = np.where(active[:, None], beta + length[:, None] * step, beta)
        trial = _mean(evaluate(point), weight)
        count += 1
        slope = np.einsum("kq,kq->k", gradient, step)
        decrease = np.where(active, trial[0], 0.0) - np.where(active, value, 0.0)
        # Near the minimum the decrease drowns in rounding; there the gradient decides.
        rounding = _ROUNDING * np.maximum(1.0, np.abs(value))
        smaller = _size(trial[1]) < size
        better = (decrease <= 1e-4 * length * slope) | ((np.abs(decrease) <= rounding) & smaller)
        taken = active & np.isfinite(trial[0]) & better
        stuck = active & ~taken & ((length < 1e-10) | ((np.abs(slope) <= rounding) & ~smaller))
        length = np.where(taken, 1.0, length / 2.0)
        for held, new in ((beta, point), (value, trial[0]), (gradient, trial[1]), (hessian, trial[2])):
            held[taken] = new[taken]
        size = _size(gradient)
        far = np.abs(beta).max(axis=1, initial=0.0) > limit
        active &= ~stuck & ~far & (size > tol)
        renewed = taken & active
        step[renewed] = _steps(hessian[renewed], gradient[renewed])
    done = size <= tol
    # The last step costs no pass, and squares what is left.
    beta[done] += _steps(hessian[done], gradient[done])
    return PassNewton(beta, value, gradient, hessian, size, done, count)


def _mean(sums: PassSums, weight: np.ndarray) -> PassSums:
    value, gradient, hessian = (np.array(s, dtype=np.float64) for s in sums)
    return value / weight, gradient / weight[:, None], hessian / weight[:, None, None]


def _size(gradient: np.ndarray) -> np.ndarray:
    return np.abs(gradient).max(axis=1, initial=0.0)


def _steps(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    out = np.empty_like(gradient)
    for k, (h, g) in enumerate(zip(hessian, gradient, strict=True)):
        out[k] = newton_step(h, g)
    return out
