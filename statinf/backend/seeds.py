"""Random streams that depend on a seed and on what they are for, never on how work was split."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import OptionError


def generator(seed: int, *stream: int) -> np.random.Generator:
    """A NumPy generator for one stream of a seed.

    The same seed and stream numbers give the same draws in every process; different stream numbers
    (a replica's index, a fold) give independent draws, so results do not depend on the chunk size.
    """
    check_seed(seed)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=stream)))


def key(seed: int, *stream: int) -> Any:
    """A JAX key for one stream of a seed; call inside an `x64` block, where the draws are made."""
    import jax

    if check_seed(seed) >= 2**63:
        raise OptionError(f"seed={seed} is too large for draws on a device; give a whole number below 2**63.")
    out = jax.random.key(seed)
    for number in stream:
        out = jax.random.fold_in(out, number)
    return out


def check_seed(seed: int) -> int:
    """Return a seed that is a whole number of at least 0, else raise an `OptionError`."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise OptionError(
            f"seed={seed!r} is not a whole number of at least 0; results need a seed that can be repeated."
        )
    return int(seed)
