"""Conditional variational autoencoder: a latent variable, close to standard normal given x, from which outcomes are decoded.

Kingma and Welling (2014); Sohn, Lee and Yan (2015), with the loss of Feldman, Bates and Romano (2021, arXiv 2110.00816): mean
squared reconstruction plus a small multiple of the Kullback-Leibler divergence from the standard normal law. Leaky-ReLU
networks, Adam on minibatches, stopped where rows held out have not gained for a while; the best epoch's parameters
are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import bucket, generator, kernel, pad_axis, progress_bar
from statinf.errors import ConvergenceError
from statinf.learners import training

_EPOCHS_A_CALL, _STEEPEST = 10, 5.0
_SLOPE = 0.01
_LEAST_LOG_VARIANCE = -20.0
_LEAST_GAIN = 1e-4
"""Share of the loss by which rows held out must gain for an epoch to count as better."""
Layers = training.Layers


def _outputs(params: Any, X: Any) -> Any:
    import jax

    hidden = X
    for matrix, bias in params[:-1]:
        hidden = jax.nn.leaky_relu(hidden @ matrix + bias, _SLOPE)
    return hidden @ params[-1][0] + params[-1][1]


def _loss(params: Any, X: Any, Y: Any, w: Any, noise: Any, kl: Any) -> Any:
    """Weighted mean of squared reconstruction errors and `kl` times the divergence."""
    import jax.numpy as jnp

    encoder, decoder = params
    mean, log_variance = jnp.split(_outputs(encoder, jnp.concatenate([Y, X], axis=1)), 2, axis=1)
    log_variance = jnp.clip(log_variance, _LEAST_LOG_VARIANCE, -_LEAST_LOG_VARIANCE)
    z = mean + jnp.exp(0.5 * log_variance) * noise
    made = _outputs(decoder, jnp.concatenate([z, X], axis=1))
    divergence = -0.5 * jnp.sum(1.0 + log_variance - mean**2 - jnp.exp(log_variance), axis=1)
    each = jnp.mean((made - Y) ** 2, axis=1) + kl * divergence
    return jnp.sum(w * each) / jnp.maximum(jnp.sum(w), 1e-300)


@kernel
def _memory(params: Any) -> Any:
    import optax

    # Its shape does not depend on the rate.
    return optax.chain(optax.clip_by_global_norm(_STEEPEST), optax.adam(1.0)).init(params)


@partial(kernel, static=("batch",))
def _epochs(params: Any, memory: Any, X: Any, Y: Any, train: Any, held: Any, still: Any, setting: Any, *, batch: int):
    """A few epochs; parameters, the optimiser's state and the loss on rows held out, under the same noise each time."""
    import jax
    import jax.numpy as jnp
    import optax

    seed, number, steps, rate, kl = setting
    optimiser = optax.chain(optax.clip_by_global_norm(_STEEPEST), optax.adam(rate))
    count = jnp.maximum(train.sum().astype(int), 1)

    def epoch(state: Any, key: Any) -> Any:
        order, draw = jax.random.split(key)
        # Training rows come first; batches wrap round them, so that every batch is full.
        mixed = jnp.argsort(jax.random.uniform(order, (X.shape[0],)) - train)

        def step(i: Any, state: Any) -> Any:
            now, kept = state
            rows = mixed[(i * batch + jnp.arange(batch)) % count]
            noise = jax.random.normal(jax.random.fold_in(draw, i), (batch, still.shape[1]))
            slope = jax.grad(_loss)(now, X[rows], Y[rows], train[rows], noise, kl)
            update, kept = optimiser.update(slope, kept, now)
            return optax.apply_updates(now, update), kept

        return jax.lax.fori_loop(0, steps, step, state), None

    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), _EPOCHS_A_CALL)
    (params, memory), _ = jax.lax.scan(epoch, (params, memory), keys)
    return params, memory, _loss(params, X, Y, held, still, kl)


