"""Which data are passed over in blocks, and how they are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from statinf.errors import DataError, OptionError
from statinf.formula.mentioned import Mentioned
from statinf.formula.scan import check_text
from statinf.formula.sources import file_format, unified
from statinf.optional import need
from statinf.passes.dask_engine import DaskEngine
from statinf.passes.dask_rows import dask_rows, is_dask, names_of
from statinf.passes.engine import LocalEngine
from statinf.passes.parts import Fragment, ParquetGroups, Reopened, Tables
from statinf.passes.queries import query_rows
from statinf.passes.table import BLOCK_ROWS, BlockTable

IN_MEMORY = 1 << 30
"""Bytes of the columns of a formula up to which a single file, a query or a lazy table is read into memory as a whole."""


def blocks(data: Any, *, rows: int = BLOCK_ROWS) -> BlockTable:
    """A table that verbs pass over in blocks of rows instead of reading it into memory.

    A folder of Parquet files, a pyarrow data set, a list of tables, an object that gives its tables anew each time that it is
    iterated over, a function that opens an iterator of tables, and Dask's data frames and delayed tables are passed over
    without being asked; a single file, a duckdb relation or a polars scan of Parquet if the columns of the formula would take
    more than a gigabyte. This asks for it, and says how; of any other polars query too, whose rows are not counted beforehand.

    Dask's partitions are summed by the workers of the current `dask.distributed` client, or by Dask's threads where there is
    none; each pass computes them anew, so `persist()` what fits the workers' memory. Queries run once at each pass.

    Parameters
    ----------
    data : table
        The path of a Parquet or CSV file or of a folder of them, a pyarrow data set, a duckdb relation, a polars lazy frame, a
        dask.dataframe or a list of delayed tables, a data frame, a list of tables, an object that can be iterated over again
        and again, or a function without arguments that returns an iterator of tables; the same rows every time.
    rows : int
        Rows that are read and summed at a time: memory is a few times what their columns take.

    Returns
    -------
    BlockTable
        To be given to a verb as `data`.

    Raises
    ------
    DataError
        If the data can be read once only, or are no table.

    Examples
    --------
    >>> import statinf as si
    >>> cars = si.blocks(si.datasets.load("mtcars"), rows=10)
    >>> fit = si.lm("mpg ~ wt + hp", cars)
    >>> fit.params.round(3).to_dict()
    {'Intercept': 37.227, 'wt': -3.878, 'hp': -0.032}
    """
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise OptionError(f"rows={rows!r} is no number of rows; give a whole number from 1 on.")
    found = _opened(data, rows)
    if found is not None:
        return found
    return _in_memory(data, rows)


def block_table(data: Any, formula: str, *named: Any) -> BlockTable | None:
    """The table to pass over, or None for data that are read into memory.

    Parameters
    ----------
    data : object
        What the caller gave.
    formula : str
    *named : object
        Names of further columns, or lists of them; weights, if they were estimated in blocks.
    """
    if isinstance(data, BlockTable):
        return data
    if any(hasattr(n, "on_block") for n in named):
        # Weights that were estimated in blocks are taken in blocks.
        return blocks(data)
    if not _worth_opening(data):
        return None
    found = _opened(data, BLOCK_ROWS)
    if found is None or found.weigh is None:
        return found
    mentioned = Mentioned(check_text(formula), *named)
    return found if found.weigh([c for c in found.names if c in mentioned]) > IN_MEMORY else None


def refuse_blocks(data: Any, formula: str, option: str, value: Any) -> None:
    """Refuse an option that works on rows in memory, for data that are passed over in blocks.

    Raises
    ------
    OptionError
    """
    found = block_table(data, formula, value)
    if found is not None:
        raise OptionError(
            f"{option}={value!r} works on rows in memory, and the data are {found.source}, read in blocks: leave it out, or read "
            "the columns that it needs into a data frame."
        )


def _worth_opening(data: Any) -> bool:
    """Whether the data may be more than a table in memory, told from their type alone."""
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if path.name.lower().endswith((".csv", ".csv.gz")):
            # What is read of text takes about as much as the text; what is compressed about eight times that.
            return path.is_file() and path.stat().st_size * (8 if path.suffix.lower() == ".gz" else 1) > IN_MEMORY
        return path.is_dir() or path.suffix.lower() == ".parquet"
    package = type(data).__module__.split(".")[0]
    if package == "pyarrow":
        return hasattr(data, "scanner")
    if is_dask(data) or query_rows(data) is not None:
        return True
    if isinstance(data, list | tuple):
        return len(data) > 0 and (_all_tables(data) or all(map(is_dask, data)))
    return (callable(data) and not isinstance(data, type)) or _gives_tables(data)


def _opened(data: Any, rows: int) -> BlockTable | None:
    if isinstance(data, BlockTable):
        return data
    if isinstance(data, str | os.PathLike):
        return _from_path(Path(data), rows)
    package = type(data).__module__.split(".")[0]
    if package == "pyarrow" and hasattr(data, "scanner"):
        return _from_dataset(data, rows, "a data set of Arrow")
    if (cluster := dask_rows(data)) is not None:
        return _on_dask(*cluster, rows)
    if (query := query_rows(data)) is not None:
        part, names, source = query
        # To count the rows of any other query would run it once more.
        weigh = (lambda columns: 8.0 * part.count() * len(columns)) if part.countable else (lambda columns: 0.0)
        return BlockTable(names, (part,), LocalEngine(), source, None, rows, weigh)
    if isinstance(data, Iterator) or hasattr(data, "read_next_batch"):
        raise DataError(
            f"the data are a {type(data).__name__}, which can be read once, and a fit passes over its rows several times: give a "
            "function without arguments that opens it anew."
        )
    if isinstance(data, list | tuple) and _all_tables(data):
        return _named(Tables(tuple(data)), rows, f"a list of {len(data)} tables")
    if callable(data) and not isinstance(data, type) and not hasattr(data, "columns"):
        return _named(Reopened(cast("Callable[[], Any]", data)), rows, "tables opened anew at each pass")
    if _gives_tables(data):
        return _named(Reopened(data.__iter__), rows, f"the tables of a {type(data).__name__}")
    return None


def _gives_tables(data: Any) -> bool:
    """Whether an object is no table but gives tables, from the first on, each time that it is iterated over."""
    if isinstance(data, Mapping | Iterator | str | bytes | list | tuple) or not hasattr(data, "__iter__"):
        return False
    table = ("columns", "column_names", "schema", "__array__", "__dataframe__", "__arrow_c_stream__")
    if any(hasattr(data, name) for name in table):
        return False
    head = next(iter(data), None)
    return head is not None and _all_tables([head])


def _on_dask(part: Any, names: tuple[str, ...] | None, source: str, rows: int) -> BlockTable:
    engine = DaskEngine()
    if names is None:
        found = engine.head(part.pieces[0])
        names = names_of(found)
    return BlockTable(names, (part,), engine, source, None, rows)


def _in_memory(data: Any, rows: int) -> BlockTable:
    if isinstance(data, Mapping):
        from statinf.formula import as_frame

        data = as_frame(data).native
    return _named(Tables((data,)), rows, "a table in memory")


def _all_tables(items: Any) -> bool:
    return len(items) > 0 and all(hasattr(i, "columns") or hasattr(i, "column_names") for i in items)


def _named(part: Any, rows: int, source: str) -> BlockTable:
    """A table whose columns are those of its first rows."""
    from statinf.formula import as_frame

    opened: Callable[[], Any] | None = getattr(part, "opened", None)
    head = part.tables[0] if opened is None else _head(opened())
    if head is None:
        raise DataError("the data hold no table.")
    frame = as_frame(head)
    count = None if opened is not None else sum(as_frame(t).n for t in part.tables)
    return BlockTable(tuple(map(str, frame.names)), (part,), LocalEngine(), source, count, rows)


def _head(tables: Any) -> Any:
    """The first of the tables that a function gave."""
    if not hasattr(tables, "__iter__") or hasattr(tables, "columns") or hasattr(tables, "column_names"):
        raise DataError(
            f"the function given as data returned a {type(tables).__name__}; it must return an iterator of tables."
        )
    return next(iter(tables), None)


def _from_path(path: Path, rows: int) -> BlockTable:
    if not path.exists():
        raise DataError(f"{path} does not exist.")
    dataset: Any = need("pyarrow.dataset", f"reading {path}")
    form = "csv" if path.name.lower().endswith((".csv", ".csv.gz")) else "parquet"
    kind = "a folder of Parquet files" if path.is_dir() else f"a {form.upper() if form == 'csv' else 'Parquet'} file"
    if path.is_dir() and not any(path.rglob("*.parquet")) and not any(f.is_file() for f in path.rglob("*")):
        raise DataError(f"the folder {path} holds no file; give one with Parquet files.")
    try:
        found = dataset.dataset(path, format=file_format(form), partitioning="hive" if path.is_dir() else None)
        return _from_dataset(found, rows, kind, whole=path.is_file())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {form}: {error}") from error


def _from_dataset(data: Any, rows: int, source: str, *, whole: bool = False) -> BlockTable:
    data = unified(data) if hasattr(data, "files") else data
    names = tuple(data.schema.names)
    if type(getattr(data, "format", None)).__name__ == "ParquetFileFormat" and not _has_keys(data):
        parts, count, size = _row_groups(data)
    else:
        parts, count, size = (Fragment(data),), None, None
    weigh = (
        None
        if not whole
        else (lambda columns: _text_bytes(data, columns) if size is None else size * 8.0 * len(columns))
    )
    return BlockTable(names, parts, LocalEngine(), source, count, rows, weigh)


def _text_bytes(data: Any, columns: Sequence[str]) -> float:
    """About what columns of text files take in memory: their share of the files' bytes."""
    size = sum(Path(f).stat().st_size * (8 if f.lower().endswith(".gz") else 1) for f in data.files)
    return size * len(columns) / max(1, len(data.schema.names))


def _has_keys(data: Any) -> bool:
    """Whether columns stand in the names of the folders, so that files do not have them."""
    return any(str(f.partition_expression) != "true" for f in data.get_fragments())


def _row_groups(data: Any) -> tuple[tuple[ParquetGroups, ...], int, float]:
    parts, count = [], 0
    for fragment in data.get_fragments():
        groups = [(g.id, g.num_rows) for g in fragment.row_groups]
        if groups:
            ids, sizes = zip(*groups, strict=True)
            parts.append(ParquetGroups(fragment.path, ids, sizes, data.schema, data.filesystem))
            count += sum(sizes)
    return tuple(parts), count, float(count)
