"""Work that is split over several devices: rows, replicas or networks along one axis of the arguments.

Every device gets a slice of the arguments that are split and a copy of the others; nothing passes between devices but
sums. Slices are equal: the axis is padded, and what the padding made is cut off.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from statinf.backend.buckets import bucket, pad_axis
from statinf.backend.device import accelerated, shared_devices, sharing
from statinf.backend.kernel import Kernel, to_float64, x64

AXIS = "split"
_FEW, _LEAST = 256, 16
_WORTH = 1 << 20
"""Entries from which a matrix is worth the way to an accelerator."""


@functools.lru_cache(maxsize=64)
def split_over(
    function: Callable[..., Any],
    targets: tuple[Any, ...],
    inputs: tuple[int | None, ...],
    output: int | None,
    static: tuple[tuple[str, Any], ...] = (),
) -> tuple[Any, Callable[..., Any]]:
    """A compiled function whose arguments are split over devices.

    Parameters
    ----------
    function : callable
        Pure JAX function.
    targets : tuple of jax devices
    inputs : tuple of int or None
        For each argument, a pytree, the axis along which its arrays are split; None for a copy on each device.
    output : int or None
        The axis along which results are put together; None for their sum over the devices.
    static : tuple of (name, value)
        Keyword options.

    Returns
    -------
    mesh, callable
        The callable takes and returns JAX arrays; call it inside an `x64` block.
    """
    import jax
    from jax.sharding import AxisType
    from jax.sharding import PartitionSpec as P

    mesh = jax.make_mesh((len(targets),), (AXIS,), axis_types=(AxisType.Auto,), devices=targets)

    def spec(axis: int | None) -> Any:
        return P() if axis is None else P(*(None,) * axis, AXIS)

    def part(*args: Any) -> Any:
        made = function(*args, **dict(static))
        return jax.tree.map(lambda s: jax.lax.psum(s, AXIS), made) if output is None else made

    # Within a device the loops of a kernel carry constants beside slices, which the check of replication refuses.
    mapped = jax.shard_map(
        part, mesh=mesh, in_specs=tuple(spec(a) for a in inputs), out_specs=spec(output), check_vma=output is None
    )
    return mesh, jax.jit(mapped)


def map_rows(function: Callable[..., Any], *rows: np.ndarray, shared: tuple[Any, ...] = (), **static: Any) -> Any:
    """Apply a function of row blocks on the chosen devices, each to its share of the rows.

    Parameters
    ----------
    function : callable
        Pure JAX function of blocks of rows, then of `shared`, that returns a pytree of arrays with one entry a row.
    *rows : ndarray, shape (n, ...)
    shared : tuple
        Arguments that every device gets whole.

    Returns
    -------
    pytree of ndarray, shape (n, ...)
    """
    import jax

    n = len(rows[0])
    return jax.tree.map(lambda made: made[:n], _over_rows(function, rows, shared, 0, static))


def row_sharded_sum(
    function: Callable[..., Any],
    *rows: np.ndarray,
    shared: tuple[Any, ...] = (),
    over: list[Any] | None = None,
    **static: Any,
) -> Any:
    """Sum a function of row blocks over devices.

    Parameters
    ----------
    function : callable
        Pure JAX function of blocks of rows, then of `shared`, that returns a pytree of sums over those rows. Padding rows
        are zeros and must contribute nothing.
    *rows : ndarray, shape (n, ...)
        Share their first axis, which is split evenly over the devices.
    shared : tuple
        Arguments that every device gets whole.
    over : list of jax devices, optional
        Those that `set_device` chose by default.

    Returns
    -------
    pytree of ndarray
        The sums; on one device the plain result of `function`.
    """
    return _over_rows(function, rows, shared, None, static, None if over is None else tuple(over))


def _over_rows(
    function: Callable[..., Any],
    rows: tuple[np.ndarray, ...],
    shared: tuple[Any, ...],
    output: int | None,
    static: dict[str, Any],
    targets: tuple[Any, ...] | None = None,
) -> Any:
    import jax

    targets = shared_devices() if targets is None else targets
    length = _share(len(rows[0]), len(targets)) * len(targets)
    padded = (pad_axis(to_float64(a), length) for a in rows)
    inputs = (0,) * len(rows) + (None,) * len(shared)
    with x64():
        _, compiled = split_over(function, targets, inputs, output, tuple(sorted(static.items())))
        return jax.tree.map(np.asarray, compiled(*padded, *jax.tree.map(to_float64, shared)))


def _share(n: int, count: int) -> int:
    """Rows a device, rounded up to a bucket, so that a call with a few rows more compiles nothing."""
    each = -(-n // count)
    return bucket(each) if each > _FEW else max(_LEAST, 1 << max(each - 1, 0).bit_length())


def weighted_sums(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The product of weights (c, n), one row a replica, with rows (n, q); on the chosen devices where that is asked for."""
    if not (sharing() or (weights.size > _WORTH and accelerated())):
        return weights @ rows
    return map_rows(_product, weights, shared=(rows,))


def _product(weights: Any, rows: Any) -> Any:
    return weights @ rows


def over_models(kernel: Kernel, *args: Any, together: tuple[int | None, ...], **static: Any) -> Any:
    """Call a kernel of several models fitted side by side, these split over the devices that share the work.

    Parameters
    ----------
    kernel : Kernel
    *args : pytrees of arrays
    together : tuple of int or None
        0 for arguments whose first axis counts the models, None for those they have in common.
    **static
        The kernel's options.

    Returns
    -------
    pytree of ndarray
        With the models along the first axis. Without `set_device(count=)` the plain call.
    """
    if not sharing():
        return kernel(*args, **static)
    import jax

    count = len(jax.tree.leaves(args[together.index(0)])[0])
    targets = shared_devices()[:count]
    length = -(-count // len(targets)) * len(targets)

    def lengthened(leaf: Any) -> Any:
        # models of the padding are copies of the last one, which converge as it does
        leaf = to_float64(leaf)
        return np.concatenate([leaf, np.repeat(leaf[-1:], length - count, axis=0)])

    pairs = zip(args, together, strict=True)
    padded = [jax.tree.map(to_float64 if axis is None else lengthened, arg) for arg, axis in pairs]
    with x64():
        _, compiled = split_over(kernel.inner, targets, together, 0, tuple(sorted(static.items())))
        return jax.tree.map(lambda made: np.asarray(made)[:count], compiled(*padded))
