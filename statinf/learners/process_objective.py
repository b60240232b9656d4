"""Networks for a whole quantile process: what they predict at every level, and the loss they are trained for.

"requ": units max(z, 0)^2 over features and level, so that the derivative in the level is continuous; a negative one is
penalised (Shen, Jiao, Lin, Horowitz and Huang 2024, arXiv 2207.10442). "gaps": a median and positive increments between
levels, which cannot cross (NQ-Net, arXiv 2504.08215, has a mean in the median's place). `quantile_training` fits them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from statinf.backend import chunks, generator, rows_per_chunk

KNOTS = (0.01, 0.025, *(round(0.05 * k, 2) for k in range(1, 20)), 0.975, 0.99)
"""Levels between which a network of gaps is linear."""
GRID = np.arange(1, 20) / 20
"""Levels of the held-out loss."""
_LOOKS = 8192
"""Pairs of row and level in a held-out loss, about."""
_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ProcessObjective:
    """What a network of a quantile process is trained for.

    Attributes
    ----------
    kind : {"requ", "gaps"}
    gap : {"softplus", "elu"}
        What makes increments positive: log(1 + e^z), or ELU + 1.
    knots : tuple of float
        Levels between which "gaps" is linear; the first and last stretches go on beyond them.
    """

    kind: str = "requ"
    gap: str = "softplus"
    knots: tuple[float, ...] = KNOTS

    def curve(self, params: Any, X: Any, levels: Any, xp: Any, *, tangent: bool = True) -> tuple[Any, Any]:
        """Quantiles of rows X (n, d) at levels (n, m), and their derivatives in the level, (n, m) each.

        Arrays are those of the module `xp`, numpy or jax.numpy. Without `tangent` the derivatives are left out: None.
        """
        return (_requ if self.kind == "requ" else self._gaps)(params, X, levels, xp, tangent)

    def loss(self, params: Any, data: Any, tau: Any, margin: Any, penalty: Any, key: Any = None) -> Any:
        """Weighted mean of the pinball loss at one level per row, and of the penalty on a falling quantile.

        Levels are drawn afresh, or are the further array of `data` where it has one, (n, 1, 1).
        """
        import jax
        import jax.numpy as jnp

        X, Z, y, w = data
        n = X.shape[0]
        if Z.shape[1]:
            levels = Z[:, 0]
        else:
            # One level in each of n equal cells: uniform for every row, and the batch has them all.
            levels = ((jnp.arange(n) + jax.random.uniform(key, (n,))) / n)[:, None]
        q, slope = self.curve(params, X, levels, jnp)
        each = _pinball(y[:, None] - q, levels, jnp) + penalty * jnp.maximum(-slope, 0.0)
        return (w * each[:, 0]).sum() / jnp.maximum(w.sum(), 1e-300)

    def held_out(self, params: Any, data: Any, tau: Any, margin: Any, penalty: Any) -> Any:
        """Weighted mean of the pinball loss over rows and levels, without the penalty.

        Many rows take turns: each is looked at at some of the levels `tau` (m,), spread over them.
        """
        import jax.numpy as jnp

        X, _, y, w = data
        n, m = X.shape[0], tau.shape[0]
        each = min(m, max(1, _LOOKS // n))
        turns = jnp.arange(n)[:, None] + (jnp.arange(each) * m) // each
        levels = tau[turns % m]
        q = self.curve(params, X, levels, jnp, tangent=False)[0]
        each = _pinball(y[:, None] - q, levels, jnp).mean(axis=1)
        return (w * each).sum() / jnp.maximum(w.sum(), 1e-300)

    def start(self, features: int, hidden: tuple[int, ...], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Random layers; the first has a second row of biases, the weights of the level."""
        random = generator(seed, 37)
        outputs = 1 if self.kind == "requ" else len(self.knots)
        sizes = (features, *hidden, outputs)
        layers = []
        for k, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)):
            level = k == 0 and self.kind == "requ"
            reach = 1.0 / np.sqrt(max(a + level, 1))
            bias = random.uniform(-reach, reach, (2, b) if level else b)
            layers.append((random.uniform(-reach, reach, (a, b)), bias))
        if self.kind == "gaps":
            # Increments start as those of the normal law.
            wanted = np.diff(ndtri(np.asarray(self.knots)))
            inverse = (
                np.log(np.expm1(wanted)) if self.gap == "softplus" else np.where(wanted < 1, np.log(wanted), wanted - 1)
            )
            layers[-1] = (0.1 * layers[-1][0], np.append(0.0, inverse))
        return layers

    def _gaps(self, params: Any, X: Any, levels: Any, xp: Any, tangent: bool) -> tuple[Any, Any]:
        hidden = X
        for matrix, bias in params[:-1]:
            hidden = _elu(hidden @ matrix + bias, xp)
        out = hidden @ params[-1][0] + params[-1][1]
        raw = out[:, 1:]
        gaps = xp.logaddexp(raw, 0.0) if self.gap == "softplus" else 1.0 + _elu(raw, xp)
        knots = np.asarray(self.knots)
        steps, slopes = _ramps(levels, knots, xp)
        middle = _ramps(np.array([[0.5]]), knots, np)[0]
        value = out[:, :1] + xp.einsum("ng,nmg->nm", gaps, steps - middle)
        return value, xp.einsum("ng,nmg->nm", gaps, slopes) if tangent else None


def _requ(params: Any, X: Any, levels: Any, xp: Any, tangent: bool) -> tuple[Any, Any]:
    """Value and derivative go forward together: the tangent of a unit max(z, 0)^2 is 2 max(z, 0) z'."""
    (matrix, bias), *rest = params
    n, m = levels.shape
    u = (2.0 * levels - 1.0)[:, :, None]
    units = ((X @ matrix + bias[0])[:, None, :] + u * bias[1]).reshape(n * m, -1)
    slopes = xp.broadcast_to(2.0 * bias[1], units.shape)
    for matrix, bias in rest:
        kept = xp.maximum(units, 0.0)
        units = (kept * kept) @ matrix + bias
        slopes = (2.0 * kept * slopes) @ matrix if tangent else slopes
    return units.reshape(n, m), slopes.reshape(n, m) if tangent else None


def _elu(z: Any, xp: Any) -> Any:
    return xp.where(z > 0, z, xp.expm1(xp.minimum(z, 0.0)))


def _ramps(levels: Any, knots: np.ndarray, xp: Any) -> tuple[Any, Any]:
    """Share of each stretch between knots that lies below the levels (n, m), and its derivative, (n, m, stretches) each.

    Below 0 or above 1 for the first and last stretch beyond the knots.
    """
    width = np.diff(knots)
    share = (levels[:, :, None] - knots[:-1]) / width
    low, high = np.zeros(len(width)), np.ones(len(width))
    low[0], high[-1] = -np.inf, np.inf
    inside = (share >= low) & (share < high)
    return xp.clip(share, low, high), xp.where(inside, 1.0 / width, 0.0)


def _pinball(u: Any, levels: Any, xp: Any) -> Any:
    return xp.maximum(levels * u, (levels - 1.0) * u)


def curves(
    objective: ProcessObjective, params: Any, X: np.ndarray, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles and derivatives (n, m) at levels (m,) or (n, m), in blocks of bounded memory, in NumPy."""
    q, slope = _blocks(objective, params, X, levels, True)
    assert slope is not None
    return q, slope


def quantiles(objective: ProcessObjective, params: Any, X: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles alone; see `curves`."""
    return _blocks(objective, params, X, levels, False)[0]


def _blocks(
    objective: ProcessObjective, params: Any, X: np.ndarray, levels: np.ndarray, tangent: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    levels = np.broadcast_to(levels, (len(X), np.shape(levels)[-1]))
    q, slope = np.empty(levels.shape), np.empty(levels.shape) if tangent else None
    units = max(*(matrix.shape[1] for matrix, _ in params), len(objective.knots))
    for part in chunks(len(X), rows_per_chunk(40.0 * units * levels.shape[1], _BYTES)):
        q[part], found = objective.curve(params, X[part], levels[part], np, tangent=tangent)
        if slope is not None:
            slope[part] = found
    return q, slope
