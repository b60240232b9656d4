"""Tables that this process reads in blocks: Parquet files, Arrow data sets, lists of tables, and what opens a stream anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from statinf.errors import DataError
from statinf.formula import as_frame
from statinf.optional import need
from statinf.passes.table import Load


@dataclass(frozen=True)
class ParquetGroups:
    """Row groups of one Parquet file.

    Attributes
    ----------
    path : str
    groups : tuple of int
    sizes : tuple of int
        Rows of each.
    schema : object
        Of the whole data set, to which each file is brought.
    filesystem : object
    """

    path: str
    groups: tuple[int, ...]
    sizes: tuple[int, ...]
    schema: Any
    filesystem: Any = None

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        for group, size in zip(self.groups, self.sizes, strict=True):
            if size <= 2 * rows:
                yield partial(self._read, group, tuple(columns))
                continue
            # A long group is decoded in turn, so that no more than a block of it is held.
            with self._open() as file:
                for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=list(columns)):
                    yield partial(self._cast, batch, tuple(columns))

    def _open(self) -> Any:
        parquet: Any = need("pyarrow.parquet", f"reading {self.path}")
        # pre_buffer would read whole groups ahead of their use.
        return parquet.ParquetFile(self.path, filesystem=self.filesystem, pre_buffer=False, memory_map=False)

    def _read(self, group: int, columns: tuple[str, ...]) -> Any:
        with self._open() as file:
            table = file.read_row_group(group, columns=list(columns), use_threads=False)
        return self._fitted(table, columns)

    def _cast(self, batch: Any, columns: tuple[str, ...]) -> Any:
        pa: Any = need("pyarrow", f"reading {self.path}")
        return self._fitted(pa.Table.from_batches([batch]), columns)

    def _fitted(self, table: Any, columns: tuple[str, ...]) -> Any:
        pa: Any = need("pyarrow", f"reading {self.path}")
        wanted = pa.schema([self.schema.field(c) for c in columns])
        missing = [c for c in columns if c not in table.column_names]
        for name in missing:
            table = table.append_column(name, pa.nulls(table.num_rows, wanted.field(name).type))
        table = table.select(list(columns))
        return table if table.schema.equals(wanted) else table.cast(wanted)


@dataclass(frozen=True)
class Fragment:
    """A fragment of an Arrow data set that is no Parquet file, such as one of CSV or in memory."""

    dataset: Any

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        pa: Any = need("pyarrow", "reading a data set")
        reader = self.dataset.scanner(
            columns=list(columns), batch_size=rows, batch_readahead=2, fragment_readahead=1
        ).to_batches()
        try:
            for batch in reader:
                yield partial(pa.Table.from_batches, [batch])
        except pa.ArrowInvalid as error:
            raise DataError(
                f"the data cannot be read: {str(error)[:300]}. Kinds of columns in text files are those of their first rows; give "
                "a pyarrow data set with a schema of your own if these mislead."
            ) from error


@dataclass(frozen=True)
class Tables:
    """Tables in memory, each read in slices."""

    tables: tuple[Any, ...]

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        for table in self.tables:
            yield from sliced(table, columns, rows)


@dataclass(frozen=True)
class Reopened:
    """What gives a new iterator of tables at each call."""

    opened: Callable[[], Iterable[Any]]

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Load]:
        seen = False
        for table in self.opened():
            seen = True
            yield from sliced(table, columns, rows)
        if not seen:
            raise DataError(
                "the data gave no table: if they are an iterator that can be read once, give a function that opens it anew."
            )


def sliced(table: Any, columns: Sequence[str], rows: int) -> Iterator[Load]:
    """The blocks of one table in memory, of the columns that it must have."""
    frame = as_frame(table)
    for name in columns:
        frame.require(name)
    native = frame.native
    for start in range(0, frame.n, rows):
        yield partial(_slice, native, frame.kind, tuple(columns), start, rows)


def _slice(native: Any, kind: str, columns: tuple[str, ...], start: int, rows: int) -> Any:
    if kind == "pandas":
        return native[list(columns)].iloc[start : start + rows]
    chosen = native.select(list(columns))
    return chosen.slice(start, rows)
