"""Training of small networks, several at once, by one compiled loop.

Adam with the AMSGrad correction on minibatches; after every few epochs the loss on held-out rows is taken and
the best parameters are kept, until there has been no improvement for a while. Networks that share their rows and
differ in weights and outcomes, those of cross-fitting, are one batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from statinf.backend import bucket, generator, kernel, pad_axis
from statinf.learners.quantile_objective import QuantileObjective, widen, width

_EPOCHS_A_CALL = 10
_LEAST_ROWS = 1024
_HELD_OUT = 0.2


@kernel
def _memory(params):
    """The optimiser's state at the start; its shape does not depend on the rate."""
    import jax
    import optax

    return jax.vmap(optax.chain(optax.clip_by_global_norm(5.0), optax.amsgrad(1.0)).init)(params)


@partial(kernel, static=("objective", "batch"))
def _epochs(params, memory, X, Z, y, train, held, tau, margin, penalty, rate, seed, number, steps, *, objective, batch):
    """A few epochs of every network; parameters, optimiser states and held-out losses."""
    import jax
    import jax.numpy as jnp
    import optax

    optimiser = optax.chain(optax.clip_by_global_norm(5.0), optax.amsgrad(rate))
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), _EPOCHS_A_CALL)

    def one(params, memory, y, train, held):
        count = jnp.maximum((train > 0).sum(), 1)

        def epoch(state, key):
            order, drop = jax.random.split(key)
            # Rows of training weight come first; batches wrap round them, so that every batch is full.
            mixed = jnp.argsort(jax.random.uniform(order, (X.shape[0],)) - (train > 0))

            def step(number, state):
                now, kept = state
                rows = mixed[(number * batch + jnp.arange(batch)) % count]
                part = (X[rows], Z[rows], y[rows], train[rows])
                slope = jax.grad(objective.loss)(now, part, tau, margin, penalty, jax.random.fold_in(drop, number))
                update, kept = optimiser.update(slope, kept, now)
                return optax.apply_updates(now, update), kept

            return jax.lax.fori_loop(0, steps, step, state), None

        (params, memory), _ = jax.lax.scan(epoch, (params, memory), keys)
        return params, memory, objective.loss(params, (X, Z, y, held), tau, margin, penalty)

    return jax.vmap(one)(params, memory, y, train, held)


def train(
    objective: QuantileObjective,
    start: Any,
    X: np.ndarray,
    Z: np.ndarray | None,
    y: np.ndarray,
    w: np.ndarray,
    tau: np.ndarray,
    *,
    margin: np.ndarray | None = None,
    penalty: float = 0.0,
    rate: float = 1e-3,
    most_epochs: int = 500,
    patience: int = 5,
    seed: int = 0,
) -> list[Any]:
    """Parameters with the smallest held-out loss, for each of K networks.

    Parameters
    ----------
    start : pytree
        Where every network starts.
    X : (n, d)
    Z : (n, J, m), or None for base models
    y, w : (K, n)
        Outcomes and weights of each network; a weight of zero leaves the row out.
    margin : (m, m), optional
        Distance that levels k < l should keep, for the crossing penalty.
    patience : int
        Calls of ten epochs without improvement before a network stops.

    Returns
    -------
    list of K pytrees
    """
    import jax

    (K, n), d = w.shape, X.shape[1]
    size = max(bucket(n), _LEAST_ROWS)
    batch = batch_size(n)
    held = held_out(w, seed)
    steps = np.int32(max(1, -(-int(((w > 0) & ~held).sum(axis=1).max()) // batch)))
    X = pad_axis(pad_axis(X, width(d), axis=1), size)
    Z = pad_axis(np.empty((n, 0, 0)) if Z is None else Z, size)
    y, training, watched = (pad_axis(a, size, axis=1) for a in (y, w * ~held, w * held))
    margin = np.zeros((len(tau), len(tau))) if margin is None else margin
    best = params = jax.tree.map(lambda a: np.repeat(a[None], K, axis=0), widen(objective, start, d))
    memory, lowest, waited = _memory(params), np.full(K, np.inf), np.zeros(K, int)
    for number in range(-(-most_epochs // _EPOCHS_A_CALL)):
        params, memory, value = _epochs(
            params, memory, X, Z, y, training, watched, tau, margin, np.float64(penalty), np.float64(rate),
            np.uint32(seed), np.int32(number), steps, objective=objective, batch=batch,
        )  # fmt: skip
        better = (waited < patience) & (value < lowest - 1e-6 * np.abs(value))
        best = jax.tree.map(partial(_where, better), params, best)
        lowest, waited = np.where(better, value, lowest), np.where(better, 0, waited + 1)
        if (waited >= patience).all():
            break
    return [_narrow(objective, jax.tree.map(lambda a, k=k: a[k], best), d) for k in range(K)]


def batch_size(n: int) -> int:
    """Rows a step: 2^(3 + floor(log10 n)), from 16 to 128."""
    return int(np.clip(2 ** (3 + int(np.log10(max(n, 1)))), 16, 128))


def held_out(w: np.ndarray, seed: int) -> np.ndarray:
    """A fifth of the rows of positive weight of each network, at least one where there are two; shape (K, n)."""
    out = np.zeros(w.shape, bool)
    order = generator(seed, 11).permutation(w.shape[1])
    for own, weights in zip(out, w, strict=True):
        rows = order[weights[order] > 0]
        own[rows[: max(1, round(_HELD_OUT * len(rows))) if len(rows) > 1 else 0]] = True
    return out


def _where(mask: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


def _narrow(objective: QuantileObjective, params: Any, features: int) -> Any:
    if objective.kind == "global":
        return params
    (matrix, bias), *rest = params
    return [(matrix[:features], bias), *rest]
