"""Streams: tables larger than memory as iterators of frames.

A stream is an iterator of data frames, a parquet file or a directory of them, a pyarrow dataset or record batch
reader, a duckdb relation or a polars lazy frame. Only the columns that are used are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from statinf.errors import DataError
from statinf.formula import Design, Frame, Recipe, as_frame, design
from statinf.formula.columns import as_pandas
from statinf.optional import need

BLOCK_ROWS = 65_536
"""Rows read at a time from files and databases."""

FIRST_ROWS = 1_000
"""Rows of a stream on which categories and transformations are learnt."""

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
    if _is_iterator(data):
        return Source(iter(data))
    frame = as_frame(data)
    return Source(iter([frame.native]), frame.n, frame)


def _is_iterator(data: Any) -> bool:
    if isinstance(data, Iterator):
        return True
    # A list of frames is a stream; a list of numbers is nothing.
    return isinstance(data, list | tuple) and len(data) > 0 and all(_is_table(item) for item in data)


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
        return _from_dataset(_unified(dataset.dataset(path, format=form)), wanted)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {form}: {error}") from error


def _unified(data: Any) -> Any:
    """A data set whose files may hold whole numbers here and decimals there, read as the wider kind."""
    pa: Any = need("pyarrow", "reading a folder")
    dataset: Any = need("pyarrow.dataset", "reading a folder")
    schemas = [fragment.physical_schema for fragment in data.get_fragments()]
    if all(schema.equals(schemas[0]) for schema in schemas):
        return data
    try:
        wide = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"the files of the folder do not have the same columns: {error}.") from error
    return dataset.dataset(data.files, schema=wide, format=data.format, filesystem=data.filesystem)


def _from_dataset(data: Any, wanted: Wanted) -> Source:
    columns = wanted(list(data.schema.names))
    if hasattr(data, "files"):
        data = _unified(data)
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


def head(frames: Iterator[Any], rows: int) -> tuple[Any, list[Any], bool]:
    """The first rows of a stream as one pandas frame, the frames read for it, and whether the stream is used up."""
    import pandas as pd

    read: list[Any] = []
    parts: list[Any] = []
    count = 0
    for table in frames:
        frame = as_frame(table)
        if not frame.n:
            continue
        read.append(table)
        parts.append(_to_pandas(frame, rows - count))
        count += len(parts[-1])
        if count >= rows:
            return (parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)), read, False
    if not parts:
        raise DataError("the stream has no rows.")
    return (parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)), read, True


def _to_pandas(frame: Frame, rows: int) -> Any:
    import narwhals as nw

    return as_pandas(nw.from_native(frame.native, eager_only=True).head(rows)).reset_index(drop=True)


@dataclass(frozen=True)
class Opening:
    """How a table or a stream begins.

    Attributes
    ----------
    design : Design
        Of the whole table, or of the stream's first rows.
    recipe : Recipe
        With all declared levels.
    frames : iterator of tables
        Everything, from the first row.
    length : int or None
        Usable rows of a table, rows of a stream, None where unknown.
    whole : bool
        Whether the design holds every row.
    first : Any
        The rows of the design.
    """

    design: Design
    recipe: Recipe
    frames: Iterator[Any]
    length: int | None
    whole: bool
    first: Any


def begin(
    formula: str, source: Source, *, levels: Mapping[str, Sequence[Any]] | None, expected: int | None, **options: Any
) -> Opening:
    """Read the formula on a table, or on the first rows of a stream.

    Parameters
    ----------
    formula : str
    source : Source
    levels : mapping, optional
        All levels of columns of categories, where the first rows may lack some.
    expected : int, optional
        Length of an iterator.
    **options
        Of `statinf.formula.design`.
    """
    if source.whole is not None and not levels:
        made = design(formula, source.whole, **options)
        return Opening(made, made.recipe, iter([source.whole.native]), made.n, True, source.whole)
    if source.whole is not None:
        first, frames, length = _to_pandas(source.whole, source.whole.n), iter([source.whole.native]), source.whole.n
    else:
        first, read, ended = head(source.frames, FIRST_ROWS)
        frames = chain(read, source.frames)
        length = expected if source.rows is None else source.rows
        if ended and source.rows is None:
            length = len(first)
    made = design(formula, first, **options) if not levels else _with_levels(formula, first, levels, options)
    return Opening(made, made.recipe, frames, length, False, first)


def _with_levels(formula: str, first: Any, levels: Mapping[str, Sequence[Any]], options: dict[str, Any]) -> Design:
    """The design with declared levels: their coding is learnt with one more row a level, all else from the rows as they are."""
    import pandas as pd

    frame = as_frame(first)
    parts = [first]
    complete = first.dropna()
    line = (complete if len(complete) else first).iloc[[0]]
    for name, values in levels.items():
        frame.require(name)
        present = set(frame.categories(name).levels)
        unknown = sorted(present - set(values), key=str)
        if unknown:
            raise DataError(f"levels[{name!r}] lacks {unknown[0]!r}, which the data have.")
        parts += [line.assign(**{name: value}) for value in values if value not in present]
    longer = pd.concat([p.astype(dict.fromkeys(levels, object)) for p in parts], ignore_index=True)
    for name, values in levels.items():
        longer[name] = pd.Categorical(longer[name], categories=list(values))
    extended = design(formula, longer, **options)
    try:
        plain = design(formula, first, **options).recipe
    except DataError:  # such as a single level so far
        return extended
    recipe = extended.recipe
    learnt = {k: (v if v.coding is not None else plain.learnt.get(k, v)) for k, v in recipe.learnt.items()}
    return replace(extended, recipe=replace(recipe, learnt=learnt))
