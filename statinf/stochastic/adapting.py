"""Preconditioner, step bound and restarts of a stream that is whitened on the way.

The preconditioner is the inverse mean Jacobian of the rows so far. It is made anew at row counts that depend on nothing
but the rows: chunks 4, 8, 16, ... of the stream, and the end of the chunk in which a direction first appears. There the
direction starts at the least-squares value of the rows so far, and its average begins.

A row of leverage h = g' P f takes the step alpha / (1 + alpha w h), w the largest multiplier times the largest curvature:
close to the plain step where alpha h is small, and never past the row's target, for the estimate and for every replica.
The same steps go to all of them, so the multiplier still acts linearly. Compare the implicit step of Toulis & Airoldi
(2017), Annals of Statistics 45.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statinf.stochastic.rows import CHUNK, StreamRows, by_chunks, row_dots
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import CovarianceSums, State

_FIRST = 4  # chunks before the preconditioner is first made anew
_FLOOR = 1e-6  # of the largest eigenvalue, on the correlation scale


def inverse_mean(mean: np.ndarray, seen: np.ndarray, symmetric: bool) -> np.ndarray:
    """Inverse of a mean Jacobian on the directions that were seen, zero elsewhere, shape (d, d)."""
    out = np.zeros_like(mean)
    if not seen.any():
        return out
    part = np.ix_(seen, seen)
    block = mean[part]
    if not symmetric:
        out[part] = np.linalg.pinv(block, rcond=_FLOOR)
        return out
    size = np.sqrt(np.maximum(np.diag(block), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh((block + block.T) / (2.0 * np.outer(size, size)))
    values = np.maximum(values, _FLOOR * max(float(values[-1]), 1.0))
    out[part] = (vectors / values) @ vectors.T / np.outer(size, size)
    return out


def directions(mean: np.ndarray, tolerance: np.ndarray, instruments: bool) -> np.ndarray:
    """Which directions are in a mean Jacobian by more than rounding, shape (d,)."""
    if instruments:
        return (np.abs(mean).max(axis=0) > tolerance) & (np.abs(mean).max(axis=1) > tolerance)
    return np.diag(mean) > tolerance**2


def leverage(F: np.ndarray, G: np.ndarray, instruments: bool) -> np.ndarray:
    """G'f of preconditioned rows, or the product of their lengths, which bounds it; shape (n,)."""
    if instruments:
        return np.sqrt(row_dots(F, F) * row_dots(G, G))
    return np.maximum(row_dots(F, G), 0.0)


def until_refresh(done: int) -> int:
    """Rows from here to the next row count at which the preconditioner is made anew."""
    chunks = done // CHUNK
    at = _FIRST
    while at <= chunks:
        at *= 2
    return at * CHUNK - done


def new_rows(settings: Settings, state: State, rows: StreamRows) -> np.ndarray:
    """Rows with a direction that was not there before, bool (n,)."""
    if state.seen.all() or settings.tolerance is None:
        return np.zeros(len(rows), bool)
    low = settings.tolerance[~state.seen]
    size = np.abs(rows.G[:, ~state.seen]) * (np.abs(rows.F[:, ~state.seen]) > 0.0)
    return np.asarray((size > low).any(axis=1))


def first_new(settings: Settings, state: State, rows: StreamRows) -> int | None:
    """Rows up to the end of the first chunk with a direction that was not there before; None without one."""
    fresh = new_rows(settings, state, rows)
    return (int(np.argmax(fresh)) // CHUNK + 1) * CHUNK if fresh.any() else None


def prepared(
    settings: Settings, state: State, rows: StreamRows, alpha: np.ndarray
) -> tuple[StreamRows, np.ndarray, np.ndarray]:
    """Preconditioned rows, their bounded steps (n,) and their leverages (n,)."""
    moved = replace(rows, F=by_chunks(rows.F, state.matrix.T))
    h = leverage(moved.F, rows.G, settings.instruments)
    return moved, alpha / (1.0 + alpha * settings.bound * h), h


def mean_jacobian(settings: Settings, state: State) -> np.ndarray:
    """Mean of psi' f g' over all rows so far, shape (d, d)."""
    if settings.loss == "quantile":
        return state.sums.gram[:, :-1] / state.done
    return (state.sums.early[:, :-1] + state.sums.jacobian) / state.done


def refreshed(settings: Settings, state: State) -> tuple[State, np.ndarray]:
    """The state with a new preconditioner, and how far each direction that is new was moved, NaN for the others.

    Replicas are moved by the caller, who holds them.
    """
    assert settings.tolerance is not None
    mean = mean_jacobian(settings, state)
    seen = directions(mean, settings.tolerance, settings.instruments) | state.seen
    matrix = inverse_mean(mean, seen, symmetric=not settings.instruments)
    fresh = seen & ~state.seen
    top = state.extremes
    moved_rows = (top.F[:, None, :] * matrix).sum(axis=2)
    extremes = replace(top, h=leverage(moved_rows, top.G, settings.instruments))
    state = replace(state, matrix=matrix, seen=seen, extremes=extremes)
    moved = np.where(fresh, 0.0, np.nan)
    if not fresh.any():
        return state, moved
    if settings.loss == "squared":
        target = (state.sums.early[:, -1] + state.sums.target) / state.done
        moved[fresh] = (matrix @ (target - mean @ state.theta))[fresh]
    theta = np.where(fresh, state.theta + np.nan_to_num(moved), state.theta)
    return _restarted(settings, replace(state, theta=theta), fresh), moved


def _restarted(settings: Settings, state: State, fresh: np.ndarray) -> State:
    """New directions' averages begin here; all averages, where a covariance needs them to begin together."""
    late = state.done > int(state.origin.min())
    together = late and any(name in settings.keep for name in ("random-scaling", "batch-means"))
    again = np.ones_like(fresh) if together else fresh
    origin = np.where(again, np.maximum(state.done, settings.burn_in), state.origin)
    sums = state.sums
    if together:
        early = sums.early + np.column_stack([sums.jacobian, sums.target])
        sums = replace(CovarianceSums.zero(settings), early=early, gram=sums.gram)
    return replace(state, origin=origin, sums=sums, mean=np.where(again, state.theta, state.mean))
