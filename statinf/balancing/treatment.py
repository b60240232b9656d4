"""The treatment column as two arms."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula.arms import order_note, treatment_levels
from statinf.formula.design import Design, design
from statinf.formula.frame import Categorical, Frame
from statinf.formula.identity import RowIdentity


@dataclass(frozen=True)
class TwoArms:
    """A treatment of two arms.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        Position of each row's level: 1 is the treated one, -1 none (on rows of weight zero).
    levels : tuple
        Reference and treated level.
    name : str
        Treatment column.
    note : str
        What the summary says where the order of the two values alone decided; empty elsewhere.
    """

    codes: np.ndarray
    levels: tuple[Any, ...]
    name: str
    note: str

    def identity(self, design: Design) -> RowIdentity:
        """The rows of the design's frame by the columns that were read, the treatment among them."""
        found = design.identity
        own = self.name in design.frame.names and self.name not in found.names
        return replace(found, names=(*found.names, self.name)) if own else found


def read_design(formula: str, frame: Frame, *, treated: Any = None, **options: Any) -> tuple[Design, TwoArms]:
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
        # A dot stands for all columns but the one on the left.
        rest = f"{right} - `{name}`" if _DOT.search(right) else right
        made = design(f"~ {rest}", frame, response="none", cluster=[name, *(extra or [])], **options)
        if name in made.recipe.columns:
            raise FormulaError(f"the treatment '{name}' is among the covariates too; take it out of the right side.")
        found = made.frame.categories(name)
        codes = found.codes[made.rows]
        levels = [found.levels[k] for k in _with_weight(codes, made.weights)]
        return made, _arms(levels, lambda level: codes == found.levels.index(level), name, treated)
    made = design(formula, frame, **options)
    values = made.y
    levels = _with_weight(values, made.weights)
    return made, _arms(levels, lambda level: values == level, made.response_names[0], treated)


_DOT = re.compile(r"(?<![\w.])\.(?![\w.])")


def _with_weight(values: np.ndarray, weights: np.ndarray) -> list[Any]:
    """The distinct values on rows of positive weight; of two that an empty arm leaves alone, both."""
    low, high = values.min(), values.max()
    if low < high and np.all((values == low) | (values == high)):
        return [low.item(), high.item()]
    return np.unique(values[weights > 0]).tolist()


def _arms(levels: list[Any], rows_of: Callable[[Any], np.ndarray], name: str, treated: Any) -> TwoArms:
    if len(levels) != 2:
        shown = ", ".join(f"{v:g}" if isinstance(v, float) else repr(v) for v in levels[:6])
        raise DataError(
            f"the treatment '{name}' has {len(levels)} {'value' if len(levels) == 1 else 'values'} ({shown}) on the rows used; "
            "this method needs two arms."
        )
    level, other, known = treatment_levels(levels, treated, name=name)
    codes = np.full(len(rows_of(level)), -1, dtype=np.int8)
    codes[rows_of(other)], codes[rows_of(level)] = 0, 1
    return TwoArms(codes, (other, level), name, "" if known else order_note(name, level, other))
