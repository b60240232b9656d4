"""Sums over rows that are spread over several devices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from statinf.backend.buckets import bucket, pad_axis
from statinf.backend.device import devices
from statinf.backend.kernel import x64


def row_sharded_sum(function: Callable[..., Any], *arrays: np.ndarray, over: list[Any] | None = None) -> Any:
    """Sum a function of row blocks over all devices.

    Parameters
    ----------
    function : callable
        Pure JAX function of blocks of rows that returns a pytree of sums over those rows. Padding rows
        are zeros and must contribute nothing.
    *arrays : ndarray, shape (n, ...)
        Share their first axis, which is split evenly over the devices.
    over : list of jax devices, optional
        The devices of the chosen kind by default.

    Returns
    -------
    pytree of ndarray
        The sums; on one device the plain result of `function`.
    """
    import jax
    from jax.sharding import NamedSharding
    from jax.sharding import PartitionSpec as P

    with x64():
        targets = tuple(devices() if over is None else over)
        mesh, summed = _summed(function, targets, len(arrays))
        # Buckets, so that a call with a few rows more compiles nothing.
        length = bucket(-(-len(arrays[0]) // len(targets))) * len(targets)
        rows = NamedSharding(mesh, P("rows"))
        placed = [jax.device_put(pad_axis(np.asarray(a, np.float64), length), rows) for a in arrays]
        return jax.tree.map(np.asarray, summed(*placed))


@functools.lru_cache(maxsize=64)
def _summed(function: Callable[..., Any], targets: tuple[Any, ...], count: int) -> tuple[Any, Callable[..., Any]]:
    import jax
    from jax.sharding import AxisType
    from jax.sharding import PartitionSpec as P

    mesh = jax.make_mesh((len(targets),), ("rows",), axis_types=(AxisType.Auto,), devices=targets)

    def block(*parts: Any) -> Any:
        return jax.tree.map(lambda s: jax.lax.psum(s, "rows"), function(*parts))

    return mesh, jax.jit(jax.shard_map(block, mesh=mesh, in_specs=(P("rows"),) * count, out_specs=P()))
