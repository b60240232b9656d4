"""A caller's table behind one interface, whatever kind of table it is."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Container, Mapping, Sized
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from statinf.errors import DataError
from statinf.formula.columns import Categorical, FrameColumn, Numeric, checksum, plain_column, to_categories, to_column
from statinf.optional import MissingPackageError, need

__all__ = ["Categorical", "Frame", "FrameColumn", "Numeric", "as_frame"]


@dataclass(frozen=True)
class Frame:
    """A caller's table behind one interface; columns are converted when asked for, never before.

    Attributes
    ----------
    native : object
        The caller's table: its columns by reference, so that replacing a column there changes nothing here; of a lazy
        table or a file, what was read of it.
    kind : str
        "pandas", "polars", "pyarrow", ... ; tables of results come back in this kind.
    names : tuple of str
        Column names.
    n : int
        Number of rows.
    unread : tuple of str
        Columns of a lazy table or a file that were not read.
    """

    native: Any
    kind: str
    names: tuple[Any, ...]
    n: int
    unread: tuple[str, ...] = ()

    @property
    def index(self) -> Any:
        """Labels of the rows: the index of a pandas frame, None for other kinds."""
        return self.native.index if self.kind == "pandas" else None

    def column(self, name: str) -> FrameColumn:
        """The column in normal form; a `DataError` where it is missing, cannot be used or has changed since it was read."""
        plain = plain_column(self._native(name)) if self.kind == "pandas" else None
        return self._as_before(name, to_column(self.raw(name), name) if plain is None else plain)

    def categories(self, name: str) -> Categorical:
        """The column as categories: numbers and dates become levels named after themselves, in order."""
        return self._as_before(name, to_categories(self.raw(name), name))

    def _as_before(self, name: str, column: Any) -> Any:
        if self.kind != "pandas" or copies_on_write():
            return column
        seen = (name, isinstance(column, Categorical))
        found = checksum(column)
        if self._checksums.setdefault(seen, found) != found:
            raise DataError(
                f"column '{name}' was changed in place after the fit had read it; fit again, or give newdata."
            )
        return column

    def raw(self, name: str) -> Any:
        """The column as a narwhals series."""
        import narwhals as nw

        if self.kind == "pandas":
            return nw.from_native(self._native(name), series_only=True)
        self._require_once(name)
        return nw.from_native(self.native, eager_only=True)[name]

    def _native(self, name: str) -> Any:
        self._require_once(name)
        return self.native[name]

    def _require_once(self, name: str) -> None:
        self.require(name)
        if self._counts[name] > 1:
            raise DataError(f"column '{name}' occurs {self._counts[name]} times in the data; rename the copies.")

    def require(self, name: str) -> None:
        """Raise a `DataError` with the closest names if there is no such column."""
        if isinstance(name, Sized) and not isinstance(name, str | tuple):
            raise DataError(f"a column is told by its name, not by its values; got a {type(name).__name__}.")
        if name in self._counts:
            return
        if name in self.unread:
            raise DataError(
                f"column '{name}' was not read, since nothing named it when the data were read; "
                "name it at the fit, or read the data into a data frame first."
            )
        known = [*self.names, *self.unread]
        if any(str(c) == name for c in known if not isinstance(c, str)):
            hint = f" The column named {name} is not a string: rename it, for example with data.columns.astype(str)."
        else:
            several = [part.strip() for part in str(name).lstrip("~ ").split("+")]
            if len(several) > 1 and all(part in self._counts for part in several):
                raise DataError(f"column '{name}' is not in the data; several columns are a list: {several}.")
            close = get_close_matches(str(name), [c for c in known if isinstance(c, str)], n=3)
            hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
            hint = hint or f" The columns are {', '.join(map(str, known[:12]))}{', ...' if len(known) > 12 else ''}."
        raise DataError(f"column '{name}' is not in the data.{hint}")

    @cached_property
    def _counts(self) -> Counter[Any]:
        return Counter(self.names)

    @cached_property
    def _checksums(self) -> dict[tuple[str, bool], int]:
        return {}


def as_frame(data: Any, columns: Container[str] | None = None) -> Frame:
    """Wrap a table of any kind that narwhals reads, a mapping of arrays, or a parquet or csv file.

    Parameters
    ----------
    data : table, mapping of arrays, or path
    columns : container of str, optional
        The columns that will be used; lazy tables and files are read for these only.

    Raises
    ------
    DataError
        If the object is not a table, or the file cannot be read.
    """
    import narwhals as nw

    if isinstance(data, Frame):
        return data
    if hasattr(data, "read"):
        raise DataError("data is an open or closed file object; give its path, or read it into a data frame first.")
    if isinstance(data, str | os.PathLike):
        return _read_file(Path(data), columns)
    if hasattr(data, "block_rows"):
        raise DataError(
            "the data are a table in blocks of rows, which this verb or method does not pass over: read the columns that it needs "
            "into a data frame."
        )
    if isinstance(data, Mapping):
        return as_frame(_from_mapping(data))
    if _is_pandas(data):
        return _from_pandas(data)
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise DataError(
            f"data is {_said(data)}; give a pandas, polars, pyarrow or duckdb table, "
            "a dict of arrays, or the path of a parquet or csv file."
        ) from None
    if isinstance(frame, nw.LazyFrame):
        return _collect(frame, columns)
    native = frame.to_native()
    if _is_pandas(native):
        return _from_pandas(native)
    kind = str(frame.implementation.name).lower()
    # Polars replaces columns in place too; a clone shares them.
    return Frame(native.clone() if kind == "polars" else native, kind, tuple(frame.columns), len(native))


def _said(data: Any) -> str:
    """What data are that are no table; of a list, which of its items is none."""
    if not isinstance(data, list | tuple):
        return f"a {type(data).__name__}"
    if not data:
        return f"an empty {type(data).__name__}"
    table = [hasattr(item, "columns") or hasattr(item, "column_names") for item in data]
    if not any(table):
        return f"a {type(data).__name__} of {type(data[0]).__name__}"
    return f"a {type(data).__name__} of tables in which item {table.index(False)} is a {type(data[table.index(False)]).__name__}"


def copies_on_write() -> bool:
    """Whether writing into a pandas frame leaves its shallow copies alone: always from pandas 3 on, an option before."""
    import pandas as pd

    return int(pd.__version__.split(".")[0]) >= 3 or bool(pd.options.mode.copy_on_write)


def _is_pandas(data: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _from_pandas(data: Any) -> Frame:
    # Not through narwhals: it refuses repeated names even in columns that nobody asks for.
    if data.columns.nlevels > 1:
        raise DataError("the data frame has several header rows (a MultiIndex); flatten its column names first.")
    return Frame(data.copy(deep=False), "pandas", tuple(data.columns), len(data))


def _collect(frame: Any, columns: Container[str] | None) -> Frame:
    if str(frame.implementation.name).lower() == "duckdb":
        need("pyarrow", "a duckdb relation")
    try:
        names = tuple(frame.collect_schema().names())
        wanted = [c for c in names if columns is None or c in columns] or list(names[:1])
        read = frame.select(wanted).collect()
    except Exception as error:
        raise DataError(f"the lazy table cannot be collected: {error}") from error
    unread = tuple(c for c in names if c not in wanted)
    return Frame(read.to_native(), str(read.implementation.name).lower(), tuple(read.columns), len(read), unread)


def _from_mapping(data: Mapping[str, Any]) -> Any:
    import pandas as pd

    lengths = {str(k): (len(v) if hasattr(v, "__len__") and not isinstance(v, str) else None) for k, v in data.items()}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        listed = ", ".join(f"{k}: {'no array' if v is None else v}" for k, v in lengths.items())
        raise DataError(f"the arrays in the mapping differ in length or are not arrays ({listed}).")
    wide = [k for k, v in data.items() if getattr(v, "ndim", 1) != 1]
    if wide:
        raise DataError(f"the array '{wide[0]}' has {data[wide[0]].ndim} dimensions; give one column each.")
    # Row numbers decide what belongs together, not the index that a series brings along.
    return pd.DataFrame({k: v.reset_index(drop=True) if isinstance(v, pd.Series) else v for k, v in data.items()})


def _read_file(path: Path, columns: Container[str] | None) -> Frame:
    suffixes = "".join(path.suffixes[-2:]).lower()
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, whose files are passed over in blocks of rows, which this verb or method does not do: read the "
            "columns that it needs into a data frame."
        )
    if not (suffixes.endswith(".parquet") or ".csv" in suffixes):
        raise DataError(f"the file {path} is neither .parquet nor .csv; read it into a data frame first.")
    try:
        read = _read_parquet if suffixes.endswith(".parquet") else _read_csv
        native, present = read(path, columns)
    except MissingPackageError:
        raise
    except Exception as error:
        raise DataError(f"the file {path} cannot be read: {error}") from error
    frame = as_frame(native)
    twice = [c for c, count in Counter(present).items() if count > 1]
    if twice:
        raise DataError(f"column '{twice[0]}' occurs {present.count(twice[0])} times in {path}; rename the copies.")
    return Frame(frame.native, frame.kind, frame.names, frame.n, tuple(c for c in present if c not in frame.names))


def _read_parquet(path: Path, columns: Container[str] | None) -> tuple[Any, list[str]]:
    pq: Any = need("pyarrow.parquet", f"reading {path}")
    present = pq.read_schema(path).names
    wanted = [c for c in present if columns is None or c in columns] or present[:1]
    return pq.read_table(path, columns=wanted), present


def _read_csv(path: Path, columns: Container[str] | None) -> tuple[Any, list[str]]:
    import pandas as pd

    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
    present = [str(c) for c in header.iloc[0]]
    wanted = [c for c in present if columns is None or c in columns] or present[:1]
    return pd.read_csv(path, usecols=lambda c: c in wanted), present
