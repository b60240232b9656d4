"""Elastic net paths of cumulative logit models, of many sets of weights at once: Newton steps with warm starts.

Minimises loss(theta) + sum_j l1_j |theta_j| + sum_j l2_j theta_j^2 / 2 for each set of weights. A step minimises the
quadratic model exactly, on faces of constant sign; it is halved until the objective, infinite where a row's own category
has no probability, falls enough. The KKT residual certifies a solution.

Predictors of boundaries that do not touch a row's category may cross there: asking for order at every row would put
minima on edges, where no stationarity condition certifies them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from statinf.backend.threads import one_blas_thread
from statinf.brief import Brief
from statinf.numerics.cumulative_batch import CumulativeRows

_SMALL = 1 << 18
"""Weights up to which products of a step are too small for several threads."""
_ROUGH = 1e-6


@dataclass(frozen=True, repr=False)
class Solutions(Brief):
    """Solutions of R fits: parameters and gradients (R, d), losses, KKT residuals and steps (R,).

    The Hessians (R, d, d) are those of the points that the last steps were made from.
    """

    theta: np.ndarray
    loss: np.ndarray
    residual: np.ndarray
    steps: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


@dataclass(frozen=True, repr=False)
class SolvedPath(Brief):
    """Solutions of R fits at L penalties: parameters (L, R, d), losses and KKT residuals (L, R)."""

    theta: np.ndarray
    loss: np.ndarray
    residual: np.ndarray


def kkt_residual(theta: np.ndarray, slope: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> np.ndarray:
    """Largest violation of the stationarity conditions; over the last axis."""
    smooth = slope + l2 * theta
    away = np.abs(smooth + l1 * np.sign(theta))
    at_zero = np.maximum(np.abs(smooth) - l1, 0.0)
    return np.max(np.where(theta != 0, away, at_zero), axis=-1, initial=0.0)


def begin(rows: CumulativeRows, theta: np.ndarray) -> Solutions:
    """Where the fits stand before the first step."""
    curves = rows.curves(theta, np.arange(len(theta)))
    none = np.full(len(theta), np.inf)
    return Solutions(theta, curves.loss, none, np.zeros(len(theta), int), curves.gradient(), curves.hessian())


def solve(
    rows: CumulativeRows,
    at: Solutions,
    l1: np.ndarray,
    l2: np.ndarray,
    free: np.ndarray,
    *,
    tol: float | np.ndarray = 1e-10,
    max_iter: int = 100,
) -> Solutions:
    """Minimise from where the fits stand.

    Parameters
    ----------
    l1, l2 : (R, d) arrays
    free : (R, d) bool array
        Coordinates that may move.
    tol : float or (R,) array
        Largest KKT residual.
    """
    theta, loss, gradient, hessian = (np.array(v) for v in (at.theta, at.loss, at.gradient, at.hessian))
    steps, limit = np.zeros(len(theta), int), np.broadcast_to(tol, len(theta))

    def penalty(t: np.ndarray, which: np.ndarray) -> np.ndarray:
        return (l1[which] * np.abs(t) + 0.5 * l2[which] * t**2).sum(axis=1)

    residual = kkt_residual(theta, np.where(free, gradient, 0.0), l1, l2)
    going = np.flatnonzero(residual > limit)
    for _ in range(max_iter):
        if not len(going):
            break
        now = (theta, gradient, hessian, l1, l2, free, 0.01 * limit)
        target = minimise_quadratic(*(v[going] for v in now))
        move = target - theta[going]
        fall = (gradient[going] * move + l2[going] * theta[going] * move).sum(axis=1)
        fall += (l1[going] * (np.abs(target) - np.abs(theta[going]))).sum(axis=1)
        before = loss[going] + penalty(theta[going], going)
        size, trying = 1.0, np.arange(len(going))
        moved = np.zeros(len(going), bool)
        while len(trying) and size > 1e-12:
            fits = going[trying]
            trial = target[trying] if size == 1.0 else theta[fits] + size * move[trying]
            curves = rows.curves(trial, fits)
            # the last steps change the objective by less than its rounding: those are judged by the residual
            bound = before[trying] + 1e-4 * size * fall[trying] + 1e-14 * np.abs(before[trying])
            good = curves.loss + penalty(trial, fits) <= bound
            if good.any():
                done, taken = fits[good], curves.take(good)
                theta[done], loss[done] = trial[good], taken.loss
                gradient[done] = taken.gradient()
                moved[trying[good]] = True
                slopes = np.where(free[done], gradient[done], 0.0)
                residual[done] = kkt_residual(theta[done], slopes, l1[done], l2[done])
                more = residual[done] > limit[done]
                if more.any():
                    hessian[done[more]] = taken.take(more).hessian()
            trying, size = trying[~good], 0.5 * size
        steps[going] += 1
        going = going[moved & (residual[going] > limit[going])]
    return Solutions(theta, loss, residual, steps, gradient, hessian)


def minimise_quadratic(
    start: np.ndarray,
    slope: np.ndarray,
    hessian: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    free: np.ndarray,
    tol: np.ndarray,
) -> np.ndarray:
    """Minimise slope'(t - start) + (t - start)'H(t - start)/2 + l1'|t| + l2't^2/2 over the coordinates of t in `free`.

    All problems (r, d) together. Each solves on the face of its current signs; a coordinate that would change its sign stops
    at zero and leaves, those that violate the conditions enter.
    """
    t, d = start.copy(), start.shape[1]
    curve = hessian.copy()
    diagonal = np.arange(d)
    curve[:, diagonal, diagonal] += l2
    linear = slope - np.einsum("rij,rj->ri", hessian, start)
    # a constant column has no curvature and stays where it is
    free = free & (hessian[:, diagonal, diagonal] > 0)
    held = np.where(free, 0.0, start)
    fixed = linear + np.einsum("rij,rj->ri", curve, held)
    active = free & ((t != 0) | (l1 == 0))
    sign = np.sign(t) * (l1 > 0)
    going = np.arange(len(t))
    for turn in range(20 + 10 * d):
        goal = _on_faces(curve[going], -(fixed + l1 * sign)[going], active[going]) + held[going]
        now, signs = t[going], sign[going]
        flips = active[going] & (signs != 0) & (goal * signs <= 0)
        # as far as the first coordinate that reaches zero
        gap = now - goal
        reach = np.where(flips, np.where(gap != 0, now / np.where(gap != 0, gap, 1.0), 0.0), np.inf)
        step = np.minimum(reach.min(axis=1), 1.0)[:, None]
        out = flips & (reach <= step)
        now = np.where(out, 0.0, now + step * (goal - now))
        stopped = out.any(axis=1)
        pull = np.einsum("rij,rj->ri", curve[going], now) + linear[going]
        excess = np.where(free[going] & ~active[going], np.abs(pull) - l1[going], -np.inf)
        violated = excess > tol[going][:, None]
        # all at once at first; one by one cannot cycle
        enter = violated if turn < 5 else violated & (excess == excess.max(axis=1, keepdims=True))
        enter &= ~stopped[:, None]
        t[going], active[going] = now, (active[going] & ~out) | enter
        sign[going] = np.where(enter, -np.sign(pull), np.where(out, 0.0, signs))
        going = going[stopped | enter.any(axis=1)]
        if not len(going):
            break
    return t


def _on_faces(matrix: np.ndarray, right: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Solutions (r, d) of the systems on the active coordinates, zero elsewhere."""
    on = np.flatnonzero(active.any(axis=0))
    inside = active[:, on]
    system = np.where(inside[:, :, None] & inside[:, None, :], matrix[:, on[:, None], on], 0.0)
    at = np.arange(len(on))
    system[:, at, at] += ~inside
    side = np.where(inside, right[:, on], 0.0)
    out = np.zeros(right.shape)
    out[:, on] = _solved(system, side)
    return out


