"""Small networks for quantiles, trained by one compiled loop: base models and aggregation weights.

Adam with the AMSGrad correction on minibatches; after every few epochs the loss on held-out rows is taken and
the best parameters are kept, until there has been no improvement for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import bucket, generator, kernel, pad_axis

RESOLUTIONS = ("coarse", "medium", "fine")
_EPOCHS_A_CALL = 10
_SMALLEST_SD = 1e-3


@dataclass(frozen=True)
class Objective:
    """What a network is trained for.

    Attributes
    ----------
    kind : {"quantiles", "gaussian", "global", "local"}
        A network with one output a level; a conditional normal law; aggregation weights that are constant or
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


@kernel
def _memory(params):
    """The optimiser's state at the start; its shape does not depend on the rate."""
    import optax

    return optax.chain(optax.clip_by_global_norm(5.0), optax.amsgrad(1.0)).init(params)


@partial(kernel, static=("objective", "batch"))
def _epochs(params, memory, data, train, held, tau, margin, penalty, rate, seed, number, *, objective, batch):
    """A few epochs; parameters, optimiser state and the held-out loss."""
    import jax
    import jax.numpy as jnp
    import optax

    optimiser = optax.chain(optax.clip_by_global_norm(5.0), optax.amsgrad(rate))
    X, Z, y = data
    steps = X.shape[0] // batch

    def step(state, item):
        rows, key = item
        now, kept = state
        part = (X[rows], Z[rows], y[rows], train[rows])
        slope = jax.grad(objective.loss)(now, part, tau, margin, penalty, key)
        update, kept = optimiser.update(slope, kept, now)
        return (optax.apply_updates(now, update), kept), None

    def epoch(state, key):
        order, drop = jax.random.split(key)
        # Rows of training weight come first, so that few batches hold padding only.
        mixed = jnp.argsort(jax.random.uniform(order, (X.shape[0],)) - (train > 0))
        items = (mixed[: steps * batch].reshape(steps, batch), jax.random.split(drop, steps))
        return jax.lax.scan(step, state, items)[0], None

    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), _EPOCHS_A_CALL)
    (params, memory), _ = jax.lax.scan(epoch, (params, memory), keys)
    return params, memory, objective.loss(params, (X, Z, y, held), tau, margin, penalty)


def train(
    objective: Objective,
    params: Any,
    X: np.ndarray,
    Z: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    tau: np.ndarray,
    *,
    margin: np.ndarray | None = None,
    penalty: float = 0.0,
    rate: float = 1e-3,
    held_out: float = 0.2,
    most_epochs: int = 500,
    patience: int = 5,
    seed: int = 0,
) -> Any:
    """Parameters with the smallest held-out loss.

    Parameters
    ----------
    params : pytree
        Start.
    X : (n, d), Z : (n, J, m), y : (n,), w : (n,)
    margin : (m, m), optional
        Distance that levels k < l should keep, for the crossing penalty.
    patience : int
        Calls of ten epochs without improvement before training stops.
    """
    n = len(y)
    size = bucket(n)
    held = generator(seed, 11).random(n) < held_out
    padded = [pad_axis(np.asarray(a, float), size) for a in (X, Z, y, w * ~held, w * held)]
    margin = np.zeros((len(tau), len(tau))) if margin is None else margin
    batch = int(min(64, max(16, 2 ** int(np.log2(max(n, 16) / 8)))))
    memory, best, best_value, waited = _memory(params), params, np.inf, 0
    for number in range(-(-most_epochs // _EPOCHS_A_CALL)):
        data, tr, va = tuple(padded[:3]), padded[3], padded[4]
        params, memory, value = _epochs(
            params, memory, data, tr, va, tau, margin, np.float64(penalty), np.float64(rate),
            np.uint32(seed), np.int32(number), objective=objective, batch=batch,
        )  # fmt: skip
        if best_value == np.inf or float(value) < best_value - 1e-6 * abs(best_value):
            best, best_value, waited = params, float(value), 0
        else:
            waited += 1
            if waited >= patience:
                break
    return best


def layers(sizes: tuple[int, ...], seed: int, *, last_zero: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    """Glorot starts; a last layer of zeros starts aggregation at the plain average."""
    rng = generator(seed, 12)
    out = []
    for k, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        width = np.sqrt(6.0 / (a + b))
        matrix = rng.uniform(-width, width, (a, b))
        out.append((matrix * (0.0 if last_zero and k == len(sizes) - 2 else 1.0), np.zeros(b)))
    return out


@partial(kernel, static=("objective",))
def _predict(params, X, Z, tau, *, objective):
    return objective.quantiles(params, X, Z, tau)


def predict(objective: Objective, params: Any, X: np.ndarray, Z: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Quantiles (n, m), in blocks of bounded memory."""
    out, step = [], 512
    for at in range(0, len(X), step):
        rows = slice(at, at + step)
        count = len(X[rows])
        out.append(_predict(params, pad_axis(X[rows], step), pad_axis(Z[rows], step), tau, objective=objective)[:count])
    return np.concatenate(out) if out else np.empty((0, len(tau)))
