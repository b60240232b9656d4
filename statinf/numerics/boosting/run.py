"""Natural gradient boosting: gradients, one base learner per parameter, a line search, a small step.

Duan, Avati, Ding, Thai, Basu, Ng and Schuler (2020), NGBoost, arXiv 1910.03225. Iterations run in blocks, between
which the caller may stop.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from statinf.backend import kernel
from statinf.numerics.boosting.base import base_values, fit_base
from statinf.numerics.boosting.plan import BoostingRows, Numbers, Plan
from statinf.numerics.laws.parametric.gradients import gradient, natural_gradient, values

_LARGEST = 256.0
"""The line search doubles its step no further."""
_FIRST, _UP, _DOWN = 0, 1, 2
_ROUNDING = 1e-14
"""Scores, which are of size one in their units, fall where they fall by more."""


@partial(kernel, static=("plan", "room"))
def advance(
    theta: Any, rows: BoostingRows, numbers: Numbers, seed: Any, first: Any, count: Any, *, plan: Plan, room: int
) -> Any:
    """Some iterations.

    Parameters
    ----------
    theta : (K, n)
        Parameters of all rows, those of validation and padding too.
    rows : BoostingRows
    numbers : Numbers
    seed, first, count : int
        Seed of the draws, number of the first iteration, how many.
    plan : Plan
    room : int
        Length of what comes back, at least `count`.

    Returns
    -------
    theta : (K, n)
    pieces : tuple of (room, ...)
        Arrays of the base learners.
    steps, lengths : (room,)
        Factor of the line search, and mean length of the fitted gradients.
    path : (room, 2)
        Mean score in training and in validation after each iteration.
    """
    import jax
    import jax.numpy as jnp

    def one(number: Any, state: Any) -> Any:
        theta, kept = state
        theta, made = _iteration(theta, rows, numbers, jax.random.fold_in(jax.random.key(seed), first + number), plan)
        return theta, jax.tree.map(lambda all_, new: all_.at[number].set(new), kept, made)

    shapes = jax.eval_shape(lambda t: _iteration(t, rows, numbers, jax.random.key(0), plan)[1], theta)
    kept = jax.tree.map(lambda s: jnp.zeros((room, *s.shape), s.dtype), shapes)
    theta, (pieces, steps, lengths, path) = jax.lax.fori_loop(0, count, one, (theta, kept))
    return theta, pieces, steps, lengths, path


def _iteration(theta: Any, rows: BoostingRows, numbers: Numbers, key: Any, plan: Plan) -> Any:
    import jax.numpy as jnp

    v, columns = _drawn(rows, numbers, key, plan)
    slope = natural_gradient if plan.natural else gradient
    target = slope(plan.law, plan.rule, theta, rows.y, rows.event)
    # Rows that do not count may have any gradient, which times zero need not be zero.
    piece, fitted = fit_base(rows.features, jnp.where(v > 0, target, 0.0), v, columns, numbers, plan)
    length = _mean(jnp.sqrt((fitted**2).sum(axis=0)), v)
    step = _line_search(theta, fitted, length, rows, v, numbers, plan)
    theta = theta - numbers.rate * step * fitted
    return theta, (piece, step, length, jnp.stack(mean_scores(theta, rows, plan)))


def _drawn(rows: BoostingRows, numbers: Numbers, key: Any, plan: Plan) -> tuple[Any, Any]:
    """Weights and columns of an iteration."""
    import jax
    import jax.numpy as jnp

    v, p = rows.w, rows.features.shape[0 if plan.base == "tree" else 1]
    if plan.batched:
        drawn = v * (jax.random.uniform(jax.random.fold_in(key, 0), v.shape) < numbers.rows)
        v = jnp.where(drawn.sum() > 0, drawn, v)
    if not plan.sampled:
        return v, jnp.ones(p, bool)
    rank = jnp.argsort(jnp.argsort(jax.random.uniform(jax.random.fold_in(key, 1), (p,))))
    return v, rank < numbers.columns


def _mean(found: Any, v: Any) -> Any:
    import jax.numpy as jnp

    return (v * jnp.where(v > 0, found, 0.0)).sum() / jnp.where(v.sum() > 0, v.sum(), 1.0)


def mean_scores(theta: Any, rows: BoostingRows, plan: Plan) -> tuple[Any, Any]:
    """Mean score of training and of validation rows."""
    found = values(plan.law, plan.rule, theta, rows.y, rows.event)
    return _mean(found, rows.w), _mean(found, rows.held)


def _line_search(theta: Any, fitted: Any, length: Any, rows: BoostingRows, v: Any, numbers: Numbers, plan: Plan) -> Any:
    """The factor: doubled from one while the score is below that of no step, then halved until it is."""
    import jax
    import jax.numpy as jnp

    def turn(state: Any) -> Any:
        # One place where the score is computed, whatever for: it is the largest part of the program.
        phase, step, now, _ = state
        at = theta - step * fitted
        found = _mean(values(plan.law, plan.rule, at, rows.y, rows.event), v)
        falls = jnp.isfinite(found) & (found < now)
        rises = (phase == _UP) & falls & (step <= _LARGEST)
        ends = (phase != _FIRST) & ~rises & (falls | (step * length < numbers.tol))
        first = phase == _FIRST
        # Where the score is quadratic a factor of two leads back to where it was, up to rounding.
        now = jnp.where(first, found - _ROUNDING * (1.0 + jnp.abs(found)), now)
        moved = jnp.where(first, 1.0, jnp.where(ends, step, jnp.where(rises, 2.0 * step, 0.5 * step)))
        return jnp.where(first | rises, _UP, _DOWN), moved, now, ends

    start = (jnp.asarray(_FIRST), jnp.zeros(()), jnp.asarray(jnp.inf), jnp.asarray(False))
    return jax.lax.while_loop(lambda state: ~state[3], turn, start)[1]


@partial(kernel, static=("plan",))
def reached(features: Any, start: Any, pieces: Any, steps: Any, *, plan: Plan) -> Any:
    """Parameters (K, n) of rows after all iterations; steps of zero do nothing.

    Parameters
    ----------
    features : as in `BoostingRows`
    start : (K,)
    pieces : tuple of (M, ...)
    steps : (M,)
        Rate times factor.
    """
    import jax
    import jax.numpy as jnp

    def one(theta: Any, made: Any) -> Any:
        piece, step = made
        return theta - step * base_values(features, piece, plan), None

    n = features.shape[1 if plan.base == "tree" else 0]
    return jax.lax.scan(one, jnp.broadcast_to(start[:, None], (len(start), n)), (pieces, steps))[0]


@partial(kernel, static=("plan",))
def staged(rows: BoostingRows, start: Any, pieces: Any, steps: Any, *, plan: Plan) -> Any:
    """Mean score of rows, weighted by `w`, after each number of iterations from none, shape (M + 1,)."""
    import jax
    import jax.numpy as jnp

    def one(theta: Any, made: Any) -> Any:
        piece, step = made
        theta = theta - step * base_values(rows.features, piece, plan)
        return theta, mean_scores(theta, rows, plan)[0]

    first = jnp.broadcast_to(start[:, None], (len(start), len(rows.y)))
    found = jax.lax.scan(one, first, (pieces, steps))[1]
    return jnp.concatenate([mean_scores(first, rows, plan)[0][None], found])


@partial(kernel, static=("plan",))
def row_scores(theta: Any, y: Any, event: Any, *, plan: Plan) -> Any:
    """Scores (n,) of rows at parameters (K, n)."""
    return values(plan.law, plan.rule, theta, y, event)
