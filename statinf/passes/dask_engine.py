"""Passes over partitions on a Dask cluster, or on Dask's threads where there is none.

Dask schedules, moves and repeats; here are one task for each partition and a tree that adds what they return. The tree's
shape follows from the number of partitions alone, so that sums do not depend on who was first.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from statinf.backend.threads import one_blas_thread
from statinf.errors import DataError, StatinfError
from statinf.formula.frame import as_frame
from statinf.optional import need
from statinf.passes.adding import plus
from statinf.passes.engine import length
from statinf.passes.parts import sliced
from statinf.passes.table import BlockTable

FAN_IN = 8
"""Sums that one task of the tree adds."""
NO_WORKERS = 120.0
"""Seconds without a single worker after which a pass is given up."""
_WAIT = 1.0


class DaskEngine:
    """The workers of the current `dask.distributed` client, or Dask's own scheduler where there is no client."""

    def head(self, piece: Any) -> Any:
        """The first row of a delayed table, or the empty table."""
        dask: Any = need("dask", "reading partitions")
        return _computed(dask.delayed(_begun, pure=False)(piece), "reading the first rows")

    def first(self, table: BlockTable, columns: Sequence[str]) -> Any:
        dask: Any = need("dask", "reading partitions")
        head = dask.delayed(_head, pure=False)
        for piece in _partitions(table, columns):
            found = _computed(head(piece, tuple(columns), table.block_rows), "reading the first rows")
            if found is not None:
                return found
        return None

    def total(
        self,
        table: BlockTable,
        function: Callable[..., Any],
        columns: Sequence[str],
        label: str,
        progress: Any,
        placed: bool = False,
    ) -> Any:
        dask: Any = need("dask", "reading partitions")
        # To wait for the rows of the partitions before it, each would have to stay in a worker's memory.
        starts = self._starts(table, columns) if placed else None
        summed, added = dask.delayed(_summed, pure=False), dask.delayed(_added, pure=False)
        # What a block is turned into travels to each worker once, not with each task.
        carried = dask.delayed(function, traverse=False, pure=False)
        level = [
            summed(piece, carried, tuple(columns), table.block_rows, number, None if starts is None else starts[number])
            for number, piece in enumerate(_partitions(table, columns))
        ]
        while len(level) > 1:
            level = [added(level[i : i + FAN_IN]) for i in range(0, len(level), FAN_IN)]
        return _computed(level[0], label) if level else None

    def _starts(self, table: BlockTable, columns: Sequence[str]) -> list[int]:
        """The place of the first row of each partition; one more pass, over one column."""
        dask: Any = need("dask", "reading partitions")
        table.count.done += 1
        counted = dask.delayed(_rows_of, pure=False)
        sizes = _computed(dask.delayed(list)([counted(p) for p in _partitions(table, columns[:1])]), "counting rows")
        return [0, *itertools.accumulate(sizes)][: len(sizes)]


def _partitions(table: BlockTable, columns: Sequence[str]) -> Iterator[Any]:
    for part in table.parts:
        yield from part.partitions(columns)  # type: ignore[attr-defined]


def _begun(piece: Any) -> Any:
    frame = as_frame(piece)
    return frame.native.iloc[:1] if frame.kind == "pandas" else frame.native[:1]


def _head(piece: Any, columns: Sequence[str], rows: int) -> Any:
    for load in sliced(piece, columns, rows):
        found = load()
        if length(found):
            return found
    return None


def _rows_of(piece: Any) -> int:
    return as_frame(piece).n


def _summed(
    piece: Any, function: Callable[..., Any], columns: Sequence[str], rows: int, number: int, start: int | None
) -> Any:
    """The sum over the blocks of one partition; the function is told where each begins if `start` says where the first does."""
    found = None
    try:
        for load in sliced(piece, columns, rows):
            block = load()
            if length(block):
                found = plus(found, function(block) if start is None else function(block, start))
            start = None if start is None else start + length(block)
    except StatinfError as error:
        error.add_note(f"in partition {number} of the data")
        raise
    return found


def _added(sums: Sequence[Any]) -> Any:
    """Several sums in one, in their order."""
    found = None
    for item in sums:
        found = plus(found, item)
    return found


def _computed(task: Any, label: str) -> Any:
    """The result of a task: on the cluster of the current client, else where Dask computes by default."""
    with _client() as client:
        if client is None:
            dask: Any = need("dask", "reading partitions")
            with one_blas_thread():
                return dask.compute(task)[0]
        return _awaited(client, task, label)


@contextmanager
def _client() -> Iterator[Any]:
    """The current client, if any; inside a task that of its worker, whose place is free for others meanwhile."""
    # A process that never imported it has no client.
    distributed: Any = sys.modules.get("distributed")
    if distributed is None:
        yield None
        return
    try:
        distributed.get_worker()
    except ValueError:
        try:
            found = distributed.default_client()
        except ValueError:
            found = None
        yield found
        return
    with distributed.worker_client() as found:
        yield found


def _awaited(client: Any, task: Any, label: str) -> Any:
    """Wait for a task on the cluster, and for no cluster that is gone.

    A task whose worker dies is repeated on another one by the scheduler, as often as its `allowed-failures` says. What has
    begun is cancelled if the pass ends otherwise than by its result.
    """
    distributed: Any = need("distributed", "a Dask cluster")
    future = client.compute(task)
    alone_since: float | None = None
    try:
        while True:
            try:
                return future.result(timeout=_WAIT)
            except (TimeoutError, distributed.TimeoutError):
                if future.done():
                    raise
            alone_since = None if _workers(client) else (alone_since or time.monotonic())
            if alone_since is not None and time.monotonic() - alone_since > NO_WORKERS:
                raise DataError(
                    f"the Dask cluster has had no worker for {NO_WORKERS:g} seconds while {label}; start workers and fit again."
                )
    except BaseException as error:
        _cancelled(future)
        told = _lost(distributed, error, label)
        if told is None:
            raise
        raise told from error


def _workers(client: Any) -> int:
    """Workers of the cluster; none where its scheduler does not answer."""
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError, ValueError):
        return 0


def _cancelled(future: Any) -> None:
    # A cluster that is gone has nothing left to cancel.
    try:
        if not future.done():
            future.cancel()
    except (OSError, TimeoutError, RuntimeError):
        pass


def _lost(distributed: Any, error: BaseException, label: str) -> DataError | None:
    """The error that says that the cluster lost the work; None for errors of the work itself."""
    if isinstance(error, distributed.KilledWorker):
        return DataError(
            f"{label}: workers of the Dask cluster died again and again on one partition, most often for want of memory; give "
            "smaller partitions or workers with more memory."
        )
    if type(error).__name__ in ("CancelledError", "FutureCancelledError", "FuturesCancelledError", "CommClosedError"):
        return DataError(
            f"{label}: the Dask cluster was closed, or its scheduler lost, in mid-pass; no result was made. Connect again and fit "
            "anew."
        )
    return None
