"""The treatment column as two arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError
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
        The value that counts as treated, the later of the two in order, and the other one.
    """

    treated: np.ndarray
    name: str
    level: Any
    other: Any


def read_design(formula: str, frame: Frame, **options: Any) -> tuple[Design, Arms]:
    """Read `treatment ~ covariates`; the treatment is numeric with two values, or a category with two levels."""
    left, _, right = formula.partition("~")
    name = left.strip().strip("`")
    if name in frame.names and isinstance(frame.column(name), Categorical):
        extra = options.pop("cluster", None)
        made = design(f"~ {right}", frame, response="none", cluster=[name, *(extra or [])], **options)
        return made, _two_levels(made, name)
    made = design(formula, frame, **options)
    return made, two_arms(made.y, made.response_names[0])


def two_arms(values: np.ndarray, name: str) -> Arms:
    """Read a numeric treatment with two values; the larger one is treated.

    Raises
    ------
    DataError
        If there are not exactly two values.
    """
    low, high = float(np.min(values)), float(np.max(values))
    treated = values == high
    if low == high or not np.all(treated | (values == low)):
        _check_two(np.unique(values).tolist(), name)
    return Arms(treated, name, high, low)


def _two_levels(made: Design, name: str) -> Arms:
    levels = made.frame.categories(name).levels
    codes = made.frame.categories(name).codes[made.rows]
    present = [level for k, level in enumerate(levels) if np.any(codes == k)]
    _check_two(present, name)
    return Arms(codes == levels.index(present[1]), name, present[1], present[0])


def _check_two(found: list[Any], name: str) -> None:
    if len(found) != 2:
        shown = ", ".join(f"{v:g}" if isinstance(v, float) else repr(v) for v in found[:6])
        raise DataError(
            f"the treatment '{name}' has {len(found)} {'value' if len(found) == 1 else 'values'} ({shown}) on the rows used; "
            "this method needs two arms."
        )
