"""Rows in, state out: the recursion of averaged stochastic approximation with its multiplier replicas.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), Gaussian approximation and multiplier bootstrap for Polyak-Ruppert
averaged linear stochastic approximation with applications to TD learning, arXiv 2405.16644. For a quantile or
logistic loss: Fang, Xu & Yang (2018), Online bootstrap confidence intervals for the stochastic gradient descent
estimator, arXiv 1707.00192.

All functions are pure: `advance` takes a state and rows and returns the next state. It works through whole chunks
and leaves the rest pending, so any split of a stream into blocks gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.backend import accelerated, enforce_device, pad_axis
from statinf.errors import ConvergenceError
from statinf.numerics.recursions.averaging import (
    point_path,
)
from statinf.stochastic.adapting import first_new, new_rows, prepared, refreshed, until_refresh
from statinf.stochastic.extremes import met, most
from statinf.stochastic.rows import CHUNK, SLABS, StreamRows, slab_size
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State
from statinf.stochastic.sums import add_rows
from statinf.stochastic.tiles import Tiles

_LARGEST = 1e100


def advance(
    settings: Settings, state: State, rows: StreamRows, *, after: Callable[[State], None] | None = None
) -> State:
    """Work rows into a run.

    Parameters
    ----------
    settings : Settings
    state : State
    rows : StreamRows
    after : callable, optional
        Called with the state (replicas left out) after each slab of rows.

    Returns
    -------
    State

    Raises
    ------
    ConvergenceError
        If the iterates overflow, naming the row.
    """
    rows = state.pending.then(rows)
    whole = len(rows) // CHUNK * CHUNK
    state = replace(state, pending=rows[whole:])
    return _work(settings, state, rows[:whole], after) if whole else state


def settle(settings: Settings, state: State) -> State:
    """The state with its pending rows worked in, for reading results; rows cannot be added to it."""
    n = len(state.pending)
    if not n:
        return state
    d = settings.d
    filled = state.pending.then(
        StreamRows.of(np.zeros((CHUNK - n, d)), np.zeros((CHUNK - n, d)), np.zeros(CHUNK - n), np.full(CHUNK - n, -1))
    )
    return _work(settings, replace(state, pending=StreamRows.none(d)), filled, None, used=n)


def _work(
    settings: Settings,
    state: State,
    rows: StreamRows,
    after: Callable[[State], None] | None,
    *,
    used: int | None = None,
) -> State:
    used = len(rows) if used is None else used
    tiles = Tiles(settings, state)
    rows = settings.whitened(rows)
    at = 0
    with tiles:
        while at < len(rows):
            stop = min(at + SLABS[-1], len(rows), at + _until_trace(settings, state.done))
            if settings.adaptive:
                stop = min(stop, at + until_refresh(state.done))
                stop = min(stop, at + (first_new(settings, state, rows[at:stop]) or len(rows)))
            slab = rows[at:stop]
            real = min(len(slab), used - at)
            state = _slab(settings, state, slab, real, tiles)
            at = stop
            if _until_trace(settings, state.done - real) == real and state.averaged:
                state = state.with_trace(settings.carried(state.mean), _trace_se(settings, state, tiles))
            if after is not None:
                after(state)
    replicas, totals = tiles.arrays(state.mean)
    return replace(state, replicas=replicas, replica_sums=totals)


def _slab(settings: Settings, state: State, slab: StreamRows, real: int, tiles: Tiles) -> State:
    """The state after some chunks, `real` of whose rows count."""
    alpha, share = _schedule(settings, state, len(slab), real)
    moved, apart, h = slab, np.zeros(len(slab), bool), None
    if settings.adaptive:
        moved, alpha, h = prepared(settings, state, slab, alpha)
        # A row with a direction that nothing moves yet would push the others' coefficients.
        apart = new_rows(settings, state, slab)
        alpha[apart] = 0.0
        h[apart] = np.inf  # the preconditioner does not know these yet
    # The point estimate is one chain of rows: it runs here while the replicas run beside it.
    begun = tiles.begin(moved, alpha, share, first=state.done + 1, origin=int(state.origin.min()))
    with _host():
        state = _point(settings, state, moved, slab, alpha, share, real, apart, h)
    tiles.finish(begun)
    if settings.adaptive and (first_new(settings, state, slab) or until_refresh(state.done - real) == real):
        state, shift = refreshed(settings, state)
        tiles.restart(state, shift)
    return state


def _host() -> AbstractContextManager[Any]:
    """The processor for the point estimate, whose rows follow one another: an accelerator gains nothing there."""
    if not accelerated():
        return nullcontext()
    import jax

    try:
        jax.devices("cpu")
    except RuntimeError:  # JAX_PLATFORMS leaves the processor out
        return nullcontext()
    return enforce_device("cpu")


def _schedule(settings: Settings, state: State, n: int, real: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and weights of each iterate in the running average, (n,) or (n, d); zero beyond the real rows."""
    alpha = settings.steps(state.done + 1, n)
    together = (state.origin == state.origin[0]).all()
    origin = state.origin[0] if together else state.origin
    index = np.arange(state.done + 1, state.done + n + 1)
    share = 1.0 / np.maximum(index - origin if together else index[:, None] - origin, 1)
    alpha[real:] = share[real:] = 0.0
    return alpha, share


