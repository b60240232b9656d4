"""Training of small networks, several at once, by one compiled loop.

Adam with the AMSGrad correction on minibatches; after every few epochs the loss on held-out rows is taken and
the best parameters are kept, until there has been no improvement for a while. Networks that share their rows and differ
in weights, outcomes and penalties, those of cross-fitting and of a grid of penalties, are one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import bucket, generator, kernel, over_models, pad_axis, progress_bar
from statinf.learners.quantile_objective import Objective, widen, width

_EPOCHS_A_CALL = 10
_LEAST_ROWS = 1024
_HELD_OUT = 0.2
_TOGETHER = (0, 0, None, None, 0, 0, 0, 0, None, None, 0, 0, None, None, None)
"""The axis of each argument of `_epochs` that counts networks."""
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Trained:
    """Networks after training.

    Attributes
    ----------
    params : list of K pytrees
        With the smallest held-out loss.
    loss : ndarray, shape (K,)
        That loss; infinite for a network that never had a finite one.
    history : ndarray, shape (calls, K)
        Held-out loss after each call.
    skipped : ndarray, shape (K,)
        Steps left out because their loss or gradient was not finite, where that is guarded against.
    """

    params: list[Any]
    loss: np.ndarray
    history: np.ndarray
    skipped: np.ndarray


def _optimiser(rate: Any, guard: bool) -> Any:
    import optax

    plain = optax.chain(optax.clip_by_global_norm(5.0), optax.amsgrad(rate))
    return optax.apply_if_finite(plain, _NEVER) if guard else plain


@partial(kernel, static=("guard",))
def _memory(params, *, guard):
    """The optimiser's state at the start; its shape does not depend on the rate."""
    import jax
    from jax.flatten_util import ravel_pytree

    return jax.vmap(lambda own: _optimiser(1.0, guard).init(ravel_pytree(own)[0]))(params)


