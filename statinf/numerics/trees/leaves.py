"""Sums of the leaves that rows end in, over a sequence of trees."""

from __future__ import annotations

from typing import Any


def fitted_values(codes: Any, feature: Any, cut: Any, leaf: Any, *, depth: int) -> Any:
    """Values (K, n) of one tree per target in rows; for use inside a kernel.

    Parameters
    ----------
    codes : (p, n) integers
    feature, cut : (K, 2^depth - 1)
    leaf : (K, 2^depth)
    depth : int
    """
    import jax
    import jax.numpy as jnp

    rows = jnp.arange(codes.shape[1])

    def one(tree: Any) -> Any:
        feature, cut, leaf = tree
        node = jnp.zeros(codes.shape[1], jnp.int32)
        for level in range(depth):
            at = node + (2**level - 1)
            here = codes.at[feature[at], rows].get(mode="promise_in_bounds")
            node = 2 * node + (here > cut[at]).astype(jnp.int32)
        return leaf.at[node].get(mode="promise_in_bounds")

    return jax.lax.map(one, (feature, cut, leaf))
