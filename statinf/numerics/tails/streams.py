"""Minimising CVaR one row at a time: stochastic subgradient, prox-linear, and prox-linear with two step sizes.

Each step sees one row's loss l and gradient v. With eta the multiplier of the hinge max(l - a, 0) / (1 - level),

    theta <- theta - s_theta eta v,    a <- a - s_a (1 - eta),

where the subgradient method takes eta = 1{l >= a} / (1 - level) and prox-linear methods, which keep the hinge and
linearise only the loss inside it, the maximiser of the dual, (l - a + s_a) / (s_theta |v|^2 + s_a) within
[0, 1 / (1 - level)]. Steps fall with the root of their number. SPL+ takes s_theta = step / s and s_a = step s with s in the
unit of the loss, so that a loss in another unit gives the same coefficients; SPL and subgradients take the same step for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from statinf.backend import Kernel, bucket, pad_axis, pad_rows
from statinf.brief import Brief
from statinf.numerics.tails.losses import Loss


@dataclass(frozen=True, repr=False)
class StreamRun(Brief):
    """Iterates; a leading axis runs over step sizes where several were given.

    Attributes
    ----------
    theta, average : ndarray, shape (..., p)
        Last iterate, and the mean of those from `average_from` on.
    a, average_a : ndarray, shape (...)
        The same of the threshold.
    path : ndarray, shape (..., epochs, p)
        Iterates at the ends of epochs.
    active : ndarray, shape (...)
        Share of steps that moved the coefficients.
    """

    theta: np.ndarray
    average: np.ndarray
    a: np.ndarray
    average_a: np.ndarray
    path: np.ndarray
    active: np.ndarray


def run_stream(
    Z: np.ndarray,
    y: np.ndarray,
    index: np.ndarray,
    level: float,
    loss: Loss,
    rule: str,
    *,
    step: float | np.ndarray = 1.0,
    units: tuple[float, float] = (1.0, 1.0),
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    threshold: float = 0.0,
    average_from: float = 0.5,
) -> StreamRun:
    """Run over a stream of rows.

    Parameters
    ----------
    Z, y : ndarray, shape (n, p) and (n,)
    index : ndarray of int, shape (epochs, steps)
        Rows in the order in which they are visited.
    level : float
        In [0, 1).
    loss : Loss
    rule : {"spl+", "spl", "sgm"}
    step : float or ndarray, shape (k,)
        Several step sizes run side by side.
    units : tuple of float
        Factors of the two steps; SPL+ has (1 / s, s).
    offset : ndarray, shape (n,), optional
    start : ndarray, shape (p,), optional
        Zeros by default.
    threshold : float
        To begin with.
    average_from : float
        Share of epochs left out of the average.

    Returns
    -------
    StreamRun
        Iterates that run off are infinite or NaN.
    """
    epochs = len(index)
    counted = np.arange(epochs) >= int(average_from * epochs)
    rows = pad_rows(np.ascontiguousarray(Z), y, np.zeros(len(y)) if offset is None else offset)
    first = np.zeros(Z.shape[1]) if start is None else np.asarray(start, np.float64)
    kernel = _kernel(loss.traced, rule == "sgm", np.ndim(step) > 0)
    facts = (np.float64(level), np.asarray(units, np.float64), first, np.float64(threshold))
    # Lengths that change little compile nothing new: the number of steps is an argument, not a shape.
    visits = pad_axis(index.astype(np.int32), bucket(index.shape[1]), axis=1)
    out = kernel(*rows, visits, np.int32(index.shape[1]), counted, np.asarray(step, np.float64), *facts)
    return StreamRun(*out)


def multiplier(gap: Any, squares: Any, s_theta: Any, s_a: Any, level: Any, subgradient: bool) -> Any:
    """Eta of one step, from l - a and |v|^2; a JAX function."""
    import jax.numpy as jnp

    most = 1.0 / (1.0 - level)
    if subgradient:
        return jnp.where(gap >= 0, most, 0.0)
    return jnp.clip((gap + s_a) / (s_theta * squares + s_a), 0.0, most)


@lru_cache(maxsize=32)
def _kernel(traced: Callable[[Any, Any], Any], subgradient: bool, several: bool) -> Kernel:
    def run(Z: Any, y: Any, offset: Any, visits: Any, steps: Any, counted: Any, step: Any, *facts: Any) -> Any:
        import jax
        import jax.numpy as jnp

        level, units, theta, a = facts
        slope_of = jax.value_and_grad(traced, argnums=1)

        def one(i: Any, z: Any, state: Any) -> Any:
            theta, a, t, moved = state
            loss, slope = slope_of(y[i], z @ theta + offset[i])
            v = slope * z
            size = step / jnp.sqrt(t + 1.0)
            s_theta, s_a = size * units[0], size * units[1]
            eta = multiplier(loss - a, v @ v, s_theta, s_a, level, subgradient)
            return theta - s_theta * eta * v, a - s_a * (1.0 - eta), t + 1.0, moved + (eta > 0)

        def epoch(carried: Any, given: Any) -> Any:
            rows, count = given

            def advance(k: Any, carried: Any) -> Any:
                state, total, total_a = carried
                state = one(rows[k], Z[rows[k]], state)
                return state, total + count * state[0], total_a + count * state[1]

            carried = jax.lax.fori_loop(0, steps, advance, carried)
            return carried, carried[0][0]

        nothing = jnp.zeros_like(a)
        begin = ((theta, a, nothing, nothing), jnp.zeros_like(theta), nothing)
        ((theta, a, t, moved), total, total_a), path = jax.lax.scan(epoch, begin, (visits, counted))
        n = counted.sum() * steps
        return theta, total / n, a, total_a / n, path, moved / t

    def several_steps(*given: Any) -> Any:
        import jax

        return jax.vmap(run, in_axes=(*[None] * 6, 0, *[None] * 4))(*given)

    return Kernel(several_steps if several else run)
