"""Training of small dense networks: Adam on minibatches, the epoch that did best on held-out rows kept.

Rows are padded to buckets and held-out, left-out and padded rows are weights of zero, so that a second training of
similar size compiles nothing and several trainings on the same rows are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import chunks, kernel, over_models, progress_bar, rows_per_chunk, x64
from statinf.errors import DataError, OptionError

BATCHES = (16, 32, 64, 128, 256)
_CALLS = 20
Layers = tuple[tuple[np.ndarray, np.ndarray], ...]


def outputs(params: Any, X: Any) -> Any:
    """Output units (n, k) of layers with tanh between them, on whatever arrays they are."""
    import jax.numpy as jnp

    hidden = X
    for matrix, bias in params[:-1]:
        hidden = jnp.tanh(hidden @ matrix + bias)
    return hidden @ params[-1][0] + params[-1][1]


def predicted(layers: Layers, X: np.ndarray) -> np.ndarray:
    """`outputs` of trained layers in NumPy, by blocks of rows, shape (n, k)."""
    width = max(matrix.shape[1] for matrix, _ in layers)
    out = np.empty((len(X), layers[-1][0].shape[1]))
    for part in chunks(len(X), rows_per_chunk(24.0 * width, 64 * 2**20)):
        hidden = X[part]
        for matrix, bias in layers[:-1]:
            hidden = np.tanh(hidden @ matrix + bias)
        out[part] = hidden @ layers[-1][0] + layers[-1][1]
    return out


def _optimiser(rate: Any, decay: Any, total: Any) -> Any:
    import jax.numpy as jnp
    import optax

    return optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.adamw(lambda count: 0.5 * rate * (1.0 + jnp.cos(jnp.pi * count / total)), weight_decay=decay),
    )


def _one(carry: Any, X: Any, y: Any, w: Any, held: Any, seed: Any, setting: Any, span: Any, *, loss: Any, batch: int):
    """Some epochs of one training; carried are parameters, the optimiser's memory, the best parameters and losses."""
    import jax
    import jax.numpy as jnp
    import optax

    rate, decay, epochs = setting
    steps = X.shape[0] // batch
    optimiser = _optimiser(rate, decay, epochs * steps)

    def step(state: Any, rows: Any) -> Any:
        params, memory = state
        value, slope = jax.value_and_grad(loss)(params, X[rows], y[rows], w[rows])
        update, memory = optimiser.update(slope, memory, params)
        return (optax.apply_updates(params, update), memory), value

    def epoch(number: Any, carry: Any) -> Any:
        state, best, best_value, history = carry
        key = jax.random.fold_in(jax.random.key(seed), number)
        order = jax.random.permutation(key, X.shape[0]).reshape(steps, batch)
        state, values = jax.lax.scan(step, state, order)
        value = loss(state[0], X, y, held)
        better = value < best_value
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state[0], best)
        history = history.at[number].set(jnp.stack([values.mean(), value]))
        return state, best, jnp.where(better, value, best_value), history

    return jax.lax.fori_loop(span[0], span[1], epoch, carry)


some_epochs = kernel(_one, static=("loss", "batch"))


@partial(kernel, static=("loss", "batch"))
def epochs_together(
    carry: Any, X: Any, y: Any, w: Any, held: Any, seed: Any, setting: Any, span: Any, *, loss: Any, batch: int
) -> Any:
    import jax

    each = partial(_one, loss=loss, batch=batch)
    return jax.vmap(each, in_axes=(0, None, 0, 0, 0, 0, None, None))(carry, X, y, w, held, seed, setting, span)


def _carried(start: Any, kept: int, models: tuple[int, ...]) -> Any:
    """What training begins with: the optimiser's memory is zero."""
    import jax

    with x64():
        memory = jax.eval_shape(_optimiser(1.0, 0.0, 1).init, start)
    # counts of steps are one a model
    memory = jax.tree.map(lambda leaf: np.zeros(leaf.shape or models, leaf.dtype), memory)
    return (start, memory), start, np.full(models, np.inf), np.zeros((*models, kept, 2))


def train(
    start: Any,
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    held: np.ndarray,
    seed: int,
    setting: tuple[Any, ...],
    *,
    loss: Any,
    batch: int,
    kept: int,
) -> Any:
    """Parameters of the best epoch, its held-out loss, and both losses by epoch, padded to `kept` rows.

    Parameters
    ----------
    start : sequence of (matrix, bias)
    X, y, w, held : arrays of n rows
        Features, outcomes, training weights and held-out weights; n is a multiple of `batch`.
    seed : int
    setting : tuple
        Adam's first step size, weight decay, and the number of epochs.
    loss : callable
        ``loss(params, X, y, w)``; the same object for the same loss, as it is part of what is compiled.
    batch, kept : int
    """
    carry = _carried(start, kept, ())
    for span in _spans(setting[2]):
        carry = some_epochs(carry, X, y, w, held, seed, setting, span, loss=loss, batch=batch)
    return carry[1:]


def train_together(
    start: Any,
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    held: np.ndarray,
    seed: np.ndarray,
    setting: tuple[Any, ...],
    *,
    loss: Any,
    batch: int,
    kept: int,
) -> Any:
    """Several trainings on the same features at once: everything but `X` and `setting` has them as its first axis."""
    carry = _carried(start, kept, (len(seed),))
    together = (0, None, 0, 0, 0, 0, None, None)
    for span in _spans(setting[2]):
        carry = over_models(
            epochs_together, carry, X, y, w, held, seed, setting, span, together=together, loss=loss, batch=batch
        )
    return carry[1:]


def _spans(epochs: int) -> Iterator[tuple[np.int32, np.int32]]:
    """First and last epoch of the calls, which a bar counts."""
    step = -(-epochs // _CALLS)
    for first in progress_bar(range(0, epochs, step), label="training the network"):
        yield np.int32(first), np.int32(min(first + step, epochs))


def held_out(n: int, random: np.random.Generator) -> np.ndarray:
    """A random tenth of n rows, at least one, shape (n,) bool."""
    held = np.zeros(n, bool)
    held[random.permutation(n)[: max(1, n // 10)]] = True
    return held


def start_layers(sizes: Sequence[int], random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random layers of unit output variance; the last is small, so that the first predictions are close to the mean."""
    layers = [
        (random.standard_normal((a, b)) / np.sqrt(max(a, 1)), np.zeros(b))
        for a, b in zip(sizes, sizes[1:], strict=False)
    ]
    matrix, bias = layers[-1]
    layers[-1] = (0.1 * matrix, bias)
    return layers


def standard_units(X: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of columns, one where a column does not vary."""
    centre = np.average(X, axis=0, weights=w)
    spread = np.sqrt(np.average((X - centre) ** 2, axis=0, weights=w))
    return centre, np.where(spread > 0, spread, 1.0)


def check_settings(counts: dict[str, Any], batch: int, rate: float) -> None:
    """Raise an `OptionError` for a network that cannot be trained."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise OptionError(f"{name}={value!r} must be a whole number of at least 1.")
    if batch not in BATCHES:
        raise OptionError(f"batch={batch!r} must be one of {', '.join(map(str, BATCHES))}.")
    if not rate > 0:
        raise OptionError(f"rate={rate!r} must be positive.")


def check_training(w: np.ndarray, held: np.ndarray, what: str) -> None:
    """Raise a `DataError` unless rows of positive weight are left both to train on and to hold out."""
    if not (w[~held] > 0).any() or not (w[held] > 0).any():
        raise DataError(f"{len(w)} rows are too few to train {what} on beside a held-out tenth; use a simpler model.")
