"""Replicas shared by the processes of `jax.distributed`: each makes its part, all of them get the whole.

A process that ends, fails or waits too long is an error with its name in every other one: nothing hangs, and no part
stands for the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from statinf.backend.device import placement
from statinf.errors import HostError

A = TypeVar("A")
_DIMENSIONS = 8
_FAILED = 1


def host_number() -> tuple[int, int]:
    """Number of this process and how many share the work; (0, 1) unless `set_device(hosts=True)`."""
    if not placement().hosts:
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def host_part(items: Sequence[A]) -> Sequence[A]:
    """The items of this process: consecutive ones, about as many for each."""
    number, count = host_number()
    return items[len(items) * number // count : len(items) * (number + 1) // count]


def over_hosts(
    work: Callable[[Sequence[A]], np.ndarray], items: Sequence[A], *, same: Sequence[float] | np.ndarray = ()
) -> np.ndarray:
    """What the processes make of their parts of the items, put together along the first axis in order.

    Parameters
    ----------
    work : callable
        From some items, not none, to an array of floats with their results along its first axis.
    items : sequence
    same : sequence of float
        What must be the same in every process, such as sizes and the seed: up to 1e-6 of it.

    Raises
    ------
    HostError
        If another process failed, ended, did not answer in time or runs on other data.
    """
    if host_number()[1] == 1:
        return work(items)
    own = host_part(items)
    try:
        made = np.ascontiguousarray(work(own), np.float64) if len(own) else None
    except Exception:
        # the others are told, and do not wait for what will not come
        _gathered(_head(None, same, failed=True))
        raise
    heads = _gathered(_head(made, same))
    _check(heads, np.asarray(same, np.float64))
    return _joined(made, heads)


def _head(made: np.ndarray | None, same: Sequence[float] | np.ndarray, *, failed: bool = False) -> np.ndarray:
    """What the others must know first: failure, number of dimensions, shape, and what must be the same."""
    out = np.zeros(2 + _DIMENSIONS + len(same))
    out[0] = _FAILED if failed else 0
    if made is not None:
        out[1], out[2 : 2 + made.ndim] = made.ndim, made.shape
    out[2 + _DIMENSIONS :] = np.asarray(same, np.float64)
    return out


def _check(heads: np.ndarray, same: np.ndarray) -> None:
    for number, head in enumerate(heads):
        if head[0] == _FAILED:
            raise HostError(f"process {number} of {len(heads)} failed; its own error says why. No result was made.")
        if not np.allclose(head[2 + _DIMENSIONS :], same, rtol=1e-6, atol=1e-9, equal_nan=True):
            raise HostError(
                f"process {number} of {len(heads)} runs on other data, replicas or another seed; run the same lines on the same "
                "data in every process."
            )


def _joined(made: np.ndarray | None, heads: np.ndarray) -> np.ndarray:
    shapes = [tuple(int(size) for size in head[2 : 2 + int(head[1])]) for head in heads]
    trailing = next(shape[1:] for shape in shapes if shape)
    rows = [shape[0] if shape else 0 for shape in shapes]
    padded = np.zeros((max(rows), *trailing))
    if made is not None:
        padded[: len(made)] = made
    parts = _gathered(padded)
    return np.concatenate([part[:count] for part, count in zip(parts, rows, strict=True)])


def _gathered(own: np.ndarray) -> np.ndarray:
    """Arrays of one shape from every process, along a new first axis."""
    import jax
    from jax.experimental import multihost_utils

    # As bytes, which no setting of JAX rounds.
    raw = np.frombuffer(own.tobytes(), np.uint8)
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(np.asarray(multihost_utils.process_allgather(raw)))
        except Exception as error:
            found.append(error)

    # In a thread of its own: JAX waits for a silent process without end.
    asking = threading.Thread(target=ask, daemon=True, name="statinf-hosts")
    asking.start()
    asking.join(placement().wait)
    others = ", ".join(str(i) for i in range(jax.process_count()) if i != jax.process_index())
    if not found:
        raise HostError(
            f"no answer from process {others} within {placement().wait:g} s: it has ended, hangs, or needs longer; "
            "si.set_device(..., wait=) waits longer. No result was made."
        )
    if isinstance(found[0], Exception):
        raise HostError(f"lost the connection to process {others}: it has ended. No result was made.") from found[0]
    return np.stack([np.frombuffer(part.tobytes(), np.float64).reshape(own.shape) for part in found[0]])
