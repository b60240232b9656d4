"""Mixture density network: a conditional normal mixture whose parameters are a neural network of the covariates.

Bishop (1994). Two hidden layers by default; trained by Adam on minibatches of the weighted log likelihood, with
the parameters of the epoch that did best on a held-out tenth of the rows kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from statinf.backend import bucket, chunks, generator, kernel, pad_axis, rows_per_chunk
from statinf.errors import ConvergenceError, DataError, OptionError
from statinf.learners.base import check_rows
from statinf.numerics.normal_mixture import NormalMixture

_SMALLEST_LOG_SCALE = -7.0
"""Of the standardised outcome: a component narrower than this sits on a single point."""


def _split(out: Any, components: int) -> tuple[Any, Any, Any]:
    return out[..., :components], out[..., components : 2 * components], out[..., 2 * components :]


def _loss(params: Any, X: Any, y: Any, w: Any, components: int) -> Any:
    """Weighted mean of minus the log density, up to its constant."""
    import jax
    import jax.numpy as jnp

    hidden = X
    for matrix, bias in params[:-1]:
        hidden = jnp.tanh(hidden @ matrix + bias)
    logits, means, log_scales = _split(hidden @ params[-1][0] + params[-1][1], components)
    log_scales = jnp.maximum(log_scales, _SMALLEST_LOG_SCALE)
    z = (y[:, None] - means) * jnp.exp(-log_scales)
    terms = jax.nn.log_softmax(logits) - log_scales - 0.5 * z**2
    return -jnp.sum(w * jax.nn.logsumexp(terms, axis=1)) / jnp.maximum(jnp.sum(w), 1e-300)


@partial(kernel, static=("components", "batch", "kept"))
def _train(
    start: Any,
    X: Any,
    y: Any,
    w: Any,
    held: Any,
    seed: Any,
    rate: Any,
    decay: Any,
    epochs: Any,
    *,
    components: int,
    batch: int,
    kept: int,
) -> Any:
    """Parameters of the best epoch, its held-out loss, and both losses by epoch, padded to `kept` rows."""
    import jax
    import jax.numpy as jnp
    import optax

    steps = X.shape[0] // batch
    total = epochs * steps
    optimiser = optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.adamw(lambda count: 0.5 * rate * (1.0 + jnp.cos(jnp.pi * count / total)), weight_decay=decay),
    )
    loss = partial(_loss, components=components)

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

    first = ((start, optimiser.init(start)), start, jnp.inf, jnp.zeros((kept, 2)))
    return jax.lax.fori_loop(0, epochs, epoch, first)[1:]


@dataclass(frozen=True)
class FittedMixtureDensityNetwork:
    """A trained network.

    Attributes
    ----------
    layers : tuple of (matrix, bias)
    components : int
    history : ndarray, shape (epochs, 2)
        Training and held-out minus log likelihood of the standardised outcome by epoch, up to a constant.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...] = field(repr=False)
    components: int
    centre: np.ndarray = field(repr=False)
    spread: np.ndarray = field(repr=False)
    location: float
    scale: float
    history: np.ndarray = field(repr=False)

    def mixture(self, X: np.ndarray) -> NormalMixture:
        """The conditional laws at rows X (n, p)."""
        X = (np.asarray(X, np.float64) - self.centre) / self.spread
        width = max(matrix.shape[1] for matrix, _ in self.layers)
        parts = []
        for part in chunks(len(X), rows_per_chunk(24.0 * width, 64 * 2**20)):
            hidden = X[part]
            for matrix, bias in self.layers[:-1]:
                hidden = np.tanh(hidden @ matrix + bias)
            parts.append(hidden @ self.layers[-1][0] + self.layers[-1][1])
        out = np.concatenate(parts) if parts else np.zeros((0, 3 * self.components))
        logits, means, log_scales = _split(out, self.components)
        scales = np.exp(np.maximum(log_scales, _SMALLEST_LOG_SCALE))
        return NormalMixture(softmax(logits, axis=1), self.location + self.scale * means, self.scale * scales)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional means (n,)."""
        return self.mixture(X).mean()

    def predict_scale(self, X: np.ndarray) -> np.ndarray:
        """Conditional standard deviations (n,)."""
        return self.mixture(X).std()

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t)."""
        return self.mixture(X).quantile(np.asarray(taus))

    def sample(self, X: np.ndarray, size: int, *, seed: int = 0, stream: int = 0) -> np.ndarray:
        """Draws (n, size) from the conditional laws."""
        return self.mixture(X).sample(size, seed=seed, stream=stream)


