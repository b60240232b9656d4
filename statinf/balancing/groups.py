"""The treatment column as two arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.arms import order_note, treatment_levels
from statinf.formula.design import Design, design
from statinf.formula.frame import Categorical, Frame


@dataclass(frozen=True)
class Arms:
    """A binary treatment.

    Attributes
    ----------
    treated : ndarray of bool, shape (n,)
    name : str
        Treatment column.
    level, other : object
        The value that counts as treated, and the other one.
    note : str
        What the summary says where the order of the two values alone decided; empty elsewhere.
    """

    treated: np.ndarray
    name: str
    level: Any
    other: Any
    note: str


def read_design(formula: str, frame: Frame, *, treated: Any = None, **options: Any) -> tuple[Design, Arms]:
    """Read `treatment ~ covariates`; the treatment is numeric with two values, or a category with two levels.

    Rows of weight zero have no say in which values there are.

    Raises
    ------
    DataError
        If there are not exactly two values.
    OptionError
        If `treated` is none of them.
    """
    left, _, right = formula.partition("~")
    name = left.strip().strip("`")
    if name in frame.names and isinstance(frame.column(name), Categorical):
        extra = options.pop("cluster", None)
        made = design(f"~ {right}", frame, response="none", cluster=[name, *(extra or [])], **options)
        found = made.frame.categories(name)
        codes = found.codes[made.rows]
        levels = [found.levels[k] for k in _with_weight(codes, made.weights)]
        return made, _arms(levels, lambda level: codes == found.levels.index(level), name, treated)
    made = design(formula, frame, **options)
    values = made.y
    levels = _with_weight(values, made.weights)
    return made, _arms(levels, lambda level: values == level, made.response_names[0], treated)


def _with_weight(values: np.ndarray, weights: np.ndarray) -> list[Any]:
    """The distinct values on rows of positive weight; of two that an empty arm leaves alone, both."""
    low, high = values.min(), values.max()
    if low < high and np.all((values == low) | (values == high)):
        return [low.item(), high.item()]
    return np.unique(values[weights > 0]).tolist()


def _arms(levels: list[Any], rows_of: Any, name: str, treated: Any) -> Arms:
    if len(levels) != 2:
        shown = ", ".join(f"{v:g}" if isinstance(v, float) else repr(v) for v in levels[:6])
        raise DataError(
            f"the treatment '{name}' has {len(levels)} {'value' if len(levels) == 1 else 'values'} ({shown}) on the rows used; "
            "this method needs two arms."
        )
    level, other, known = treatment_levels(levels, treated, name=name)
    return Arms(rows_of(level), name, level, other, "" if known else order_note(name, level, other))
