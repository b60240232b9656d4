"""Small networks for quantiles: what they predict and the loss they are trained for.

Learners of quantiles, and weights of their aggregation that vary with the features; `quantile_training` fits them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from statinf.backend import generator, kernel, pad_axis

RESOLUTIONS = ("coarse", "medium", "fine")
_LEAST_WIDTH = 16
_SMALLEST_SD = 1e-3


class Objective(Protocol):
    """What `quantile_training` asks of a network; hashable, as it is part of what is compiled."""

    @property
    def kind(self) -> str:
        """Of network."""
        ...

    def loss(self, params: Any, data: Any, tau: Any, margin: Any, penalty: Any, key: Any = None) -> Any:
        """Weighted mean loss of rows `data`: features, further arrays, outcomes and weights; `key` draws what is random."""
        ...

    def held_out(self, params: Any, data: Any, tau: Any, margin: Any, penalty: Any) -> Any:
        """The loss by which the best epoch is chosen."""
        ...


@dataclass(frozen=True)
class QuantileObjective:
    """What a network is trained for.

    Attributes
    ----------
    kind : {"quantiles", "gaussian", "global", "local"}
        A network with one output per level; a conditional normal law; aggregation weights that are constant or
        the output of a network.
    resolution : {"coarse", "medium", "fine"}
        Of the aggregation weights.
    dropout : float
        Share of hidden units dropped in training.
    """

    kind: str
    resolution: str = "fine"
    dropout: float = 0.0

    def quantiles(self, params: Any, X: Any, Z: Any, tau: Any, key: Any = None) -> Any:
        """Quantiles, shape (rows, m), from features (rows, d) and base predictions (rows, J, m)."""
        import jax
        import jax.numpy as jnp

        if self.kind == "quantiles":
            return self._forward(params, X, key)
        if self.kind == "gaussian":
            out = self._forward(params, X, key)
            sd = jax.nn.softplus(out[:, 1:]) + _SMALLEST_SD
            return out[:, :1] + sd * jax.scipy.special.ndtri(tau)[None]
        J, m = Z.shape[1:]
        logits = params if self.kind == "global" else self._forward(params, X, key)
        if self.resolution == "coarse":
            return jnp.einsum("...j,njk->nk" if self.kind == "global" else "nj,njk->nk", jax.nn.softmax(logits, -1), Z)
        if self.resolution == "medium":
            weights = jax.nn.softmax(logits.reshape(*logits.shape[:-1], J, m), axis=-2)
            return jnp.einsum("jk,njk->nk" if self.kind == "global" else "njk,njk->nk", weights, Z)
        weights = jax.nn.softmax(logits.reshape(*logits.shape[:-1], J * m, m), axis=-2)
        flat = Z.reshape(len(Z), J * m)
        return flat @ weights if self.kind == "global" else jnp.einsum("na,nak->nk", flat, weights)

    def _forward(self, params: Any, X: Any, key: Any) -> Any:
        import jax
        import jax.numpy as jnp

        hidden = X
        for layer, (matrix, bias) in enumerate(params[:-1]):
            if key is not None and self.dropout > 0 and layer > 0:
                kept = jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - self.dropout, hidden.shape)
                hidden = jnp.where(kept, hidden / (1 - self.dropout), 0.0)
            hidden = jax.nn.elu(hidden @ matrix + bias)
        return hidden @ params[-1][0] + params[-1][1]

    def loss(self, params: Any, data: Any, tau: Any, margin: Any, penalty: Any, key: Any = None) -> Any:
        """Weighted mean of the pinball loss and the crossing penalty, or minus the Gaussian log likelihood."""
        import jax
        import jax.numpy as jnp

        X, Z, y, w = data
        total = jnp.maximum(w.sum(), 1e-300)
        if self.kind == "gaussian":
            out = self._forward(params, X, key)
            sd = jax.nn.softplus(out[:, 1]) + _SMALLEST_SD
            return (w * (jnp.log(sd) + 0.5 * ((y - out[:, 0]) / sd) ** 2)).sum() / total
        q = self.quantiles(params, X, Z, tau, key)
        u = y[:, None] - q
        pinball = (w[:, None] * jnp.maximum(tau * u, (tau - 1) * u)).sum() / (total * q.shape[1])
        upper = jnp.triu_indices(q.shape[1], 1)
        if not len(upper[0]):
            return pinball
        overlap = jnp.maximum(0.0, q[:, upper[0]] - q[:, upper[1]] + margin[upper]).mean(axis=1)
        return pinball + penalty * (w * overlap).sum() / total

    def held_out(self, params: Any, data: Any, tau: Any, margin: Any, penalty: Any) -> Any:
        """The loss itself, with nothing dropped."""
        return self.loss(params, data, tau, margin, penalty)


def layers(sizes: tuple[int, ...], seed: int, *, last_zero: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    """Glorot starts; a last layer of zeros starts aggregation at the plain average."""
    rng = generator(seed, 12)
    out = []
    for k, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        reach = np.sqrt(6.0 / (a + b))
        matrix = rng.uniform(-reach, reach, (a, b))
        out.append((matrix * (0.0 if last_zero and k == len(sizes) - 2 else 1.0), np.zeros(b)))
    return out


@partial(kernel, static=("objective",))
def _predict(params, X, Z, tau, *, objective):
    return objective.quantiles(params, X, Z, tau)


def width(features: int) -> int:
    """The padded number of features: data sets of similar width share what is compiled."""
    return max(_LEAST_WIDTH, 1 << max(features - 1, 0).bit_length())


def widen(objective: Objective, params: Any, features: int) -> Any:
    """Parameters for features padded with zeros; the added weights are zero and have no gradient."""
    if objective.kind == "global":
        return params
    (matrix, bias), *rest = params
    return [(pad_axis(matrix, width(features), axis=0), bias), *rest]


def predict(
    objective: QuantileObjective, params: Any, X: np.ndarray, Z: np.ndarray | None, tau: np.ndarray
) -> np.ndarray:
    """Quantiles (n, m), in blocks of bounded memory; Z is None for base models."""
    out, step = [], 512
    Z = np.empty((len(X), 0, 0)) if Z is None else Z
    params = widen(objective, params, X.shape[1])
    X = pad_axis(X, width(X.shape[1]), axis=1)
    for at in range(0, len(X), step):
        rows = slice(at, at + step)
        count = len(X[rows])
        out.append(_predict(params, pad_axis(X[rows], step), pad_axis(Z[rows], step), tau, objective=objective)[:count])
    return np.concatenate(out) if out else np.empty((0, len(tau)))
