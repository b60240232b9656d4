"""Columns of a frame with other values: some of their rows, one number, or one level throughout."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.formula.columns import Categorical, FrameColumn, Numeric
from statinf.formula.rows import take


def some_rows(column: FrameColumn, rows: Any) -> FrameColumn:
    """Rows of a column, which stays one of truth values; all of them where `rows` is None."""
    if isinstance(column, Numeric) and rows is not None:
        return Numeric(column.values[rows], column.logical)
    return take(column, rows)


def set_to(column: FrameColumn, value: Any, n: int, name: str, known: tuple[Any, ...]) -> FrameColumn:
    """The column set to a number, or one for each row, or to a level; `known` are the levels of the fit."""
    if isinstance(column, Categorical):
        return at_level(column, value, n, name, known)
    try:
        values = np.broadcast_to(np.asarray(value, dtype=np.float64), (n,))
    except (TypeError, ValueError):
        raise OptionError(f"'{name}' holds numbers and cannot be set to {value!r:.60}.") from None
    return Numeric(np.array(values), column.logical)


def at_level(found: Categorical, value: Any, n: int, name: str, known: tuple[Any, ...]) -> Categorical:
    """Categories that are one level throughout: one of the fit's, whether or not these rows have it."""
    value = value.item() if isinstance(value, np.generic) else value
    levels = known or found.levels
    if np.ndim(value) or value not in levels:
        shown = ", ".join(map(repr, levels[:12]))
        raise OptionError(f"'{name}' cannot be set to {value!r:.60}; its levels are {shown}.")
    return Categorical(np.zeros(n, dtype=np.int32), (value,), found.ordered)
