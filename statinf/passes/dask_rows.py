"""Tables whose rows are partitions of Dask: which data are such, and the partitions of some columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from statinf.errors import DataError
from statinf.formula.frame import as_frame
from statinf.optional import need
from statinf.passes.parts import sliced
from statinf.passes.table import Load


@dataclass(frozen=True)
class DaskFrame:
    """A `dask.dataframe`; its own planner reads the columns that are used and no others."""

    data: Any

    def partitions(self, columns: Sequence[str]) -> list[Any]:
        """One delayed table for each partition."""
        return list(self.data[list(columns)].to_delayed())

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        return _here(self.partitions(columns), columns, rows)


@dataclass(frozen=True)
class DaskPieces:
    """Delayed tables, or futures of them, in order."""

    pieces: tuple[Any, ...]

    def partitions(self, columns: Sequence[str]) -> list[Any]:
        """The delayed tables as they are: their columns are chosen where they are read."""
        return list(self.pieces)

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        return _here(self.partitions(columns), columns, rows)


def _here(partitions: Sequence[Any], columns: Sequence[str], rows: int) -> Iterator[Load]:
    dask: Any = need("dask", "reading partitions")
    for piece in partitions:
        yield from sliced(dask.compute(piece)[0], columns, rows)


def is_dask(item: Any) -> bool:
    """Whether something is a collection or a future of Dask, told from its type alone."""
    return type(item).__module__.split(".")[0] in ("dask", "dask_expr", "distributed")


def dask_rows(data: Any) -> tuple[Any, tuple[str, ...] | None, str] | None:
    """The partitions of Dask's data, their columns where these are known, and what they are; None for other data.

    Raises
    ------
    DataError
        If Dask's data are no table.
    """
    pieces = list(data) if isinstance(data, list | tuple) else [data]
    if not pieces or not all(is_dask(p) for p in pieces):
        return None
    if all(type(p).__name__ in ("Delayed", "DelayedLeaf", "DelayedAttr", "Future") for p in pieces):
        return DaskPieces(tuple(pieces)), None, f"{len(pieces)} partitions of Dask"
    only: Any = pieces[0] if len(pieces) == 1 else None
    if hasattr(only, "to_delayed") and getattr(only, "ndim", 0) == 2 and hasattr(only, "dtypes"):
        return DaskFrame(only), tuple(map(str, only.columns)), f"a Dask data frame of {only.npartitions} partitions"
    raise DataError(
        f"the data are a {type(pieces[0]).__name__} of Dask; give a dask.dataframe, or a list of delayed tables, one for each "
        "partition."
    )


def names_of(table: Any) -> tuple[str, ...]:
    """The columns of a table in memory."""
    return tuple(map(str, as_frame(table).names))