@dataclass(frozen=True)
class FittedCvae:
    """A trained encoder and decoder.

    Attributes
    ----------
    encoder, decoder : tuple of (matrix, bias)
    centre, spread : ndarray, shape (p,)
        Of the covariates.
    history : ndarray, shape (calls,)
        Loss on rows held out after every ten epochs.
    """

    encoder: Layers = field(repr=False)
    decoder: Layers = field(repr=False)
    centre: np.ndarray = field(repr=False)
    spread: np.ndarray = field(repr=False)
    history: np.ndarray = field(repr=False)

    @property
    def r(self) -> int:
        """Dimension of the latent variable."""
        return self.encoder[-1][0].shape[1] // 2

    def encode(self, Y: np.ndarray, X: np.ndarray, seed: int) -> np.ndarray:
        """Draws (n, r) of the latent variable given outcomes (n, d) and covariates (n, p)."""
        (matrix, bias), *rest = self.encoder
        out = _onward(np.column_stack([Y, self._scaled(X)]) @ matrix + bias, rest)
        mean, log_variance = out[:, : self.r], np.clip(out[:, self.r :], _LEAST_LOG_VARIANCE, -_LEAST_LOG_VARIANCE)
        return mean + np.exp(0.5 * log_variance) * generator(seed, 89).standard_normal(mean.shape)

    def decode(self, Z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Outcomes (G, d) of latent points (G, r) at one row of covariates (p,)."""
        (matrix, bias), *rest = self.decoder
        return _onward(Z @ matrix[: self.r] + (self._scaled(x) @ matrix[self.r :] + bias), rest)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return (np.asarray(X, np.float64) - self.centre) / self.spread


@dataclass(frozen=True)
class Cvae:
    """A conditional variational autoencoder.

    Parameters
    ----------
    r : int
        Dimension of the latent variable.
    kl : float
        Multiple of the divergence in the loss.
    hidden : tuple of int
        Units of the hidden layers of encoder and decoder.
    epochs : int
        Most passes over the rows.
    patience : int
        Passes without a gain on rows held out before training stops.
    rate : float
        Adam's step size.
    batch : int
        Rows per step.
    """

    r: int = 3
    kl: float = 0.01
    hidden: tuple[int, ...] = (64, 64, 64)
    epochs: int = 300
    patience: int = 60
    rate: float = 2e-3
    batch: int = 256

    def __post_init__(self) -> None:
        units = {f"hidden[{i}]": h for i, h in enumerate(self.hidden)}
        training.check_settings({"r": self.r, "epochs": self.epochs, **units}, self.batch, self.rate)

    def fit(
        self, X: np.ndarray, Y: np.ndarray, held: np.ndarray, *, seed: int = 0, progress: bool | None = None
    ) -> FittedCvae:
        """Train on X (n, p) and standardised outcomes Y (n, d), stopping by the rows `held` (n,) of booleans.

        Raises
        ------
        DataError
            If no rows are left to train on, or to hold out.
        ConvergenceError
            If the loss is not finite: a smaller `rate` helps.
        """
        training.check_training(np.ones(len(Y)), held, "an autoencoder")
        n, d = Y.shape
        centre, spread = training.standard_units(X[~held], np.ones(int((~held).sum())))
        params = self._start(X.shape[1], d, generator(seed, 79))
        size = bucket(n)
        batch = min(self.batch, size)
        steps = np.int64(max(1, -(-int((~held).sum()) // batch)))
        columns = (X - centre) / spread, Y, (~held).astype(float), held.astype(float)
        arrays = [pad_axis(column, size) for column in columns]
        still = pad_axis(generator(seed, 97).standard_normal((n, self.r)), size)
        memory, best, lowest, waited, history = _memory(params), params, np.inf, 0, []
        calls = range(-(-self.epochs // _EPOCHS_A_CALL))
        for number in progress_bar(calls, label="training the autoencoder", show=progress):
            setting = (np.uint32(seed % 2**32), np.int64(number), steps, np.float64(self.rate), np.float64(self.kl))
            params, memory, value = _epochs(params, memory, *arrays, still, setting, batch=batch)
            history.append(float(value))
            better = value < lowest - _LEAST_GAIN * abs(value)
            best, lowest, waited = (params, float(value), 0) if better else (best, lowest, waited + _EPOCHS_A_CALL)
            if waited >= self.patience:
                break
        if not np.isfinite(lowest):
            raise ConvergenceError(
                f"The autoencoder's loss is not finite at rate={self.rate:g}; try {self.rate / 10:g}."
            )
        encoder, decoder = (tuple((np.asarray(m), np.asarray(b)) for m, b in layers) for layers in best)
        return FittedCvae(encoder, decoder, centre, spread, np.array(history))

    def _start(self, p: int, d: int, random: np.random.Generator) -> tuple[Any, Any]:
        encoder = training.start_layers((d + p, *self.hidden, 2 * self.r), random)
        decoder = training.start_layers((self.r + p, *self.hidden, d), random)
        return encoder, decoder


def _onward(hidden: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """What further layers make of the first one's units (n, h), in NumPy."""
    for matrix, bias in layers:
        hidden = np.maximum(hidden, _SLOPE * hidden) @ matrix + bias
    return hidden
