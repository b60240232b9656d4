"""The boundary: NumPy in, float64 JAX inside, NumPy out, the caller's settings untouched."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from statinf.backend.device import chosen_device


@contextmanager
def x64() -> Iterator[None]:
    """Run a block with 64-bit JAX on the chosen device; the setting is local to the block and the thread.

    Arrays made inside must be converted with `numpy.asarray` before the block ends: outside it JAX
    demotes float64 arrays without a word.
    """
    import jax

    device = chosen_device()
    with jax.enable_x64(True):
        if device is None:
            yield
        else:
            with jax.default_device(device):
                yield


def to_float64(leaf: Any) -> Any:
    """A leaf of a kernel's arguments as the kernel gets it: floats in double precision."""
    # Only floats are cast: integer and boolean arguments are labels and masks.
    if hasattr(leaf, "dtype") and leaf.dtype.kind not in "fiub?":
        return leaf  # typed PRNG keys
    array = np.asarray(leaf)
    return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array


class Kernel:
    """A pure JAX function behind the boundary.

    Calling it casts floating arrays to float64, runs the compiled function on the chosen device and
    returns NumPy arrays. `inner` is the plain function, for use inside other kernels; `traces` counts
    how often JAX traced it, which is how often it was compiled.
    """

    def __init__(self, function: Callable[..., Any], static: tuple[str, ...] = ()) -> None:
        functools.update_wrapper(self, function)
        self.inner = function
        self.static = static
        self.traces = 0

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        import jax

        def counted(*args: Any, **options: Any) -> Any:
            self.traces += 1
            return self.inner(*args, **options)

        return jax.jit(functools.wraps(self.inner)(counted), static_argnames=self.static)

    def on_device(self, *args: Any, **static: Any) -> Any:
        """Call without converting the result; only inside an `x64` block of the caller's."""
        return self._compiled(*args, **static)

    def __call__(self, *args: Any, **static: Any) -> Any:
        import jax

        with x64():
            cast = jax.tree.map(to_float64, args)
            return jax.tree.map(np.asarray, self._compiled(*cast, **static))


def kernel(function: Callable[..., Any] | None = None, *, static: tuple[str, ...] = ()) -> Any:
    """Make a pure JAX function a `Kernel`.

    Parameters
    ----------
    function : callable
        Takes arrays as positional arguments and static options as keywords; returns a pytree of arrays.
    static : tuple of str
        Names of the keyword options that select a branch or set a shape. Floats belong among the arrays:
        each value of a static option compiles anew.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.backend import kernel
    >>> @kernel
    ... def total(x, w):
    ...     return (x * w).sum()
    >>> total(np.array([1.0, 2.0]), np.array([1.0, 0.5])).dtype
    dtype('float64')
    """
    if function is None:
        return lambda f: Kernel(f, static)
    return Kernel(function, static)