@dataclass(frozen=True)
class MixtureDensityNetwork:
    """Conditional density estimation by a neural mixture of normals.

    Parameters
    ----------
    components : int
        Normals in the mixture.
    hidden : tuple of int
        Units of the hidden layers.
    epochs : int
        Passes over the rows.
    rate : float
        Adam's first step size; it falls to zero by a cosine.
    batch : int
        Rows a step; a power of two of at most 256, so that padded rows divide into it.
    decay : float
        Weight decay.
    """

    predicts_scale: ClassVar[bool] = True

    components: int = 10
    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 200
    rate: float = 3e-3
    batch: int = 256
    decay: float = 1e-4

    def __post_init__(self) -> None:
        whole = {
            "components": self.components,
            "epochs": self.epochs,
            **{f"hidden[{i}]": h for i, h in enumerate(self.hidden)},
        }
        for name, value in whole.items():
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise OptionError(f"{name}={value!r} must be a whole number of at least 1.")
        if self.batch not in (16, 32, 64, 128, 256):
            raise OptionError(f"batch={self.batch!r} must be one of 16, 32, 64, 128, 256.")
        if not self.rate > 0:
            raise OptionError(f"rate={self.rate!r} must be positive.")

    def fit(
        self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0
    ) -> FittedMixtureDensityNetwork:
        """Train on X (n, p), y (n,), weights (n,); the seed draws the start, the batches and the held-out rows.

        Raises
        ------
        DataError
            If the outcome does not vary.
        ConvergenceError
            If the loss is not finite: a smaller `rate` helps.
        """
        X, y, w = check_rows(X, y, w)
        random = generator(seed, 23)
        centre, location = np.average(X, axis=0, weights=w), float(np.average(y, weights=w))
        spread = np.sqrt(np.average((X - centre) ** 2, axis=0, weights=w))
        spread = np.where(spread > 0, spread, 1.0)
        scale = float(np.sqrt(np.average((y - location) ** 2, weights=w)))
        if not scale > 0:
            raise DataError("The outcome does not vary; there is no conditional density to fit.")
        held = np.zeros(len(y), bool)
        held[random.permutation(len(y))[: max(1, len(y) // 10)]] = True
        if not (w[~held] > 0).any():
            raise DataError(f"{len(y)} rows are too few to train a density network on; use model='gaussian'.")
        length = bucket(len(y))
        rows = pad_axis((X - centre) / spread, length)
        outcome = pad_axis((y - location) / scale, length)
        unit = w / w.mean()
        start = self._start(X.shape[1], random)
        best, value, history = _train(
            start,
            rows,
            outcome,
            pad_axis(unit * ~held, length),
            pad_axis(unit * held, length),
            seed,
            np.float64(self.rate),
            np.float64(self.decay),
            self.epochs,
            components=self.components,
            batch=self.batch,
            kept=bucket(self.epochs),
        )
        if not np.isfinite(value):
            raise ConvergenceError(
                f"The density network's loss is not finite at rate={self.rate:g}; try rate={self.rate / 10:g}."
            )
        layers = tuple((np.asarray(matrix), np.asarray(bias)) for matrix, bias in best)
        return FittedMixtureDensityNetwork(
            layers, self.components, centre, spread, location, scale, history[: self.epochs]
        )

    def _start(self, columns: int, random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Random layers; the components' means spread over the outcome's range, their scales below it."""
        sizes = (columns, *self.hidden, 3 * self.components)
        layers = [
            (random.standard_normal((a, b)) / np.sqrt(max(a, 1)), np.zeros(b))
            for a, b in zip(sizes, sizes[1:], strict=False)
        ]
        matrix, bias = layers[-1]
        K = self.components
        bias[K : 2 * K] = np.linspace(-1.5, 1.5, K) if K > 1 else 0.0
        bias[2 * K :] = np.log(0.5) if K > 1 else 0.0
        layers[-1] = (0.1 * matrix, bias)
        return layers
