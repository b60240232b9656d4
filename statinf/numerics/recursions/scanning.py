"""Compiled recursions over rows that arrive in pieces: the same numbers, to the last bit, however the rows are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.backend import Kernel, pad_axis

SLABS = (512, 4096, 16_384)
"""Lengths that rows are padded to on their way into a compiled recursion."""


def through(
    recursion: Kernel, carry: Any, rows: Sequence[np.ndarray], *constants: Any, **static: Any
) -> tuple[Any, tuple[np.ndarray, ...]]:
    """Run a recursion over rows.

    Parameters
    ----------
    recursion : Kernel
        From (carry, live, rows, constants) to the carry after the rows and a tuple of what it says of each row. `live`
        (n,) is False in padding, where the carry must stay as it is: see `step_of`.
    carry : pytree of arrays
    rows : sequence of ndarray, shape (n, ...) each
    *constants : arrays and numbers
    **static
        Of the kernel.

    Returns
    -------
    carry
    outputs : tuple of ndarray, shape (n, ...) each
    """
    parts = []
    n = len(rows[0])
    for start in range(0, max(n, 1), SLABS[-1]):
        piece = [np.asarray(row)[start : start + SLABS[-1]] for row in rows]
        count = len(piece[0])
        size = next(s for s in SLABS if s >= count)
        padded = tuple(pad_axis(a, size) for a in piece)
        carry, made = recursion(carry, np.arange(size) < count, padded, constants, **static)
        parts.append(tuple(a[:count] for a in made))
    return carry, parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))


def step_of(update: Any) -> Any:
    """A step for `lax.scan` from `update(carry, row) -> (carry, outputs)`, which leaves the carry alone in padding; JAX."""
    import jax
    import jax.numpy as jnp

    def step(carry: Any, item: Any) -> Any:
        live, row = item
        after, said = update(carry, row)
        return jax.tree.map(lambda new, old: jnp.where(live, new, old), after, carry), said

    return step
