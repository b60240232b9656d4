"""A small dense network for a conditional mean or probability.

Hidden layers with tanh, trained by Adam on minibatches of the weighted squared error or logistic loss; the
parameters of the epoch that did best on a held-out tenth of the rows are kept. Early stopping of networks of this
kind gives nuisances fast enough for orthogonal scores (Farrell, Liang and Misra 2021, arXiv 1809.09953).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.backend import bucket, generator, pad_axis, progress_bar
from statinf.errors import ConvergenceError, DataError, one_of
from statinf.learners import training
from statinf.learners.base import check_rows
from statinf.numerics.glm.families import sigmoid

_TOGETHER = 8
"""Folds trained at once."""


def _squares(params: Any, X: Any, y: Any, w: Any) -> Any:
    import jax.numpy as jnp

    return jnp.sum(w * (y - training.outputs(params, X)[:, 0]) ** 2) / jnp.maximum(jnp.sum(w), 1e-300)


def _logistic(params: Any, X: Any, y: Any, w: Any) -> Any:
    import jax
    import jax.numpy as jnp

    eta = training.outputs(params, X)[:, 0]
    return jnp.sum(w * (jax.nn.softplus(eta) - y * eta)) / jnp.maximum(jnp.sum(w), 1e-300)


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network.

    Attributes
    ----------
    layers : tuple of (matrix, bias)
    task : {"mean", "probability"}
    history : ndarray, shape (epochs, 2)
        Training and held-out loss by epoch, of the standardised outcome for a mean.
    """

    layers: training.Layers = field(repr=False)
    task: str
    centre: np.ndarray = field(repr=False)
    spread: np.ndarray = field(repr=False)
    location: float
    scale: float
    history: np.ndarray = field(repr=False)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional means (n,): for a probability, of the outcome 1."""
        X = (np.asarray(X, np.float64) - self.centre) / self.spread
        out = training.predicted(self.layers, X)[:, 0]
        return sigmoid(out) if self.task == "probability" else self.location + self.scale * out

    @property
    def predict_proba(self) -> Any:
        """Probabilities (n,) of the outcome 1; for the task "probability" alone."""
        if self.task != "probability":
            raise AttributeError("a network for a mean predicts no probabilities; use Network(task='probability').")
        return self.predict


@dataclass(frozen=True)
class Network:
    """A dense network with early stopping.

    Parameters
    ----------
    task : {"mean", "probability"}
        Squared error, or logistic loss for outcomes in [0, 1].
    hidden : tuple of int
        Units of the hidden layers.
    epochs : int
        Passes over the rows.
    rate : float
        Adam's first step size; it falls to zero by a cosine.
    batch : int
        Rows a step: 16, 32, 64, 128 or 256, so that padded rows divide into it.
    decay : float
        Weight decay.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.learners import Network
    >>> x = np.linspace(-2, 2, 300)[:, None]
    >>> fitted = Network(epochs=100).fit(x, np.sin(2 * x[:, 0]))
    >>> bool(np.abs(fitted.predict(x) - np.sin(2 * x[:, 0])).mean() < 0.1)
    True
    """

    folds_together: ClassVar[bool] = True

    task: str = "mean"
    hidden: tuple[int, ...] = (32, 32)
    epochs: int = 150
    rate: float = 1e-2
    batch: int = 128
    decay: float = 1e-4

    def __post_init__(self) -> None:
        one_of("task", self.task, ("mean", "probability"))
        units = {f"hidden[{i}]": h for i, h in enumerate(self.hidden)}
        training.check_settings({"epochs": self.epochs, **units}, self.batch, self.rate)

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedNetwork:
        """Train on X (n, p), y (n,), weights (n,); the seed draws the start, the batches and the held-out rows.

        Raises
        ------
        DataError
            If there are too few rows, or outcomes outside [0, 1] for a probability.
        ConvergenceError
            If the loss is not finite: a smaller `rate` helps.
        """
        X, y, w = check_rows(X, y, w)
        keep = w > 0
        return self._train(X[keep], y[keep], w[keep][None], seed, [0])[0]

    def fit_folds(
        self, X: np.ndarray, y: np.ndarray, folds: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0
    ) -> list[FittedNetwork]:
        """One network a fold (n,), each without that fold's rows, several trained at once."""
        X, y, w = check_rows(X, y, w)
        count = int(folds.max()) + 1
        out: list[FittedNetwork] = []
        for start in progress_bar(range(0, count, _TOGETHER), label="networks of folds"):
            # Every call trains the same number, so that the last one compiles nothing.
            some = [min(start + i, count - 1) for i in range(min(_TOGETHER, count))]
            weights = np.stack([np.where(folds == k, 0.0, w) for k in some])
            out += self._train(X, y, weights, seed, some)[: count - start]
        return out

    def _train(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray, seed: int, streams: Sequence[int]
    ) -> list[FittedNetwork]:
        """Networks under each row of weights (k, n); features are standardised by the mean of the weights."""
        if self.task == "probability" and ((y < 0) | (y > 1)).any():
            raise DataError("A probability network needs outcomes between 0 and 1.")
        random = generator(seed, 31)
        held = training.held_out(len(y), random)
        for w in weights:
            training.check_training(w, held, "a network")
        centre, spread = training.standard_units(X, weights.mean(axis=0))
        units = np.array([self._units(y, w) for w in weights])
        length = bucket(len(y))
        unit = weights / weights.mean(axis=1, keepdims=True)
        starts = [
            training.start_layers((X.shape[1], *self.hidden, 1), generator(seed, 31, stream)) for stream in streams
        ]
        stacked = [tuple(np.stack([s[i][j] for s in starts]) for j in (0, 1)) for i in range(len(starts[0]))]
        best, value, history = training.train_together(
            stacked,
            pad_axis((X - centre) / spread, length),
            pad_axis((y - units[:, :1]) / units[:, 1:], length, axis=1),
            pad_axis(unit * ~held, length, axis=1),
            pad_axis(unit * held, length, axis=1),
            np.array([seed + stream for stream in streams]),
            (np.float64(self.rate), np.float64(self.decay), self.epochs),
            loss=_logistic if self.task == "probability" else _squares,
            batch=self.batch,
            kept=bucket(self.epochs),
        )
        if not np.isfinite(value).all():
            raise ConvergenceError(f"The network's loss is not finite at rate={self.rate:g}; try {self.rate / 10:g}.")
        return [
            FittedNetwork(
                tuple((np.asarray(matrix)[k], np.asarray(bias)[k]) for matrix, bias in best),
                self.task,
                centre,
                spread,
                float(units[k, 0]),
                float(units[k, 1]),
                np.asarray(history)[k, : self.epochs],
            )
            for k in range(len(weights))
        ]

    def _units(self, y: np.ndarray, w: np.ndarray) -> tuple[float, float]:
        if self.task == "probability":
            return 0.0, 1.0
        location, scale = training.standard_units(y[:, None], w)
        return float(location[0]), float(scale[0])
