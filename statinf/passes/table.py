"""A table that is read in blocks of rows, as often as a fit passes over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from statinf.brief import Brief
from statinf.internal import internal

if TYPE_CHECKING:
    from statinf.passes.engine import Engine

BLOCK_ROWS = 1 << 17
"""Rows that are read and summed at a time."""

Load = Callable[[], Any]
"""Makes one block: a table in memory, of any kind that `as_frame` reads."""


class Part(Protocol):
    """A share of the rows that is read by itself, as often as it is asked for; one that other processes read is picklable."""

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        """The blocks of these columns in order, each about so many rows long and made when it is called for."""
        ...


@dataclass
class PassCount:
    """How often a table has been read as a whole."""

    done: int = 0


@dataclass(frozen=True, repr=False)
class BlockTable(Brief):
    """A table that is read in blocks of rows.

    Attributes
    ----------
    names : tuple of str
        Its columns.
    parts : tuple of Part
        Its rows, in order.
    engine : Engine
        Who reads them and sums.
    source : str
        What it is, as summaries print it.
    rows : int or None
        Rows in all, where known without reading them.
    block_rows : int
    weigh : callable or None
        From columns to the bytes that they would take in memory, where known without reading them.
    count : PassCount
        Passes so far.
    """

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    engine: Engine
    source: str
    rows: int | None = None
    block_rows: int = BLOCK_ROWS
    weigh: Callable[[Sequence[str]], float] | None = field(default=None, compare=False)
    count: PassCount = field(default_factory=PassCount, compare=False)

    @internal
    def first(self, columns: Sequence[str]) -> Any:
        """The first block that has rows; None where there is none."""
        return self.engine.first(self, columns)

    @internal
    def total(
        self,
        function: Callable[..., Any],
        columns: Sequence[str],
        label: str,
        *,
        progress: Any = None,
        placed: bool = False,
    ) -> Any:
        """The sum over all blocks of a function of a table in memory; one pass.

        Parameters
        ----------
        function : callable
            From a block to what `plus` adds; None for nothing.
        columns : sequence of str
            Those that are read.
        label : str
            What is being summed, for the bar.
        progress : bool, optional
            As `progress_bar` takes it.
        placed : bool
            Whether the function is told the place of the block's first row in the table too, as its second argument.
        """
        self.count.done += 1
        return self.engine.total(self, function, columns, label, progress, placed)
