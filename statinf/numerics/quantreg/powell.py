"""Quantile regression of outcomes with known limits (Powell 1986): descents from vertex to vertex.

The loss sum_i w_i rho_tau(y_i - min(limit_i, x_i'b)) is piecewise linear and not convex. A local minimum is at a vertex,
where p rows are interpolated; each step follows the edge on which the loss falls furthest, to its minimum on that edge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from statinf.backend import progress_bar
from statinf.errors import ConvergenceError
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.numerics.quantreg.starting import nearest_basis

_GAIN = 1e-12
"""Fall of the loss, of its size, that counts as one."""
_FLAT = 1e-12
_ROUNDS = 50
_BYTES = 64 * 2**20


class Descent(NamedTuple):
    """A local minimum: coefficients (p,), the rows they interpolate (p,), and the loss."""

    coef: np.ndarray
    basis: np.ndarray
    loss: float


def powell_loss(X: np.ndarray, y: np.ndarray, limit: np.ndarray, tau: float, w: np.ndarray, coef: np.ndarray) -> float:
    """Weighted check loss about the fit, no higher than the limit."""
    residual = y - np.minimum(limit, X @ coef)
    return float(w @ np.maximum(tau * residual, (tau - 1.0) * residual))


def descend(
    X: np.ndarray,
    y: np.ndarray,
    limit: np.ndarray,
    tau: float,
    w: np.ndarray,
    basis: np.ndarray,
    *,
    max_iter: int = 500,
) -> Descent:
    """The local minimum below a vertex.

    Parameters
    ----------
    X, y : (n, p), (n,)
        Rows of positive weight; y at most `limit`.
    limit : (n,)
        Where each outcome is censored from the right.
    tau : float
    w : (n,)
    basis : (p,)
        Rows, linearly independent, that the vertex interpolates.
    max_iter : int

    Raises
    ------
    ConvergenceError
        If no local minimum is reached.
    """
    basis = np.array(basis)
    loss = np.inf
    for _ in progress_bar(range(max_iter), label="edges, at most"):
        inverse = np.linalg.inv(X[basis])
        coef = inverse @ y[basis]
        loss = powell_loss(X, y, limit, tau, w, coef)
        fall, edge, row = _best_edge(X, y, limit, tau, w, basis, coef, inverse)
        if fall <= _GAIN * max(loss, np.finfo(float).tiny):
            return Descent(coef, basis, loss)
        basis[edge % len(basis)] = row
    raise ConvergenceError(
        f"no local minimum of Powell's loss at tau={tau:g} within {max_iter} steps; use another step's start, or fewer columns."
    )


def _best_edge(X, y, limit, tau, w, basis, coef, inverse) -> tuple[float, int, int]:
    """Largest fall of the loss along the 2p edges, the edge, and the row that its end interpolates."""
    p = X.shape[1]
    size = max(1, int(_BYTES // (8 * 8 * len(y))))
    slopes = X @ inverse
    slopes[basis] = np.eye(p)
    fitted = X @ coef
    fitted[basis] = y[basis]
    best = (0.0, -1, -1)
    for at in range(0, 2 * p, size):
        edges = np.arange(at, min(at + size, 2 * p))
        q = np.where(edges[:, None] < p, 1.0, -1.0) * slopes.T[edges % p]
        fall, row = _along(y, limit, tau, w, fitted, q)
        k = int(np.argmax(fall))
        if fall[k] > best[0]:
            best = (float(fall[k]), int(edges[k]), int(row[k]))
    return best


def _along(y, limit, tau, w, fitted, q) -> tuple[np.ndarray, np.ndarray]:
    """Largest fall on each ray fitted + s q, s > 0, and the row interpolated there; q has shape (edges, n)."""
    flat = _FLAT * np.abs(q).max(axis=1, keepdims=True)
    q = np.where(np.abs(q) <= flat, 0.0, q)
    inside = y < limit
    # Slopes of the loss in the fit just after the start of the ray.
    over = (fitted > limit) | ((fitted == limit) & (q > 0))
    above = (fitted > y) | ((fitted == y) & (q > 0))
    start = np.where(over, 0.0, np.where(above, 1.0 - tau, -tau))
    slope = (w * start * q).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        at_y, at_limit = (y - fitted) / q, (limit - fitted) / q
    size = np.abs(q) * w
    times = np.concatenate([at_y, at_limit], axis=1)
    change = np.concatenate([size * np.where(inside, 1.0, tau), -size * (1.0 - tau) * inside], axis=1)
    ahead = np.isfinite(times) & (times > 0)
    times, change = np.where(ahead, times, np.inf), np.where(ahead, change, 0.0)
    order = np.argsort(times, axis=1, kind="stable")
    times = np.take_along_axis(times, order, axis=1)
    slopes = slope[:, None] + np.cumsum(np.take_along_axis(change, order, axis=1), axis=1)
    before = np.concatenate([slope[:, None], slopes[:, :-1]], axis=1)
    with np.errstate(invalid="ignore"):
        steps = np.diff(times, axis=1, prepend=0.0)
        value = np.cumsum(np.where(np.isfinite(steps), before * steps, 0.0), axis=1)
    # Minima are where a row is interpolated; kinks at a limit are concave.
    value = np.where(np.isfinite(times) & (order < len(y)), value, np.inf)
    k = np.argmin(value, axis=1)
    pick = np.arange(len(q))
    return -value[pick, k], order[pick, k]


def minimise_powell(
    X: np.ndarray,
    y: np.ndarray,
    limit: np.ndarray,
    tau: float,
    w: np.ndarray,
    *,
    perturbed: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> Descent:
    """The lowest of several local minima.

    Parameters
    ----------
    X, y, limit, tau, w
        As for `descend`.
    perturbed : (s, n), optional
        Weights of further samples, whose fits to the rows inside the limit are starts.
    start : (p,), optional
        Coefficients to start from, in place of the fits without censoring.
    """
    level = np.array([tau])
    starts = []
    if start is None:
        whole = solve_quantiles(X, y, level, w)
        starts.append(whole.basis[0])
        starts += _inside_the_limit(X, y, limit, level, w, whole.coef[0])
        for one in [] if perturbed is None else perturbed:
            first = solve_quantiles(X, y, level, w * one, start=whole.coef, certified=False).coef[0]
            starts += _inside_the_limit(X, y, limit, level, w * one, first)
    else:
        residual = np.where(X @ start < limit, y - X @ start, np.inf)
        basis, independent = nearest_basis(X[None], residual[None], np.isfinite(residual)[None])
        starts += [basis[0]] if independent[0] else _inside_the_limit(X, y, limit, level, w, start)
    starts = list({tuple(sorted(b)): b for b in starts}.values())
    found = [descend(X, y, limit, tau, w, basis) for basis in progress_bar(starts, label="starts")]
    return min(found, key=lambda one: one.loss)


def _inside_the_limit(X, y, limit, level, w, coef) -> list[np.ndarray]:
    """Where fits to the rows whose last fit is inside the limit settle (Buchinsky 1994); empty where too few rows stay."""
    basis: list[np.ndarray] = []
    seen: set[frozenset[int]] = set()
    for _ in range(_ROUNDS):
        rows = np.flatnonzero((X @ coef < limit) & (w > 0))
        if len(rows) <= X.shape[1] or np.linalg.matrix_rank(X[rows]) < X.shape[1]:
            break
        found = solve_quantiles(X[rows], y[rows], level, w[rows], start=coef[None], certified=False)
        if np.isnan(found.coef).any():
            break
        basis = [rows[found.basis[0]]]
        met = frozenset(basis[0].tolist())
        if met in seen:
            break
        seen.add(met)
        coef = found.coef[0]
    return basis
