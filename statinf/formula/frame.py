"""One normal form for every kind of table: float64 columns, or integer codes with named levels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from statinf.errors import DataError

_EXACT_INTEGERS = 2**53
_DATE_ADVICE = "turn it into numbers first, such as days since a date, or into categories"


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: float64 values, missing ones NaN."""

    values: np.ndarray


@dataclass(frozen=True)
class Categorical:
    """A column of categories: `codes` index `levels`, -1 where missing."""

    codes: np.ndarray
    levels: tuple[Any, ...]


Column = Numeric | Categorical


@dataclass(frozen=True)
class Frame:
    """A caller's table behind one interface; columns are converted when asked for, never before.

    Attributes
    ----------
    native : object
        The caller's table, by reference.
    kind : str
        "pandas", "polars", "pyarrow", ... ; tables of results come back in this kind.
    names : tuple of str
        Column names.
    n : int
        Number of rows.
    """

    native: Any
    kind: str
    names: tuple[Any, ...]
    n: int

    def column(self, name: str) -> Column:
        """The column in normal form; a `DataError` where it is missing or cannot be used."""
        return to_column(self.raw(name), name)

    def categories(self, name: str) -> Categorical:
        """The column as categories: numbers become levels named after themselves, in order."""
        series = self.raw(name)
        column = to_column(series, name)
        if isinstance(column, Categorical):
            return column
        return categories_of(column.values, label=_level_type(series))

    def raw(self, name: str) -> Any:
        """The column as a narwhals series."""
        import narwhals as nw

        self.require(name)
        if self.names.count(name) > 1:
            raise DataError(f"column '{name}' occurs {self.names.count(name)} times in the data; rename the copies.")
        return nw.from_native(self.native, eager_only=True)[name]

    def require(self, name: str) -> None:
        """Raise a `DataError` with the closest names if there is no such column."""
        if name in self.names:
            return
        unnamed = [c for c in self.names if not isinstance(c, str)]
        if any(str(c) == name for c in unnamed):
            hint = f" The column named {name} is not a string: rename it, for example with data.columns.astype(str)."
        else:
            close = get_close_matches(str(name), [c for c in self.names if isinstance(c, str)], n=3)
            hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
            hint = hint or f" The columns are {', '.join(map(str, self.names[:12]))}{', ...' if len(self.names) > 12 else ''}."
        raise DataError(f"column '{name}' is not in the data.{hint}")