@partial(kernel, static=("objective", "batch", "epochs", "guard"))
def _epochs(
    params, memory, X, Z, y, train, watched, held, tau, margin, penalty, rate, seed, number, steps,
    *, objective, batch, epochs, guard,
):  # fmt: skip
    """A few epochs of every network; parameters, optimiser states and losses on the rows `watched`."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax.flatten_util import ravel_pytree

    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), epochs)

    def one(params, memory, y, train, watched, held, penalty, rate):
        optimiser = _optimiser(rate, guard)
        # One vector of all parameters: the optimiser is compiled for one array.
        flat, unravel = ravel_pytree(params)
        count = jnp.maximum((train > 0).sum(), 1)

        def epoch(state, key):
            order, drop = jax.random.split(key)
            # Rows of training weight come first; batches wrap round them, so that every batch is full.
            mixed = jnp.argsort(jax.random.uniform(order, (X.shape[0],)) - (train > 0))

            def step(number, state):
                now, kept = state
                rows = mixed[(number * batch + jnp.arange(batch)) % count]
                part = (X[rows], Z[rows], y[rows], train[rows])
                one_key = jax.random.fold_in(drop, number)
                of = lambda v: objective.loss(unravel(v), part, tau, margin, penalty, one_key)  # noqa: E731
                value, slope = jax.value_and_grad(of)(now)
                if guard:
                    # A loss that is no number may have a finite slope.
                    slope = jnp.where(jnp.isfinite(value), slope, jnp.nan)
                update, kept = optimiser.update(slope, kept, now)
                return optax.apply_updates(now, update), kept

            return jax.lax.fori_loop(0, steps, step, state), None

        (flat, memory), _ = jax.lax.scan(epoch, (flat, memory), keys)
        params = unravel(flat)
        aside = (X[watched], Z[watched], y[watched], held)
        return params, memory, objective.held_out(params, aside, tau, margin, penalty)

    return jax.vmap(one)(params, memory, y, train, watched, held, penalty, rate)


def train(objective: Objective, start: Any, X: np.ndarray, *given: Any, **settings: Any) -> list[Any]:
    """Parameters with the smallest held-out loss, for each of K networks; arguments as of `train_networks`."""
    return train_networks(objective, start, X, *given, **settings).params


def train_networks(
    objective: Objective,
    start: Any,
    X: np.ndarray,
    Z: np.ndarray | None,
    y: np.ndarray,
    w: np.ndarray,
    tau: np.ndarray,
    *,
    margin: np.ndarray | None = None,
    penalty: float | np.ndarray = 0.0,
    rate: float = 1e-3,
    most_epochs: int = 500,
    patience: int = 5,
    plateau: int | None = None,
    gain: float = 1e-6,
    epochs_a_call: int = _EPOCHS_A_CALL,
    batch: int | None = None,
    guard: bool = False,
    seed: int = 0,
    progress: Callable[[Iterable[int]], Iterable[int]] = partial(progress_bar, label="training the networks"),  # noqa: B008
) -> Trained:
    """Train K networks at once.

    Parameters
    ----------
    start : pytree
        Where every network starts.
    X : (n, d)
    Z : (n, J, m), or None
        What further the loss reads of each row.
    y, w : (K, n)
        Outcomes and weights of each network; a weight of zero leaves the row out.
    tau : (m,)
        Levels of the held-out loss, and of networks with one output per level.
    margin : (m, m), optional
        Distance that levels k < l should keep, for the crossing penalty.
    penalty : float or (K,)
    patience : int
        Calls without improvement before a network stops.
    plateau : int, optional
        Calls without improvement before its rate is halved; never, by default.
    gain : float
        Share of the loss by which rows held out must gain for a call to count as better.
    epochs_a_call : int
        Epochs between two looks at the held-out rows.
    batch : int, optional
        Rows per step; by default more for more rows, from 16 to 128.
    guard : bool
        Leave out steps whose loss or gradient is not finite, and count them.
    progress : callable, optional
        Goes through the numbers of calls, as `backend.progress_bar` does.

    Returns
    -------
    Trained
    """
    import jax

    (K, n), d = w.shape, X.shape[1]
    size = max(bucket(n), _LEAST_ROWS)
    batch = batch or batch_size(n)
    held = held_out(w, seed)
    steps = np.int32(max(1, -(-int(((w > 0) & ~held).sum(axis=1).max()) // batch)))
    watched, aside = _rows_of(held, w)
    X = pad_axis(pad_axis(X, width(d), axis=1), size)
    Z = pad_axis(np.empty((n, 0, 0)) if Z is None else Z, size)
    y, training = (pad_axis(a, size, axis=1) for a in (y, w * ~held))
    margin = np.zeros((len(tau), len(tau))) if margin is None else margin
    penalties, rates = np.broadcast_to(np.float64(penalty), (K,)), np.full(K, float(rate))
    best = params = jax.tree.map(lambda a: np.repeat(a[None], K, axis=0), widen(objective, start, d))
    memory, lowest, waited, flat = _memory(params, guard=guard), np.full(K, np.inf), np.zeros(K, int), np.zeros(K, int)
    history = []
    for number in progress(range(-(-most_epochs // epochs_a_call))):
        params, memory, value = over_models(
            _epochs, params, memory, X, Z, y, training, watched, aside, tau, margin, penalties, rates,
            np.uint32(seed % 2**32), np.int32(number), steps, together=_TOGETHER,
            objective=objective, batch=batch, epochs=epochs_a_call, guard=guard,
        )  # fmt: skip
        history.append(value)
        better = (waited < patience) & (value < lowest - gain * np.abs(value))
        best = jax.tree.map(partial(_where, better), params, best)
        lowest, waited = np.where(better, value, lowest), np.where(better, 0, waited + 1)
        if plateau is not None:
            flat = np.where(better, 0, flat + 1)
            rates, flat = np.where(flat > plateau, rates / 2, rates), np.where(flat > plateau, 0, flat)
        if (waited >= patience).all():
            break
    found = [_narrow(objective, jax.tree.map(lambda a, k=k: a[k], best), d) for k in range(K)]
    skipped = memory.total_notfinite if guard else np.zeros(K, int)
    return Trained(found, lowest, np.array(history), np.asarray(skipped))


def _rows_of(held: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and weights of the rows set aside by each network, padded with row 0 of weight zero, (K, m) each."""
    length = bucket(int(held.sum(axis=1).max()))
    numbers, weights = np.zeros((len(held), length), np.int32), np.zeros((len(held), length))
    for k, own in enumerate(held):
        rows = np.flatnonzero(own)
        numbers[k, : len(rows)], weights[k, : len(rows)] = rows, w[k, rows]
    return numbers, weights


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


def _narrow(objective: Objective, params: Any, features: int) -> Any:
    if objective.kind == "global":
        return params
    (matrix, bias), *rest = params
    return [(matrix[:features], bias), *rest]
