"""Missing values as part of what may shift: filled in, with a column beside them that says where.

A value that is missing is replaced by one number for both samples, the mean of the values that are there, and of
categories by a level of its own; a 0/1 column `NAME_missing` joins the formula. What is filled in does not know the
samples' labels, so that permutation tests stay exact: the hypothesis is that values and their missingness have the same joint
law.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula.columns import Categorical
from statinf.formula.design import design
from statinf.formula.mentioned import read_frame
from statinf.formula.native_rows import pandas_rows

LEVEL = "(missing)"


@dataclass(frozen=True, repr=False)
class Filled(Brief):
    """Both frames without missing values in the formula's columns.

    Attributes
    ----------
    formula : str
        With the indicators.
    source, target : pandas data frames
    kind : str
        Of the caller's source.
    absent : mapping of str to (ndarray of bool, ndarray of bool)
        Rows that were filled in, by column, in either frame.
    """

    formula: str
    source: Any
    target: Any
    kind: str
    absent: dict[str, tuple[np.ndarray, np.ndarray]]


def filled(formula: str, source: Any, target: Any, *named: Any, context: Any = None) -> Filled:
    """Fill missing values in, and add a column for each variable that has some in either sample.

    Parameters
    ----------
    formula : str
    source, target : data frame
    *named : str or other
        Columns that are read besides, such as weights.
    context : mapping, optional

    Raises
    ------
    DataError
        If a variable has no value at all, or the name of an indicator is taken.
    """
    frames = [read_frame(formula, data, *named) for data in (source, target)]
    made = [pandas_rows(frame) for frame in frames]
    absent: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in _columns(formula, frames[0], context):
        for frame, which in zip(frames, ("source", "target"), strict=True):
            if name not in frame.names:
                raise DataError(f"the {which} frame has no column '{name}'.")
        columns = [frame.column(name) for frame in frames]
        gone = tuple(c.codes < 0 if isinstance(c, Categorical) else np.isnan(c.values) for c in columns)
        if not any(g.any() for g in gone):
            continue
        if all(g.all() for g in gone):
            raise DataError(f"'{name}' is missing in every row of both samples; leave it out of the formula.")
        flag = f"{name}_missing"
        if any(flag in frame.names for frame in frames):
            raise DataError(f"missing='indicator' makes a column '{flag}', and there is one already; rename it.")
        if any(isinstance(c, Categorical) for c in columns):
            values = [_labelled(c, g) for c, g in zip(columns, gone, strict=True)]
        else:
            known = np.concatenate([c.values[~g] for c, g in zip(columns, gone, strict=True)])  # type: ignore[union-attr]
            middle = float(known[0] + np.mean(known - known[0])) if np.isfinite(known).all() else float(known[0])
            values = [np.where(g, middle, c.values) for c, g in zip(columns, gone, strict=True)]  # type: ignore[union-attr]
        made = [
            table.assign(**{name: value, flag: g.astype(float)})
            for table, value, g in zip(made, values, gone, strict=True)
        ]
        absent[name] = (gone[0], gone[1])
    extra = "".join(f" + `{name}_missing`" for name in absent)
    return Filled(formula + extra, made[0], made[1], frames[0].kind, absent)


def _labelled(column: Any, gone: np.ndarray) -> np.ndarray:
    if not isinstance(column, Categorical):
        return np.where(gone, LEVEL, column.values.astype(str))
    levels = np.array([*(str(level) for level in column.levels), LEVEL], dtype=object)
    return levels[np.where(gone, len(levels) - 1, column.codes)]


def _columns(formula: str, frame: Any, context: Any) -> tuple[str, ...]:
    """The columns that the formula reads, found on the rows of the source that have them all, or by their names."""
    try:
        return design(formula, frame, response="none", context=context).recipe.columns
    except DataError:
        found = tuple(n for n in frame.names if isinstance(n, str) and n in formula)
        if not found:
            raise
        return found
