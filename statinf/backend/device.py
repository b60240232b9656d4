"""Which device kernels run on, and the opt-in compilation cache."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from statinf.errors import OptionError, one_of

_KINDS = ("auto", "cpu", "gpu", "tpu")
WAIT = 300.0
"""Seconds that one host waits for the others unless told otherwise."""


@dataclass(frozen=True)
class Placement:
    """Where kernels run.

    Parameters
    ----------
    kind : {"auto", "cpu", "gpu", "tpu"}
    count : int or "all"
        Devices of this process that share the work.
    hosts : bool
        Whether the processes of `jax.distributed` share the replicas.
    wait : float
        Seconds that one of them waits for the others.
    """

    kind: str = "auto"
    count: int | str = 1
    hosts: bool = False
    wait: float = WAIT


_chosen: ContextVar[Placement] = ContextVar("statinf_device", default=Placement())  # noqa: B039 (it is frozen)


class _Reset(AbstractContextManager):
    """Returned by `set_device`: leaving it as a context manager restores the device before."""

    def __init__(self, token: Token[Placement]) -> None:
        self._token = token

    def __exit__(self, *exc: object) -> None:
        _chosen.reset(self._token)


def set_device(
    kind: str = "auto", count: int | str = 1, *, hosts: bool = False, wait: float = WAIT
) -> AbstractContextManager:
    """Choose where kernels run in this context (thread or task).

    Parameters
    ----------
    kind : {"auto", "cpu", "gpu", "tpu"}
        "auto" takes a GPU where JAX finds one, else the CPU.
    count : int or "all"
        How many devices of this process share the work: the replicas of `si.lsa`, `si.td` and the bootstrap, the rows of
        kernel methods and permutation tests, and networks that are trained side by side. Numbers agree with those of one
        device up to the order of sums.
    hosts : bool
        Whether the processes of `jax.distributed` share the replicas of `si.lsa`, `si.td`, the bootstrap and permutation
        tests. Call `jax.distributed.initialize` first, and run the same lines on the same data in every process: each
        computes its share, and all of them get the whole result.
    wait : float
        Seconds that one process waits for what the others have made; then a `HostError` says so.

    Returns
    -------
    context manager
        Leaving it restores the choice before; ignoring it keeps the new one.

    Raises
    ------
    OptionError
        If the kind is unknown, JAX finds no such device here or too few of them, or the processes are not connected.

    Examples
    --------
    >>> import statinf as si
    >>> with si.set_device("cpu"):
    ...     fit = si.lm("mpg ~ wt", si.datasets.load("mtcars"))
    >>> with si.set_device("auto", "all"):
    ...     draws = fit.bootstrap(replicas=199)
    """
    one_of("device", kind, _KINDS)
    if kind in ("gpu", "tpu") and not _platform_devices(kind):
        raise OptionError(f"device={kind!r}: JAX finds none here. Install a JAX build for it, or use 'auto' or 'cpu'.")
    if count != "all" and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise OptionError(f"count={count!r}: give how many devices share the work, or 'all'.")
    if not wait > 0:
        raise OptionError(f"wait={wait!r}: give a number of seconds above 0.")
    chosen = Placement(kind, count, bool(hosts), float(wait))
    if count not in (1, "all"):
        found = _local(kind)
        if len(found) < int(count):
            raise OptionError(f"count={count}: JAX finds {len(found)} {found[0].platform} device(s) in this process.")
    if hosts:
        _check_hosts()
    return _Reset(_chosen.set(chosen))


def _check_hosts() -> None:
    import jax

    if not jax.distributed.is_initialized():
        raise OptionError(
            "hosts=True: the processes are not connected. Call jax.distributed.initialize(address, processes, number) in each "
            "of them before anything else."
        )


def enforce_device(kind: str | None) -> AbstractContextManager:
    """`set_device(kind)` for the length of a block; None leaves the choice as it is."""
    return nullcontext() if kind is None else set_device(kind)


def _platform_devices(kind: str) -> list[Any]:
    import jax

    try:
        return jax.devices(kind)
    except RuntimeError:
        return []


def placement() -> Placement:
    """What `set_device` chose in this context."""
    return _chosen.get()


def devices() -> list[Any]:
    """The JAX devices of the chosen kind in this process, all of them.

    Returns
    -------
    list of jax.Device

    Examples
    --------
    >>> import statinf as si
    >>> with si.set_device("cpu"):
    ...     [device.platform for device in si.devices()][:1]
    ['cpu']
    """
    return _local(_chosen.get().kind)


def _local(kind: str) -> list[Any]:
    import jax

    return jax.local_devices(backend=None if kind == "auto" else kind)


def sharing() -> bool:
    """Whether more than one device of this process was asked to share the work; looks at no device."""
    return _chosen.get().count != 1


def shared_devices() -> tuple[Any, ...]:
    """The devices that share the work: the first ones of the chosen kind, as many as were asked for."""
    found, count = devices(), _chosen.get().count
    return tuple(found if count == "all" else found[: int(count)])


def on_devices() -> bool:
    """Whether dense work that one processor does in NumPy had better go to devices: an accelerator, or several devices."""
    return sharing() or accelerated()


def chosen_device() -> Any | None:
    """The JAX device kernels run on, or None for JAX's own default."""
    return None if _chosen.get().kind == "auto" else devices()[0]


def accelerated() -> bool:
    """Whether kernels run on something other than the CPU. Imports JAX unless "cpu" was chosen."""
    kind = _chosen.get().kind
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

    Examples
    --------
    At the top of a script, before the first fit::

        si.enable_compile_cache("~/.cache/statinf")
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
