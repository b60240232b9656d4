"""The incomplete gamma function with its slope in the shape, by Gauss-Legendre nodes from the end nearer to zero."""

from __future__ import annotations

from typing import Any

import numpy as np

_NODES, _WEIGHTS = (0.5 * (np.polynomial.legendre.leggauss(40)[0] + 1.0), 0.5 * np.polynomial.legendre.leggauss(40)[1])
_DEPTH = 37.0
"""Exponents below minus this add nothing in double precision."""
_LOWEST, _HIGHEST = -600.0, 60.0
_SHIFT = 8


def log_shape_density(b: Any, log_ratio: Any) -> Any:
    """Log density of log(G / b) for G of the gamma law with shape b, at `log_ratio`."""
    import jax.numpy as jnp

    return b * (log_ratio - jnp.expm1(log_ratio)) + _constant(b)


def lower_gamma(b: Any, log_ratio: Any) -> Any:
    """P(b, z), the gamma law's distribution function at z = b exp(log_ratio).

    Parameters
    ----------
    b : array of shape (n,)
        Shapes of at least one: for smaller ones add z^b e^{-z} / Gamma(b + 1) to that at b + 1.
    log_ratio : array of shape (n,)
    """
    import jax

    @jax.custom_jvp
    def lower(b: Any, log_ratio: Any) -> Any:
        return _lower_and_slope(b, log_ratio)[0]

    @lower.defjvp
    def slope(primals: Any, tangents: Any) -> Any:
        found, by_shape, by_ratio = _lower_and_slope(*primals)
        return found, by_shape * tangents[0] + by_ratio * tangents[1]

    return lower(b, log_ratio)


def log_gamma_rest(b: Any) -> Any:
    """Log Gamma(b) less (b - 1/2) log b - b + log(2 pi) / 2, to rounding for any b > 0; JAX's own functions compile for long."""
    import jax.numpy as jnp

    at = b[..., None] + jnp.arange(_SHIFT)
    rest = ((at + 0.5) * jnp.log1p(1.0 / at) - 1.0).sum(axis=-1)
    x = 1.0 / (b + _SHIFT) ** 2
    series = 1.0 / 1260 - x * (1.0 / 1680 - x * (1.0 / 1188 - x * 691.0 / 360360))
    return rest + (1.0 / 12 - x * (1.0 / 360 - x * series)) / (b + _SHIFT)


def _constant(b: Any) -> Any:
    """The value of b log b - b - log Gamma(b)."""
    import jax.numpy as jnp

    return 0.5 * jnp.log(b / (2.0 * np.pi)) - log_gamma_rest(b)


def _lower_and_slope(b: Any, log_ratio: Any) -> tuple[Any, Any, Any]:
    """The function, and its slopes in b at a fixed ratio and in the logarithm of the ratio."""
    import jax
    import jax.numpy as jnp

    at = jnp.clip(log_ratio, _LOWEST, _HIGHEST)
    ratio = jnp.exp(at)
    z, below = b * ratio, at < 0.0
    # How far from `at` the exponent has fallen by at least `_DEPTH`.
    down = _DEPTH / b + ratio
    down = jnp.where(b > 3.0 * _DEPTH, jnp.minimum(down, jnp.sqrt(3.0 * _DEPTH / b)), down)
    up = jnp.minimum(jnp.sqrt(2.0 * _DEPTH / z), jnp.log1p(_DEPTH / z + 4.0))
    reach = jnp.where(below, -down, up)
    constant, bend = jax.jvp(_constant, (b,), (jnp.ones_like(b),))
    nodes, weights = jnp.asarray(_NODES), jnp.asarray(_WEIGHTS)

    def add(number: Any, sums: Any) -> Any:
        u = at + reach * nodes[number]
        height = u - jnp.expm1(u)
        mass = weights[number] * jnp.exp(b * height + constant)
        return sums[0] + mass, sums[1] + mass * (height + bend)

    total, moved = jax.lax.fori_loop(0, len(_NODES), add, (jnp.zeros_like(at), jnp.zeros_like(at)))
    # Signed: the lower part's integral runs to the left, and the upper part is what is missing to one.
    found = jnp.where(below, 0.0, 1.0) - reach * total
    return found, -reach * moved, jnp.exp(log_shape_density(b, at))
