"""Random multipliers with mean one and variance one, a pure function of seed, row and replica.

Every draw comes from the Threefry counter generator with the row and the replica as its counter, so the multiplier
of row 10 in replica 3 is the same number whatever blocks, tiles or machine the work was split over, and the
first replicas of a long run are the replicas of a short one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import kernel
from statinf.errors import one_of

GROUP = 64
"""Replicas are drawn in groups of this many: the unit in which tiles are cut."""

LAWS = ("mammen", "twopoint", "bernoulli", "beta", "exponential", "gaussian", "poisson")

_PER_COUNTER = {"mammen": 8, "bernoulli": 8, "twopoint": 2, "exponential": 2, "gaussian": 2, "poisson": 2, "beta": 1}

# One byte a draw decides Mammen's two points; the values are moved so that mean and variance are exactly one.
_MAMMEN_BYTES = 185
_P = _MAMMEN_BYTES / 256
MAMMEN_LOW = 1.0 - ((1.0 - _P) / _P) ** 0.5
MAMMEN_HIGH = 1.0 + (_P / (1.0 - _P)) ** 0.5

LARGEST = {
    "mammen": MAMMEN_HIGH, "twopoint": 3.0, "bernoulli": 2.0, "beta": 4.0,
    "exponential": 4.0, "gaussian": 4.0, "poisson": 4.0,
}  # fmt: skip
"""The largest multiplier a step must stand; for unbounded laws a value passed about once in 50 draws."""

_POISSON = np.cumsum(np.exp(-1.0) / np.cumprod(np.concatenate([[1.0], np.arange(1.0, 14.0)])))


def seed_words(seed: int) -> np.ndarray:
    """The two 32-bit key words of a seed, shape (2,)."""
    return np.random.SeedSequence(seed).generate_state(2, dtype=np.uint32)


def draw_multipliers(rows: Any, groups: Any, words: Any, *, law: str) -> Any:
    """Multipliers of some rows in some groups of replicas; JAX, for use inside kernels.

    Parameters
    ----------
    rows : int64 array, shape (m,)
        Row numbers, below 2**40.
    groups : uint32 array, shape (g,)
        Group numbers; group j holds the replicas 64 j to 64 j + 63.
    words : uint32 array, shape (2,)
        From `seed_words`.
    law : str
        One of `LAWS`.

    Returns
    -------
    float64 array, shape (m, 64 g)
    """
    import jax.numpy as jnp
    from jax.extend.random import threefry_2x32

    m, g = rows.shape[0], groups.shape[0]
    pieces = _PER_COUNTER[law]
    width = GROUP // pieces
    low = (rows & 0xFFFFFFFF).astype(jnp.uint32)
    high = (rows >> 32).astype(jnp.uint32) << np.uint32(24)
    column = (groups[:, None] * np.uint32(width) + jnp.arange(width, dtype=jnp.uint32)).reshape(-1)
    first = jnp.broadcast_to(low[:, None], (m, g * width))
    second = high[:, None] + column[None, :]
    bits = threefry_2x32(words, jnp.stack([first, second])).reshape(2, m, g, width)
    if pieces == 8:
        bytes_ = [(half >> np.uint32(8 * q)) & np.uint32(255) for half in (bits[0], bits[1]) for q in range(4)]
        packed = jnp.stack(bytes_, axis=2).reshape(m, g * GROUP)
        if law == "bernoulli":
            return jnp.where(packed < 128, 0.0, 2.0)
        return jnp.where(packed < _MAMMEN_BYTES, MAMMEN_LOW, MAMMEN_HIGH)
    uniform = (bits.astype(jnp.float64) + 0.5) * 2.0**-32
    if law == "beta":
        # A point uniform on the disc has a semicircular coordinate; its square is Beta(1/2, 3/2).
        return 4.0 * (uniform[0] * jnp.cos(np.pi * uniform[1]) ** 2).reshape(m, g * GROUP)
    uniform = jnp.stack([uniform[0], uniform[1]], axis=2).reshape(m, g * GROUP)
    if law == "twopoint":
        return jnp.where(uniform < 0.8, 0.5, 3.0)
    if law == "exponential":
        return -jnp.log(uniform)
    if law == "poisson":
        return sum(jnp.where(uniform > edge, 1.0, 0.0) for edge in _POISSON)
    from jax.scipy.special import ndtri

    return 1.0 + ndtri(uniform)


_drawn = kernel(draw_multipliers, static=("law",))


def multipliers(rows: np.ndarray, replicas: int, *, law: str = "mammen", seed: int = 0) -> np.ndarray:
    """The multipliers that a bootstrap with this seed uses.

    Parameters
    ----------
    rows : int array, shape (n,)
        Row numbers, counted from 1 in a stream.
    replicas : int
        Number of replicas B.
    law : str
        "mammen", "twopoint", "bernoulli", "beta", "exponential", "gaussian" or "poisson"; all have mean one and
        variance one.
    seed : int

    Returns
    -------
    ndarray, shape (n, B)

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.numerics.laws.multipliers import multipliers
    >>> few = multipliers(np.arange(5), 10, seed=1)
    >>> bool((multipliers(np.arange(3, 5), 100, seed=1)[:, :10] == few[3:]).all())
    True
    """
    one_of("law", law, LAWS)
    groups = np.arange(-(-replicas // GROUP), dtype=np.uint32)
    return _drawn(np.asarray(rows, np.int64), groups, seed_words(seed), law=law)[:, :replicas]