def _point(
    settings: Settings, state: State, moved: StreamRows, slab: StreamRows, alpha: np.ndarray, share: np.ndarray, real: int,
    apart: np.ndarray, h: np.ndarray | None,
) -> State:  # fmt: skip
    size, n = slab_size(len(slab)), len(slab)
    left, c, steps, counts = (pad_axis(a, size) for a in (moved.F, moved.c, alpha, share))
    right = left if moved.G is moved.F else pad_axis(moved.G, size)
    (theta, mean), path, means = point_path(
        (state.theta, state.mean), left, right, c, steps, counts, np.float64(settings.tau), loss=settings.loss
    )
    path, means = path[:n], means[:n]
    if not max(path.max(), -path.min()) < _LARGEST:
        largest = np.abs(path).max(axis=1)
        at = state.done + 1 + int(np.argmin(largest < _LARGEST))
        raise ConvergenceError(
            f"The iterates overflow at row {at}: the first steps are too large for these rows. Divide step c0="
            f"{settings.c0:.4g} by 10, raise k0, or leave step=None for steps scaled to the data."
        )
    sums = add_rows(
        state.sums, settings, state.done + 1, slab, path, means, state.mean, real, int(state.origin.min()), apart
    )
    if h is not None:
        top = most(h[:real], state.extremes)
        if len(top):
            fresh = met(settings, slab, h, means, state.mean, top, state.done + 1, int(state.origin.min()), apart)
            state = replace(state, extremes=state.extremes.merged(fresh))
    return replace(state, done=state.done + real, theta=theta, mean=mean, sums=sums)


def _until_trace(settings: Settings, done: int) -> int:
    """Rows from here to the next point of the path: about four points a doubling, at ends of chunks."""
    chunk = done // CHUNK
    exponent = max(0, int(np.floor(4.0 * np.log2(max(chunk, 1)))) - 1)
    while round(2.0 ** (exponent / 4.0)) <= chunk:
        exponent += 1
    return round(2.0 ** (exponent / 4.0)) * CHUNK - done


def _trace_se(settings: Settings, state: State, tiles: Tiles) -> np.ndarray:
    if settings.replicas > 1:
        _, totals = tiles.arrays(state.mean)
        totals = totals / np.maximum(state.done - state.origin, 1)[:, None]
        return settings.carried(totals[:, : settings.replicas].T).std(axis=0, ddof=1)
    try:
        bread = settings.carried(np.linalg.inv(state.sums.jacobian).T).T
    except np.linalg.LinAlgError:
        return np.full(settings.d, np.nan)
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", bread, state.sums.noise, bread), 0.0))


def draws(settings: Settings, state: State) -> np.ndarray:
    """Averages of the replicas of a settled state, in the coordinates of the recursion, shape (B, d)."""
    n = np.maximum(state.done - state.origin, 1)
    return state.replica_sums[:, : settings.replicas].T / n
