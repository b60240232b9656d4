"""Where rows come from: tables, and tables larger than memory as iterators of frames.

A stream is an iterator of data frames, a parquet file or a directory of them, a pyarrow dataset or record batch
reader, a duckdb relation or a polars lazy frame. Only the columns that are used are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula import Frame, as_frame
from statinf.optional import need

BLOCK_ROWS = 65_536
"""Rows read at a time from files and databases."""


GATHERED_ROWS = 1_000
"""Single rows that are read together."""

Wanted = Callable[[Sequence[str]], list[str]]


@dataclass
class Source:
    """Where rows come from.

    Attributes
    ----------
    frames : iterator of tables
    rows : int or None
        Rows in all, where known beforehand.
    whole : Frame or None
        The table, where it is in memory.
    """

    frames: Iterator[Any]
    rows: int | None = None
    whole: Frame | None = None
    close: Callable[[], None] = field(default=lambda: None)

    @property
    def kind(self) -> str:
        """The kind of data frame that results come back in: that of a table in memory, pandas for streams."""
        return "pandas" if self.whole is None else self.whole.kind


def open_source(data: Any, wanted: Wanted) -> Source:
    """Find out what kind of stream or table data are.

    Parameters
    ----------
    data : table or stream
    wanted : callable
        From the names of all columns those to be read.

    Raises
    ------
    DataError
        If it is neither a table nor a stream.
    """
    if isinstance(data, str | os.PathLike):
        return _from_path(Path(data), wanted)
    kind = type(data).__module__.split(".")[0]
    if kind in ("duckdb", "_duckdb"):
        return _from_duckdb(data, wanted)
    if kind == "pyarrow" and hasattr(data, "scanner"):
        return _from_dataset(data, wanted)
    if kind == "pyarrow" and hasattr(data, "read_next_batch"):
        return Source(_tables(data))
    if kind == "polars" and hasattr(data, "collect_batches"):
        return _from_lazy(data, wanted)
    if _is_batch(data) or _is_row(data):
        data = [data]
    if _is_iterator(data):
        return Source(_gathered(data))
    frame = as_frame(data)
    return Source(iter([frame.native]), frame.n, frame)


def _is_iterator(data: Any) -> bool:
    if isinstance(data, Iterator):
        return True
    # A list of frames is a stream; a list of numbers is nothing.
    return isinstance(data, list | tuple) and len(data) > 0 and all(_is_table(item) for item in data)


def _is_row(item: Any) -> bool:
    """Whether an item is one row: a mapping from columns to single values."""
    return (
        isinstance(item, Mapping) and bool(item) and all(isinstance(v, str) or np.ndim(v) == 0 for v in item.values())
    )


def _gathered(items: Iterable[Any]) -> Iterator[Any]:
    """The tables of a stream; single rows, given as mappings, are gathered into tables."""
    held: list[Mapping[str, Any]] = []
    for item in items:
        if _is_row(item):
            if held and set(item) != set(held[0]):
                odd = sorted(map(str, set(item) ^ set(held[0])))[0]
                raise DataError(f"the rows of the stream do not have the same columns: {odd!r} is not in all of them.")
            held.append(item)
            if len(held) < GATHERED_ROWS:
                continue
        if held:
            yield {name: np.array([row[name] for row in held]) for name in held[0]}
            held = []
        if not _is_row(item):
            yield _table(item)
    if held:
        yield {name: np.array([row[name] for row in held]) for name in held[0]}


def _table(item: Any) -> Any:
    """A record batch as a table, anything else as it is."""
    return next(_tables([item]), item.schema.empty_table()) if _is_batch(item) else item


def _is_batch(item: Any) -> bool:
    return type(item).__module__.split(".")[0] == "pyarrow" and type(item).__name__ == "RecordBatch"


def _is_table(item: Any) -> bool:
    return (
        isinstance(item, Mapping)
        or hasattr(item, "columns")
        or hasattr(item, "column_names")
        or hasattr(item, "schema")
    )


def _from_path(path: Path, wanted: Wanted) -> Source:
    if not path.exists():
        raise DataError(f"{path} does not exist.")
    if path.is_file() and not path.name.lower().endswith((".parquet", ".csv")):
        frame = as_frame(path)  # compressed tables, or a clear refusal
        return Source(iter([frame.native]), frame.n, frame)
    dataset: Any = need("pyarrow.dataset", f"reading {path}")
    form = "csv" if path.name.lower().endswith(".csv") else "parquet"
    try:
        return _from_dataset(unified(dataset.dataset(path, format=file_format(form))), wanted)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {form}: {error}") from error


MISSING_TEXTS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What stands for a missing value in text files: what pandas takes for one, so that both readers agree."""


