"""Conditional variational autoencoder: a latent variable, close to standard normal given x, from which outcomes are decoded.

Kingma and Welling (2014); Sohn, Lee and Yan (2015), with the loss of Feldman, Bates and Romano (2021, arXiv 2110.00816): mean
squared reconstruction plus a small multiple of the Kullback-Leibler divergence from the standard normal law. Leaky-ReLU
networks, Adam on minibatches, stopped where rows held out have not gained for a while; the best epoch's parameters
are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.backend import bucket, generator, kernel, pad_axis, progress_bar
from statinf.errors import ConvergenceError
from statinf.learners import training
from statinf.learners.quantile_training import batch_size

_EPOCHS_A_CALL, _STEEPEST = 10, 5.0
_SLOPE = 0.01
_LEAST_LOG_VARIANCE = -20.0
_LEAST_GAIN = 1e-4
"""Share of the loss by which rows held out must gain for an epoch to count as better."""


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
    """The optimiser's state at the start; its shape does not depend on the rate."""
    import optax
    from jax.flatten_util import ravel_pytree

    return optax.chain(optax.clip_by_global_norm(_STEEPEST), optax.adam(1.0)).init(ravel_pytree(params)[0])


@kernel
def _steps(params: Any, memory: Any, X: Any, Y: Any, held: Any, still: Any, rows: Any, noise: Any, rate: Any, kl: Any):
    """A step for each batch of rows (steps, batch) with its noise (steps, batch, r).

    Returns parameters, the optimiser's state, and the loss on rows held out under noise that is the same in every call.
    """
    import jax
    import jax.numpy as jnp
    import optax
    from jax.flatten_util import ravel_pytree

    optimiser = optax.chain(optax.clip_by_global_norm(_STEEPEST), optax.adam(rate))
    equal = jnp.ones(rows.shape[1])
    # One vector of all parameters: the optimiser is compiled for one array.
    start, unravel = ravel_pytree(params)

    def step(state: Any, batch: Any) -> Any:
        now, kept = state
        at, draws = batch
        slope = jax.grad(lambda flat: _loss(unravel(flat), X[at], Y[at], equal, draws, kl))(now)
        update, kept = optimiser.update(slope, kept, now)
        return (optax.apply_updates(now, update), kept), None

    (flat, memory), _ = jax.lax.scan(step, (start, memory), (rows, noise))
    found = unravel(flat)
    return found, memory, _loss(found, X, Y, held, still, kl)


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

    encoder: training.Layers = field(repr=False)
    decoder: training.Layers = field(repr=False)
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
    batch : int, optional
        Rows per step, a power of two of at most 256; by default more for more rows, from 16 to 128.
    """

    r: int = 3
    kl: float = 0.01
    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 300
    patience: int = 60
    rate: float = 2e-3
    batch: int | None = None

    def __post_init__(self) -> None:
        units = {f"hidden[{i}]": h for i, h in enumerate(self.hidden)}
        training.check_settings({"r": self.r, "epochs": self.epochs, **units}, self.batch or 16, self.rate)

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
        size, random = bucket(n), generator(seed, 97)
        batch = self.batch or batch_size(n)
        columns = (X - centre) / spread, Y, held.astype(float), random.standard_normal((n, self.r))
        arrays = [pad_axis(column, size) for column in columns]
        memory, best, lowest, waited, history = _memory(params), params, np.inf, 0, []
        calls = range(-(-self.epochs // _EPOCHS_A_CALL))
        for _ in progress_bar(calls, label="training the autoencoder", show=progress):
            batches = self._batches(np.flatnonzero(~held), batch, random)
            params, memory, value = _steps(
                params, memory, *arrays, *batches, np.float64(self.rate), np.float64(self.kl)
            )
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

    def _batches(self, rows: np.ndarray, batch: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the batches of a few epochs, each full: what an epoch lacks it takes from its own beginning; and noise."""
        steps = -(-len(rows) // batch)
        order = [np.resize(random.permutation(rows), (steps, batch)) for _ in range(_EPOCHS_A_CALL)]
        drawn = np.concatenate(order)
        return drawn, random.standard_normal((*drawn.shape, self.r))

    def _start(self, p: int, d: int, random: np.random.Generator) -> tuple[Any, Any]:
        encoder = training.start_layers((d + p, *self.hidden, 2 * self.r), random)
        decoder = training.start_layers((self.r + p, *self.hidden, d), random)
        return encoder, decoder


def _onward(hidden: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """What further layers make of the first one's units (n, h), in NumPy."""
    for matrix, bias in layers:
        hidden = np.maximum(hidden, _SLOPE * hidden) @ matrix + bias
    return hidden
