"""Coin betting over experts of geometric lifetimes: strongly adaptive online learning of a radius.

Jun, Orabona, Wright and Willett (2017, AISTATS) with the scale-free gradient descent of Bhatnagar, Wang, Xiong and Bai
(2023, arXiv 2302.07869). An expert is born at every step t and lives for g 2^v more, where 2^v is the largest power of
two that divides t. At most g // 2 + 1 of one exponent live at once, so that all of them have a place in one array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import kernel
from statinf.numerics.recursions.scanning import step_of

EXPONENTS = 32
"""Steps are told apart up to two to this power."""
ROUNDING = 1e-12
"""Gains below it are none: an expert that starts at the mixture has gained nothing, and a weight from rounding alone would
turn later losses, which count from a positive weight on, into another path."""


def no_experts(lifetime: int) -> tuple[np.ndarray, ...]:
    """The state before the first step: the number of steps, and per place birth, radius, gradients and bets."""
    shape = (EXPONENTS, lifetime // 2 + 1)
    return (np.int64(0), np.zeros(shape, np.int64), *(np.zeros(shape) for _ in range(4)))  # type: ignore[return-value]


@kernel
def adapt_radius(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """The mixture of the experts' radii before each outcome.

    Parameters
    ----------
    carry : tuple
        As `no_experts` makes it.
    rows : tuple of scores, shape (n,)
    constants : tuple of the scale D, the level and the lifetime g

    Returns
    -------
    carry
    outputs : tuple of the radius, shape (n,)
    """
    import jax.numpy as jnp
    from jax import lax

    scale, level, lifetime = constants
    exponent = jnp.arange(EXPONENTS, dtype=jnp.int64)[:, None]
    lives = lifetime * 2**exponent
    places = jnp.arange(carry[1].shape[1], dtype=jnp.int64)[None, :]

    def wealth(age: Any, bets: Any, weighted: Any) -> Any:
        return jnp.where(age > 0, bets * (1.0 + weighted) / jnp.maximum(age, 1), 0.0)

    def mixture(birth: Any, theta: Any, weight: Any, there: Any) -> Any:
        whole = jnp.maximum(birth, 1)
        prior = jnp.where(there, 1.0 / (whole.astype(float) ** 2 * (64 - lax.clz(whole))), 0.0)
        mass = prior * jnp.maximum(weight, 0.0)
        mass = jnp.where(mass.sum() > 0.0, mass, prior)
        return (mass * theta).sum() / jnp.maximum(mass.sum(), 1e-300)

    def update(state: Any, row: Any) -> Any:
        done, birth, theta, gradients, bets, weighted = state
        t = done + 1
        there = birth > 0
        start = mixture(birth, theta, wealth(t - birth, bets, weighted), there)
        power = lax.population_count((t & -t) - 1)
        born = (exponent == power) & (places == (t >> (power + 1)) % places.shape[1])
        there = (there & (t - birth <= lives)) | born
        birth = jnp.where(born, t, jnp.where(there, birth, 0))
        theta = jnp.where(born, start, theta)
        gradients, bets, weighted = (jnp.where(born, 0.0, a) for a in (gradients, bets, weighted))
        weight = wealth(t - birth, bets, weighted)
        radius = mixture(birth, theta, weight, there)

        def loss(at: Any) -> Any:
            return jnp.maximum(level * (row[0] - at), (1.0 - level) * (at - row[0]))

        gain = (loss(radius) - loss(theta)) / (scale * jnp.maximum(level, 1.0 - level))
        gain = jnp.where(jnp.abs(gain) < ROUNDING, 0.0, gain)
        gain = jnp.where(there, jnp.clip(gain, jnp.where(weight > 0.0, -1.0, 0.0), 1.0), 0.0)
        gradient = jnp.where(row[0] <= theta, 1.0, 0.0) - level
        gradients = gradients + gradient**2
        theta = jnp.maximum(theta - scale / jnp.sqrt(3.0) * gradient / jnp.sqrt(gradients), 0.0)
        return (t, birth, theta, gradients, bets + gain, weighted + gain * weight), (radius,)

    return lax.scan(step_of(update), carry, (live, rows))
