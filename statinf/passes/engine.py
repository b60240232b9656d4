"""Who reads blocks and sums over them: the threads of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from statinf.backend import progress_bar
from statinf.backend.threads import cores, one_blas_thread
from statinf.errors import StatinfError
from statinf.passes.adding import plus
from statinf.passes.table import BlockTable, Load


class Engine(Protocol):
    """Reads the blocks of a table wherever they are, and adds what a function makes of each."""

    def first(self, table: BlockTable, columns: Sequence[str]) -> Any:
        """The first block that has rows; None where there is none."""
        ...

    def total(
        self,
        table: BlockTable,
        function: Callable[..., Any],
        columns: Sequence[str],
        label: str,
        progress: Any,
        placed: bool = False,
    ) -> Any:
        """The sum over all blocks; see `BlockTable.total`."""
        ...


class LocalEngine:
    """The threads of this process, with a few blocks in memory at a time; sums are added in the order of the rows."""

    def first(self, table: BlockTable, columns: Sequence[str]) -> Any:
        for load in _loads(table, columns):
            made = load()
            if length(made):
                return made
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
        workers = cores()
        found: Any = None
        waiting: deque[Future[tuple[Any, int]]] = deque()
        start = 0

        def collect() -> None:
            nonlocal found, start
            try:
                made, rows = waiting.popleft().result()
            except StatinfError as error:
                error.add_note(f"in a block of rows that begins at row {start} of the data")
                raise
            found, start = plus(found, made), start + rows

        estimate = None if table.rows is None else max(len(table.parts), -(-table.rows // table.block_rows))
        loads = progress_bar(_loads(table, columns), total=estimate, label=label, show=progress)
        before: Future[int] = Future()
        before.set_result(0)
        with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
            try:
                for load in loads:
                    if placed:
                        after: Future[int] = Future()
                        waiting.append(pool.submit(_placed, load, function, before, after))
                        before = after
                    else:
                        waiting.append(pool.submit(_one, load, function))
                    if len(waiting) > workers:
                        collect()
                while waiting:
                    collect()
            finally:
                for future in waiting:
                    future.cancel()
        return found


def _one(load: Load, function: Callable[[Any], Any]) -> tuple[Any, int]:
    block = load()
    rows = length(block)
    return (function(block) if rows else None), rows


def _placed(load: Load, function: Callable[..., Any], before: Future[int], after: Future[int]) -> tuple[Any, int]:
    """What a function makes of a block and the place of its first row, which the block before it tells once it is loaded.

    Blocks are begun in their order, so that the one before is always under way.
    """
    try:
        block = load()
        rows = length(block)
        start = before.result()
        after.set_result(start + rows)
    except BaseException as error:
        after.set_exception(error)
        raise
    return (function(block, start) if rows else None), rows


def _loads(table: BlockTable, columns: Sequence[str]) -> Iterator[Load]:
    for part in table.parts:
        yield from part.blocks(columns, table.block_rows)


def length(block: Any) -> int:
    """Rows of a table in memory."""
    if isinstance(block, dict):
        return len(next(iter(block.values()), ()))
    return int(block.num_rows) if hasattr(block, "num_rows") else len(block)