def as_frame(data: Any, columns: Sequence[str] | None = None) -> Frame:
    """Wrap a table of any kind that narwhals reads, a mapping of arrays, or a parquet or csv file.

    Parameters
    ----------
    data : table, mapping of arrays, or path
    columns : sequence of str, optional
        The columns that will be used; lazy tables and parquet files read only these.

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
        return as_frame(_read_file(Path(data), columns))
    if isinstance(data, Mapping):
        return as_frame(_from_mapping(data))
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise DataError(
            f"data is a {type(data).__name__}; give a pandas, polars, pyarrow or duckdb table, "
            "a dict of arrays, or the path of a parquet or csv file."
        ) from None
    kind = str(frame.implementation.name).lower()
    if isinstance(frame, nw.LazyFrame):
        names = tuple(frame.collect_schema().names())
        wanted = [c for c in names if columns is None or c in columns]
        frame = frame.select(wanted or names[:1]).collect()
        return Frame(frame.to_native(), str(frame.implementation.name).lower(), tuple(frame.columns), len(frame))
    if kind == "pandas" and data.columns.nlevels > 1:
        raise DataError("the data frame has several header rows (a MultiIndex); flatten its column names first.")
    native_names = tuple(data.columns) if kind == "pandas" else tuple(frame.columns)
    return Frame(data, kind, native_names, len(data) if kind == "pandas" else len(frame))


def _from_mapping(data: Mapping[str, Any]) -> Any:
    import pandas as pd

    lengths = {str(k): (len(v) if hasattr(v, "__len__") and not isinstance(v, str) else None) for k, v in data.items()}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        raise DataError(f"the arrays in the mapping differ in length or are not arrays: {lengths}.")
    wide = [k for k, v in data.items() if getattr(v, "ndim", 1) != 1]
    if wide:
        raise DataError(f"the array '{wide[0]}' has {data[wide[0]].ndim} dimensions; give one column each.")
    return pd.DataFrame(dict(data))


def _read_file(path: Path, columns: Sequence[str] | None) -> Any:
    import pandas as pd

    suffixes = "".join(path.suffixes[-2:]).lower()
    try:
        if suffixes.endswith(".parquet"):
            import pyarrow.parquet as pq

            present = pq.read_schema(path).names
            return pq.read_table(path, columns=None if columns is None else [c for c in present if c in columns])
        if ".csv" in suffixes:
            keep = None if columns is None else (lambda c: c in columns)
            return pd.read_csv(path, usecols=keep)
    except ImportError:
        raise DataError(f"reading {path} needs pyarrow: pip install 'statinf[pyarrow]'.") from None
    except Exception as error:
        raise DataError(f"the file {path} cannot be read: {error}") from error
    raise DataError(f"the file {path} is neither .parquet nor .csv; read it into a data frame first.")


def to_column(series: Any, name: str) -> Column:
    """Bring a narwhals series into normal form."""
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric():
        return Numeric(_floats(series, name))
    if dtype == nw.Boolean:
        return Numeric(series.cast(nw.Float64).to_numpy())
    if dtype.is_temporal():
        raise DataError(f"column '{name}' holds dates or times; {_DATE_ADVICE}.")
    if dtype in (nw.Categorical, nw.Enum) or dtype == nw.String:
        return _encode(series, name)
    return _object_column(series, name)


def _floats(series: Any, name: str) -> np.ndarray:
    import narwhals as nw

    if series.dtype.is_integer():
        extremes = [v for v in (series.min(), series.max()) if v is not None and v == v]
        if any(abs(int(v)) > _EXACT_INTEGERS for v in extremes):
            raise DataError(
                f"column '{name}' has whole numbers beyond 2**53, which float64 cannot hold exactly; "
                "rescale it, or make it categorical if it is an identifier."
            )
    if series.dtype == nw.Float64 and series.implementation.is_pandas():
        values = series.to_native().to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = series.cast(nw.Float64).to_numpy()
    return np.asarray(values, dtype=np.float64)


def _encode(series: Any, name: str) -> Categorical:
    import pandas as pd

    native = series.to_native()
    if series.implementation.is_polars():
        return _encode_polars(native)
    if series.implementation.is_pyarrow():
        return _encode_arrow(native)
    pandas_series = native if series.implementation.is_pandas() else series.to_pandas()
    if isinstance(pandas_series.dtype, pd.CategoricalDtype):
        return Categorical(np.asarray(pandas_series.cat.codes, np.int64), tuple(pandas_series.cat.categories.tolist()))
    codes, levels = pd.factorize(pandas_series, sort=True)
    return Categorical(np.asarray(codes, np.int64), tuple(levels.tolist()))


def _encode_polars(series: Any) -> Categorical:
    import polars as pl

    if isinstance(series.dtype, pl.Enum):
        levels = series.dtype.categories.to_list()
    else:
        series = series.cast(pl.String)
        levels = series.drop_nulls().unique().sort().to_list()
    codes = series.cast(pl.Enum(levels)).to_physical().cast(pl.Int64).fill_null(-1)
    return Categorical(codes.to_numpy(), tuple(levels))


def _encode_arrow(array: Any) -> Categorical:
    import pyarrow as pa

    declared = pa.types.is_dictionary(array.type)
    encoded = (array if declared else array.dictionary_encode()).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    levels = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if not declared:
        order = sorted(range(len(levels)), key=lambda i: levels[i])
        rank = np.full(len(levels) + 1, -1, np.int64)
        rank[order] = np.arange(len(levels))
        codes, levels = rank[codes], [levels[i] for i in order]
    return Categorical(codes, tuple(levels))


def _object_column(series: Any, name: str) -> Column:
    import pandas as pd

    values = series.to_native() if series.implementation.is_pandas() else series.to_pandas()
    if values.isna().all():
        return Numeric(np.full(len(values), np.nan))
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal", "boolean"):
        return Numeric(pd.to_numeric(values.astype(object).where(values.notna(), np.nan)).to_numpy(np.float64))
    if inferred == "string":
        codes, levels = pd.factorize(values, sort=True)
        return Categorical(np.asarray(codes, np.int64), tuple(levels.tolist()))
    if inferred in ("datetime", "datetime64", "date", "timedelta", "timedelta64", "time", "period"):
        raise DataError(f"column '{name}' holds dates or times; {_DATE_ADVICE}.")
    kinds = sorted({type(v).__name__ for v in values.dropna().iloc[:1000]})
    raise DataError(f"column '{name}' holds {' and '.join(kinds)} values; give it one type, numbers or text.")


def _level_type(series: Any) -> str:
    import narwhals as nw

    if series.dtype == nw.Boolean:
        return "bool"
    return "int" if series.dtype.is_integer() else "number"


def categories_of(values: np.ndarray, label: str = "number") -> Categorical:
    """Categories from numbers, levels in increasing order; `label` says how levels are named."""
    missing = np.isnan(values)
    found, inverse = np.unique(values[~missing], return_inverse=True)
    codes = np.full(len(values), -1, np.int64)
    codes[~missing] = inverse
    whole = label == "int" or (label == "number" and bool(np.all(found == np.round(found))) and len(found) > 0)
    if label == "bool":
        levels: list[Any] = [bool(v) for v in found]
    else:
        levels = [int(v) for v in found] if whole else [float(v) for v in found]
    return Categorical(codes, tuple(levels))
