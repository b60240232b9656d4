"""Rows of a frame in the caller's kind of table, or as pandas, whatever other columns stand beside those that are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.formula.columns import as_pandas


def native_rows(frame: Any, rows: np.ndarray) -> Any:
    """Some rows of a frame, in its own kind."""
    if frame.kind == "pandas":
        # Not through narwhals, which refuses a frame in which a column's name occurs twice.
        return _native_order(frame.native).iloc[rows]
    import narwhals as nw

    return nw.from_native(frame.native, eager_only=True)[rows.tolist()].to_native()


def pandas_rows(frame: Any, first: int | None = None) -> Any:
    """All rows of a frame, or the first of them, as a pandas frame numbered from 0."""
    if frame.kind == "pandas":
        table = _native_order(frame.native)
    else:
        import narwhals as nw

        table = nw.from_native(frame.native, eager_only=True)
        return as_pandas(table if first is None else table.head(first)).reset_index(drop=True)
    return (table if first is None else table.head(first)).reset_index(drop=True)


def _native_order(table: Any) -> Any:
    """The frame with columns in this machine's order of bytes, as pandas needs them to take rows."""
    swapped = [j for j, kind in enumerate(table.dtypes) if getattr(kind, "byteorder", "=") not in "=|"]
    if not swapped:
        return table
    names = table.columns
    numbered = table.set_axis(range(len(names)), axis=1)
    return numbered.astype({j: table.dtypes.iloc[j].newbyteorder("=") for j in swapped}).set_axis(names, axis=1)
