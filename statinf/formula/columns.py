"""One normal form for columns of every kind of table: float64 values, or integer codes with named levels."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.optional import need

_EXACT_INTEGERS = 2**53
_DATE_ADVICE = "turn it into numbers first, such as days since a date, or use it as categories: C({name})"


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: float64 values, missing ones NaN; `logical` says that they were truth values."""

    values: np.ndarray
    logical: bool = False


@dataclass(frozen=True)
class Categorical:
    """A column of categories: signed `codes` index `levels`, -1 where missing; `ordered` says that their order was declared."""

    codes: np.ndarray
    levels: tuple[Any, ...]
    ordered: bool = False


FrameColumn = Numeric | Categorical
_SAMPLE = 4096


def checksum(column: FrameColumn) -> int:
    """A number that moves with the column: the sum of all its bits, and a digest of some rows for their order."""
    named = isinstance(column, Categorical)
    bits = column.codes if named else np.ascontiguousarray(column.values).view(np.uint64)
    total = int(np.sum(bits, dtype=np.int64 if named else np.uint64))
    some = zlib.crc32(bits[:: 1 + len(bits) // _SAMPLE].tobytes())
    return hash((len(bits), total, some, zlib.crc32(repr(column.levels).encode()) if named else 0))


def plain_column(series: Any) -> Numeric | None:
    """A pandas series of NumPy floats, short integers or truth values in normal form; None for any other."""
    dtype = series.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub" or dtype.itemsize > (8 if dtype.kind == "f" else 4):
        return None
    return Numeric(series.to_numpy().astype(np.float64, copy=False), logical=dtype.kind == "b")


def to_column(series: Any, name: str) -> FrameColumn:
    """Bring a narwhals series into normal form.

    Raises
    ------
    DataError
        If the values are dates, mixed, complex, or whole numbers that float64 cannot hold.
    """
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric():
        return Numeric(_floats(series, name))
    if dtype == nw.Boolean:
        return Numeric(_cast(series), logical=True)
    if dtype.is_temporal():
        raise DataError(f"column '{name}' holds dates or times; {_DATE_ADVICE.format(name=name)}.")
    if dtype in (nw.Categorical, nw.Enum) or dtype == nw.String:
        return _encode(series)
    return _object_column(series, name)


def to_categories(series: Any, name: str) -> Categorical:
    """The column as categories: numbers and dates become levels named after themselves, in order."""
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_integer() or dtype.is_temporal() or (dtype == nw.Object and _kind_of_objects(series) in _DATES):
        return _encode_values(series)
    column = to_column(series, name)
    if isinstance(column, Categorical):
        return column
    return categories_of(column.values, label="bool" if dtype == nw.Boolean else "number")


def categories_of(values: np.ndarray, label: str = "number") -> Categorical:
    """Categories from numbers, levels in increasing order; `label` "bool" names them True and False."""
    missing = np.isnan(values)
    found, inverse = np.unique(values[~missing], return_inverse=True)
    codes = np.full(len(values), -1, np.int32)
    codes[~missing] = inverse
    if label == "bool":
        return Categorical(codes, tuple(bool(v) for v in found))
    whole = len(found) > 0 and bool(np.all(found == np.round(found))) and float(np.abs(found).max()) < _EXACT_INTEGERS
    return Categorical(codes, tuple(int(v) for v in found) if whole else tuple(float(v) for v in found))


def _floats(series: Any, name: str) -> np.ndarray:
    import narwhals as nw

    if series.dtype in (nw.Int64, nw.UInt64, nw.Int128, nw.UInt128):
        found = series.null_count() < len(series)
        if found and any(abs(int(v)) > _EXACT_INTEGERS for v in (series.min(), series.max())):
            raise DataError(
                f"column '{name}' has whole numbers beyond 2**53, which float64 cannot hold exactly; "
                f"rescale it, or write C({name}) if it is an identifier."
            )
    if series.implementation.is_pandas_like():
        return np.asarray(series.to_native().to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    return _cast(series)


def _cast(series: Any) -> np.ndarray:
    import narwhals as nw

    if series.implementation.is_pandas_like():
        native = series.to_native()
        if native.dtype == bool:
            return native.to_numpy().astype(np.float64)
        return native.astype("object").where(native.notna(), np.nan).to_numpy(dtype=np.float64)
    return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)


def as_pandas(table: Any) -> Any:
    """A narwhals series or frame as that of pandas; polars goes by way of pyarrow."""
    if table.implementation.is_pandas():
        return table.to_native()
    if table.implementation.is_polars():
        need("pyarrow", "polars data of this type")
    return table.to_pandas()


def _encode(series: Any) -> Categorical:
    import pandas as pd

    native = series.to_native()
    if series.implementation.is_polars():
        return _encode_polars(native)
    if series.implementation.is_pyarrow():
        return _encode_arrow(native)
    pandas_series = as_pandas(series)
    if isinstance(pandas_series.dtype, pd.CategoricalDtype):
        kind = pandas_series.cat
        return Categorical(np.asarray(kind.codes), tuple(kind.categories.tolist()), bool(kind.ordered))
    codes, levels = pd.factorize(pandas_series, sort=True)
    return Categorical(np.asarray(codes), tuple(levels.tolist()))


def _encode_values(series: Any) -> Categorical:
    """Whole numbers and dates by exact equality; dates are named by their text."""
    import pandas as pd

    whole = series.dtype.is_integer()
    plain = whole and not series.implementation.is_pandas() and not series.null_count()
    values = series.to_numpy() if plain else as_pandas(series)
    ascending = _ascending(series.to_numpy()) if whole and not series.null_count() else None
    if ascending is not None:
        return ascending
    if not whole:
        # As text the same date from another kind of table is the same level.
        values = values.astype("object").where(values.notna(), None).map(_date_text, na_action="ignore")
    elif not series.implementation.is_pandas() and series.null_count():
        # Nulls made pandas turn whole numbers into floats: encode what is there exactly.
        present = ~series.is_null().to_numpy()
        codes = np.full(len(present), -1, np.int64)
        inner = _encode_values(series.drop_nulls())
        codes[present] = inner.codes
        return Categorical(codes, inner.levels)
    codes, levels = pd.factorize(values, sort=True)
    return Categorical(np.asarray(codes), tuple(levels.tolist()))


def _ascending(values: np.ndarray) -> Categorical | None:
    """Whole numbers that stand in ascending order, as ids of panels often do, without a table of hashes."""
    if values.dtype.kind not in "iu" or len(values) < 2 or (values[1:] < values[:-1]).any():
        return None
    new = values[1:] != values[:-1]
    codes = np.zeros(len(values), np.int64)
    np.cumsum(new, out=codes[1:])
    return Categorical(codes, tuple(values[np.append(True, new)].tolist()))


def _date_text(value: Any) -> str:
    text = str(value)
    return text.removesuffix(" 00:00:00")


def _encode_polars(series: Any) -> Categorical:
    pl: Any = need("polars", "a polars column")
    if isinstance(series.dtype, pl.Enum):
        codes, levels = series.to_physical(), series.dtype.categories.to_list()
        return Categorical(codes.cast(pl.Int32).fill_null(-1).to_numpy(), tuple(levels), ordered=True)
    found = series.drop_nulls().unique()
    text = found.cast(pl.String)
    if series.dtype != pl.String and len(found):
        # Numbers of the categories stand for the text, which need not be looked at row by row.
        numbers, order = found.to_physical().to_numpy(), text.arg_sort().to_numpy()
        last = int(numbers.max()) + 1
        if last < len(series) + (1 << 20):
            place = np.full(last + 1, -1, np.int32)
            place[numbers[order]] = np.arange(len(order))
            rows = series.to_physical()
            codes = place[(rows.cast(pl.UInt64).fill_null(last) if rows.null_count() else rows).to_numpy()]
            return Categorical(codes, tuple(text.gather(order).to_list()))
    levels = text.sort()
    codes = series.cast(pl.Enum(levels))
    return Categorical(codes.to_physical().cast(pl.Int32).fill_null(-1).to_numpy(), tuple(levels.to_list()))


def _encode_arrow(array: Any) -> Categorical:
    pa: Any = need("pyarrow", "a pyarrow column")
    pc: Any = need("pyarrow.compute", "a pyarrow column")
    declared = pa.types.is_dictionary(array.type)
    encoded = array if declared else array.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = (
            encoded.chunk(0) if encoded.num_chunks else pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), [])
        )
    levels = encoded.dictionary.to_pylist()
    codes = pc.cast(encoded.indices, pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
    # A dictionary may itself hold a null or the same value twice; declared order is kept, text is sorted.
    order = [v for v in dict.fromkeys(levels) if v is not None]
    order = order if declared else sorted(order)
    if order != levels:
        position = {v: i for i, v in enumerate(order)}
        codes = np.array([*(position.get(v, -1) for v in levels), -1], np.int32)[codes]
    return Categorical(codes, tuple(order), bool(declared and array.type.ordered))


_DATES = ("datetime", "datetime64", "date", "timedelta", "timedelta64", "time", "period")


def _kind_of_objects(series: Any) -> str:
    import pandas as pd

    values = as_pandas(series)
    return pd.api.types.infer_dtype(values, skipna=True)


def _object_column(series: Any, name: str) -> FrameColumn:
    import pandas as pd

    values = as_pandas(series)
    if values.isna().all():
        return Numeric(np.full(len(values), np.nan))
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal", "boolean"):
        numbers = values.astype(object).where(values.notna(), np.nan)
        if inferred == "integer" and any(abs(v) > _EXACT_INTEGERS for v in numbers if v == v):
            raise DataError(
                f"column '{name}' has whole numbers beyond 2**53, which float64 cannot hold exactly; rescale it."
            )
        return Numeric(np.array([float(v) for v in numbers], dtype=np.float64), logical=inferred == "boolean")
    if inferred == "string":
        codes, levels = pd.factorize(values, sort=True)
        return Categorical(np.asarray(codes), tuple(levels.tolist()))
    if inferred in _DATES:
        raise DataError(f"column '{name}' holds dates or times; {_DATE_ADVICE.format(name=name)}.")
    kinds = sorted({type(v).__name__ for v in values.dropna().iloc[:1000]})
    raise DataError(f"column '{name}' holds {' and '.join(kinds)} values; give it one type, numbers or text.")
