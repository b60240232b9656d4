"""Tables back in the caller's kind of data frame."""

from __future__ import annotations

from typing import Any

from statinf.optional import need


def to_caller(frame: Any, kind: str, index: Any = None) -> Any:
    """Turn a pandas frame into the caller's kind: pandas, polars or pyarrow; pandas for all others.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its own index is not carried over.
    kind : str
        Kind of the caller's frame, as `Frame.kind` names it.
    index : pandas.Index, optional
        Labels of the caller's rows, for tables with one row per row of a pandas frame; other tables count from 0.
    """
    if index is not None and kind == "pandas":
        return frame.set_axis(index, axis=0)
    plain = frame.reset_index(drop=True)
    if kind == "polars":
        pl = need("polars", "a table in the kind of the data, polars,")
        return pl.DataFrame({str(c): _listed(plain[c]) for c in plain.columns})
    if kind == "pyarrow":
        pa = need("pyarrow", "a table in the kind of the data, pyarrow,")
        return pa.table({str(c): pa.array(_listed(plain[c])) for c in plain.columns})
    return plain


def _listed(column: Any) -> Any:
    return column.to_numpy() if column.dtype.kind in "fiub" else [None if v != v else v for v in column.tolist()]
