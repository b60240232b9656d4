"""Which device kernels run on, and the opt-in compilation cache."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from functools import cache
from pathlib import Path
from typing import Any

from statinf.errors import OptionError, one_of

_KINDS = ("auto", "cpu", "gpu", "tpu")
_chosen: ContextVar[str] = ContextVar("statinf_device", default="auto")


class _Reset(AbstractContextManager):
    """Returned by `set_device`: leaving it as a context manager restores the device before."""

    def __init__(self, token: Token[str]) -> None:
        self._token = token

    def __exit__(self, *exc: object) -> None:
        _chosen.reset(self._token)


def set_device(kind: str) -> AbstractContextManager:
    """Choose where kernels run in this context (thread or task).

    Parameters
    ----------
    kind : {"auto", "cpu", "gpu", "tpu"}
        "auto" takes a GPU where JAX finds one, else the CPU.

    Returns
    -------
    context manager
        Leaving it restores the choice before; ignoring it keeps the new one.

    Raises
    ------
    OptionError
        If the kind is unknown, or JAX finds no such device here.

    Examples
    --------
    >>> import statinf as si
    >>> with si.set_device("cpu"):
    ...     fit = si.lm("mpg ~ wt", si.datasets.load("mtcars"))
    """
    one_of("device", kind, _KINDS)
    if kind in ("gpu", "tpu") and not _platform_devices(kind):
        raise OptionError(f"device={kind!r}: JAX finds none here. Install a JAX build for it, or use 'auto' or 'cpu'.")
    return _Reset(_chosen.set(kind))


def enforce_device(kind: str | None) -> AbstractContextManager:
    """`set_device(kind)` for the length of a block; None leaves the choice as it is."""
    return nullcontext() if kind is None else set_device(kind)


def _platform_devices(kind: str) -> list[Any]:
    import jax

    try:
        return jax.devices(kind)
    except RuntimeError:
        return []


def devices() -> list[Any]:
    """The JAX devices of the chosen kind, all of them."""
    import jax

    kind = _chosen.get()
    return jax.devices() if kind == "auto" else jax.devices(kind)


def chosen_device() -> Any | None:
    """The JAX device kernels run on, or None for JAX's own default."""
    kind = _chosen.get()
    return None if kind == "auto" else devices()[0]


def accelerated() -> bool:
    """Whether kernels run on something other than the CPU. Imports JAX unless "cpu" was chosen."""
    kind = _chosen.get()
    if kind == "cpu" or (kind == "auto" and _no_accelerator_installed()):
        return False
    return devices()[0].platform != "cpu"


def _no_accelerator_installed() -> bool:
    # Looking for plug-in packages is a thousand times cheaper than importing JAX to ask it.
    if os.environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu":
        return True
    return not _accelerator_plugins()


@cache
def _accelerator_plugins() -> bool:
    """Whether a package that brings JAX an accelerator is installed; the look through all packages is made once."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    plugins = list(entry_points(group="jax_plugins"))
    return bool(plugins) or find_spec("jax_plugins") is not None or find_spec("libtpu") is not None


def enable_compile_cache(path: str | os.PathLike[str]) -> Path:
    """Keep compiled kernels on disk, so that a new process does not compile them again.

    The folder used is below `path`, named after the jaxlib version and the processor: entries of
    another build are never read. This changes JAX's own settings for the process, so the library never
    calls it by itself; call it before the first fit.

    Parameters
    ----------
    path : path-like
        A folder; made if it does not exist.

    Returns
    -------
    pathlib.Path
        The folder in use.
    """
    import jax
    import jaxlib

    processor = (platform.processor() or platform.machine() or "cpu").replace(" ", "_").replace("/", "_")
    folder = Path(path).expanduser() / f"jaxlib-{jaxlib.__version__}-{processor}"
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder
