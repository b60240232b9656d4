"""Blocks of rows on a few threads: NumPy and LAPACK release the interpreter while they work."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, TypeVar

from statinf.backend.progress import counted_bar

A = TypeVar("A")
B = TypeVar("B")
_MOST = 8
_COUNTING = threading.Lock()
_BRINGERS = ("scipy.linalg", "sklearn.ensemble")


def cores() -> int:
    """Processors this process may use, at most eight."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    return max(1, min(_MOST, available))


def map_threads(
    function: Callable[[A], B], items: Sequence[A], *, parallel: bool = True, label: str | None = None
) -> list[B]:
    """Apply a function to every item, in order; on several threads if it pays.

    Inside the threads BLAS runs on one thread each: two layers of threads on one machine are many times
    slower than either. Products with fewer than 500 entries should be made by ``np.dot``: ``@`` holds the
    interpreter for them, however many rows they sum over.

    Parameters
    ----------
    function : callable
    items : sequence
    parallel : bool
        Whether the work is large enough; a plain loop otherwise.
    label : str, optional
        What is being done, for a bar of progress; none otherwise.
    """
    if label is not None and len(items) > 1:
        with counted_bar(len(items), label) as bar:

            def counted(item: A) -> B:
                made = function(item)
                with _COUNTING:
                    bar.advance()
                return made

            return map_threads(function if bar.quiet else counted, items, parallel=parallel)
    workers = min(cores(), len(items))
    if not parallel or workers < 2:
        return [function(item) for item in items]
    found: list[Any] = [None] * len(items)
    places = iter(range(len(items)))

    def work() -> None:
        try:
            for place in places:
                found[place] = function(items[place])
        except BaseException:
            # nobody begins another item
            for _ in places:
                pass
            raise

    # The caller works too: a thread that only waits would have to be woken for every result.
    with one_blas_thread(), ThreadPoolExecutor(workers - 1) as pool:
        # The choice of a device and silenced warnings hold in the threads too.
        others = [pool.submit(contextvars.copy_context().run, work) for _ in range(workers - 1)]
        work()
        for other in others:
            other.result()
    return found


def one_blas_thread(small: bool = True) -> AbstractContextManager[Any]:
    """A block in which BLAS runs on one thread: many small products lose more to waking threads than these gain.

    Parameters
    ----------
    small : bool
        Whether the work is that small; False changes nothing.
    """
    if not small:
        return nullcontext()
    return _controller(*(name in sys.modules for name in _BRINGERS)).limit(limits=1, user_api="blas")


def one_thread() -> AbstractContextManager[Any]:
    """A block in which BLAS and OpenMP run on one thread, as scikit-learn's small fits had better do."""
    return _controller(*(name in sys.modules for name in _BRINGERS)).limit(limits=1)


@cache
def _controller(*loaded: bool) -> Any:
    """The thread pools of this process; looking for them takes milliseconds, and some libraries bring their own."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def row_blocks(n: int, columns: int, elements: int = 1 << 18) -> list[slice]:
    """Slices of rows whose blocks stay in cache."""
    step = max(256, elements // max(columns, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
