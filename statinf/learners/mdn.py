"""Mixture density network: a conditional normal mixture whose parameters are a neural network of the covariates.

Bishop (1994). Two hidden layers by default; trained by Adam on minibatches of the weighted log likelihood, with
the parameters of the epoch that did best on a held-out tenth of the rows kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from statinf.backend import bucket, generator, pad_axis
from statinf.errors import ConvergenceError, DataError
from statinf.learners import training
from statinf.learners.base import check_rows
from statinf.numerics.laws.normal_mixture import NormalMixture

_SMALLEST_LOG_SCALE = -7.0
"""Of the standardised outcome: a component narrower than this sits on a single point."""


def _split(out: Any, components: int) -> tuple[Any, Any, Any]:
    return out[..., :components], out[..., components : 2 * components], out[..., 2 * components :]


@cache
def _loss_of(components: int) -> Any:
    """The loss of so many components, one object for each number: it is part of what is compiled."""

    def loss(params: Any, X: Any, y: Any, w: Any) -> Any:
        """Weighted mean of minus the log density, up to its constant."""
        import jax
        import jax.numpy as jnp

        logits, means, log_scales = _split(training.outputs(params, X), components)
        log_scales = jnp.maximum(log_scales, _SMALLEST_LOG_SCALE)
        z = (y[:, None] - means) * jnp.exp(-log_scales)
        terms = jax.nn.log_softmax(logits) - log_scales - 0.5 * z**2
        return -jnp.sum(w * jax.nn.logsumexp(terms, axis=1)) / jnp.maximum(jnp.sum(w), 1e-300)

    return loss


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
        out = training.predicted(self.layers, X)
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
        units = {f"hidden[{i}]": h for i, h in enumerate(self.hidden)}
        training.check_settings({"components": self.components, "epochs": self.epochs, **units}, self.batch, self.rate)

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
        centre, spread = training.standard_units(X, w)
        location = float(np.average(y, weights=w))
        scale = float(np.sqrt(np.average((y - location) ** 2, weights=w)))
        if not scale > 0:
            raise DataError("The outcome does not vary; there is no conditional density to fit.")
        held = training.held_out(len(y), random)
        training.check_training(w, held, "a density network")
        length = bucket(len(y))
        unit = w / w.mean()
        best, value, history = training.train(
            self._start(X.shape[1], random),
            pad_axis((X - centre) / spread, length),
            pad_axis((y - location) / scale, length),
            pad_axis(unit * ~held, length),
            pad_axis(unit * held, length),
            seed,
            (np.float64(self.rate), np.float64(self.decay), self.epochs),
            loss=_loss_of(self.components),
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
        layers = training.start_layers((columns, *self.hidden, 3 * self.components), random)
        bias, K = layers[-1][1], self.components
        bias[K : 2 * K] = np.linspace(-1.5, 1.5, K) if K > 1 else 0.0
        bias[2 * K :] = np.log(0.5) if K > 1 else 0.0
        return layers