def file_format(form: str) -> Any:
    """The format of a data set's files, "csv" or "parquet", as pyarrow takes it."""
    if form != "csv":
        return form
    csv: Any = need("pyarrow.csv", "reading text files")
    dataset: Any = need("pyarrow.dataset", "reading text files")
    # An empty text would be a category of its own else.
    options = csv.ConvertOptions(strings_can_be_null=True, null_values=list(MISSING_TEXTS))
    return dataset.CsvFileFormat(convert_options=options)


def _undictionaried(schemas: Sequence[Any]) -> list[Any]:
    """Schemas of files, where a column is kept as a dictionary in some and plainly in others plain in all."""
    pa: Any = need("pyarrow", "reading a folder")
    held: dict[str, set[bool]] = {}
    for schema in schemas:
        for field_ in schema:
            if not pa.types.is_null(field_.type):
                held.setdefault(field_.name, set()).add(pa.types.is_dictionary(field_.type))
    mixed = {name for name, kinds in held.items() if len(kinds) > 1}
    return [
        pa.schema(
            [f.with_type(f.type.value_type) if f.name in mixed and pa.types.is_dictionary(f.type) else f for f in s]
        )
        for s in schemas
    ]


def unified(data: Any) -> Any:
    """A data set whose files may hold whole numbers here and decimals there, read as the wider kind."""
    pa: Any = need("pyarrow", "reading a folder")
    dataset: Any = need("pyarrow.dataset", "reading a folder")
    schemas = [fragment.physical_schema for fragment in data.get_fragments()]
    if all(schema.equals(schemas[0]) for schema in schemas):
        return data
    try:
        wide = pa.unify_schemas(_undictionaried(schemas), promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"the files of the folder do not have the same columns: {error}.") from error
    return dataset.dataset(data.files, schema=wide, format=data.format, filesystem=data.filesystem)


def _from_dataset(data: Any, wanted: Wanted) -> Source:
    columns = wanted(list(data.schema.names))
    if hasattr(data, "files"):
        data = unified(data)
    if type(getattr(data, "format", None)).__name__ == "ParquetFileFormat":
        return Source(_row_groups(data, columns), data.count_rows())
    batches = data.scanner(columns=columns, batch_size=BLOCK_ROWS, batch_readahead=2, fragment_readahead=1).to_batches()
    return Source(_tables(batches), data.count_rows())


def _row_groups(data: Any, columns: list[str]) -> Iterator[Any]:
    # A scanner reads ahead as fast as it can and holds the whole file if the rows are used more slowly than that.
    options = need("pyarrow.dataset", "reading Parquet").ParquetFragmentScanOptions(pre_buffer=False)
    for fragment in data.get_fragments():
        for group in fragment.split_by_row_group(schema=data.schema):
            table = group.to_table(schema=data.schema, columns=columns, fragment_scan_options=options)
            for start in range(0, table.num_rows, BLOCK_ROWS):
                yield table.slice(start, BLOCK_ROWS)


def _tables(batches: Iterable[Any]) -> Iterator[Any]:
    pa: Any = need("pyarrow", "reading a table in blocks")
    for batch in batches:
        if batch.num_rows:
            yield pa.Table.from_batches([batch])


def _from_duckdb(relation: Any, wanted: Wanted) -> Source:
    if not hasattr(relation, "project"):
        raise DataError("data is a duckdb connection; give a relation, such as connection.sql('select ...').")
    rows = int(relation.aggregate("count(*)").fetchall()[0][0])
    need("pyarrow", "reading a duckdb relation")
    names = ", ".join('"' + c.replace('"', '""') + '"' for c in wanted(list(relation.columns)))
    chosen = relation.project(names)
    # duckdb before 1.4 knows the reader by its older name only.
    reader = chosen.to_arrow_reader if hasattr(chosen, "to_arrow_reader") else chosen.fetch_record_batch
    return Source(_tables(reader(BLOCK_ROWS)), rows)


def _from_lazy(frame: Any, wanted: Wanted) -> Source:
    pl: Any = need("polars", "a polars lazy frame")
    columns = wanted(frame.collect_schema().names())
    rows = int(frame.select(pl.len()).collect().item())
    return Source(frame.select(columns).collect_batches(chunk_size=BLOCK_ROWS, maintain_order=True), rows)


def mentioned(formula: str, extra: Iterable[str]) -> Wanted:
    """The columns that a formula's text may mention, and the extra ones."""
    extra = tuple(extra)
    for name in extra:
        if not isinstance(name, str):
            raise OptionError(f"{name!r} is not the name of a column.")
    also = set(extra)
    whole = any(
        p.strip() == "."
        for side in formula.split("~")
        for bar in side.split("|")
        for p in bar.replace("-", "+").split("+")
    )

    def wanted(names: Sequence[str]) -> list[str]:
        found = [n for n in names if whole or n in also or n in formula]
        return found or list(names)

    return wanted