def _solved(systems: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        found = np.linalg.solve(systems, right[..., None])[..., 0]
    except np.linalg.LinAlgError:
        found = np.full(right.shape, np.nan)
    for r in np.flatnonzero(~np.isfinite(found).all(axis=1)):
        found[r] = np.linalg.lstsq(systems[r], right[r], rcond=None)[0]
    return found


def largest_penalty(slope: np.ndarray, penalised: np.ndarray, alpha: float) -> float:
    """Smallest penalty at which every penalised coordinate is zero, from the gradient of the fit without them."""
    return float(np.max(np.abs(slope[penalised]), initial=0.0) / max(alpha, 0.01))


def path(
    rows: CumulativeRows,
    penalties: np.ndarray,
    factor: np.ndarray,
    alpha: float,
    free: np.ndarray,
    *,
    tol: np.ndarray,
    max_iter: int = 100,
) -> SolvedPath:
    """Solutions along `penalties` (from large to small), each started from the one before.

    A path is followed to a residual of 1e-6; where `tol` asks for less, its solutions are then finished all at once.

    Parameters
    ----------
    factor : (R, d) array
        Multiplies each coordinate in the penalty: 0 for the intercepts, the standard deviation of a column for its slopes.
    alpha : float
        Share of L1 against squared L2.
    free : (R, d) bool array
    tol : (R,) array
        Largest KKT residual.
    """
    several = len(penalties) > 1
    rough = np.maximum(tol, _ROUGH) if several else tol
    found = []
    with one_blas_thread(rows.weights.size < _SMALL):
        at = begin(rows, rows.start())
        for penalty in penalties:
            at = solve(rows, at, *_penalty(penalty, alpha, factor), free, tol=rough, max_iter=max_iter)
            found.append(at)
        whole = SolvedPath(*(np.stack([getattr(one, name) for one in found]) for name in ("theta", "loss", "residual")))
        for r in map(int, np.flatnonzero(tol < rough)):
            at = Solutions(*(np.stack([getattr(one, f.name)[r] for one in found]) for f in fields(Solutions)))
            l1, l2 = _penalty(penalties[:, None], alpha, factor[r])
            each = np.broadcast_to(free[r], at.theta.shape)
            done = solve(rows.copies(r, len(penalties)), at, l1, l2, each, tol=float(tol[r]), max_iter=max_iter)
            whole.theta[:, r], whole.loss[:, r], whole.residual[:, r] = done.theta, done.loss, done.residual
    return whole


def _penalty(penalty: float | np.ndarray, alpha: float, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return penalty * alpha * factor, penalty * (1 - alpha) * factor**2
