"""The arms of a treatment: its levels, which of them counts as treated, and what others are compared with."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.arms import treatment_levels
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix

_MOST = 50
"""Numbers of more different values than this are doses, not arms."""
MOST_NUMBERS = 10
"""Numbers of more values than this are arms for methods of several arms only if written as `C(x)`."""


@dataclass(frozen=True)
class Arms:
    """The arms of a treatment.

    Attributes
    ----------
    levels : tuple
        Labels or numbers that occur on the rows used, in their order.
    codes : ndarray of int, shape (n,)
        Position of each row's level.
    treated, reference : object
        The level that counts as treated and the one it is compared with; of more than two levels, None where the
        caller named none, and the level that all others are compared with.
    recognised : bool
        False where only the order of the levels decided which is which.
    shown : bool
        Whether summaries name the two: for labels, for numbers other than 1 and 0, and where the caller chose.
    """

    levels: tuple[Any, ...]
    codes: np.ndarray
    treated: Any
    reference: Any
    recognised: bool
    shown: bool

    def rows(self, level: Any) -> np.ndarray:
        """Rows of one arm, shape (n,) bool."""
        return self.codes == self.levels.index(level)

    @property
    def ordered(self) -> tuple[Any, ...]:
        """The levels, the reference first."""
        return (self.reference, *(level for level in self.levels if level != self.reference))

    @property
    def facts(self) -> dict[str, str]:
        """What a summary says of the arms."""
        if len(self.levels) > 2:
            told = "" if self.recognised else " (by their order; reference= chooses)"
            whose = {} if self.treated is None else {"Treated": shown_level(self.treated)}
            return {"Reference": f"{shown_level(self.reference)}{told}"} | whose
        if not self.shown or self.treated is None:
            return {}
        treated, reference = shown_level(self.treated), shown_level(self.reference)
        told = "" if self.recognised else " (by their order; treated= chooses)"
        return {"Treated": f"{treated}; reference: {reference}{told}"}


def arms_of(
    made: Design, matrix: Matrix, *, treated: Any = None, reference: Any = None, what: str = "treatment"
) -> Arms | None:
    """The arms that a part of the formula describes, two or more; None for a number of many values.

    Raises
    ------
    DataError
        If the part is not one variable, or does not vary.
    """
    name, listed = next(iter(matrix.terms), ""), ", ".join(matrix.names) or "none"
    factor = made.recipe.factors.get(name)
    coding = made.recipe.learnt[name].coding if factor is not None else None
    if len(matrix.terms) != 1 or (matrix.p != 1 and (coding is None or coding.marks is None)):
        raise DataError(
            f"one {what} column is needed before '|', found {matrix.p}: {listed}. Covariates stand behind '|': "
            "'outcome ~ treatment | x1 + x2'."
        )
    used = made.weights > 0
    if coding is None or coding.marks is None:
        values = matrix.values[:, 0]
        levels, codes = _numbers(values, used)
        if levels is None:
            return None
    else:
        place = {int(mark): k for k, mark in enumerate(coding.marks)}
        full = matrix.p == len(coding.levels)
        codes = np.full(made.n, place.get(-1, 0))
        for column in range(matrix.p):
            codes[matrix.values[:, column] == 1.0] = column if full else place[column]
        present = np.bincount(codes[used], minlength=len(coding.levels)) > 0
        levels = tuple(v for v, there in zip(coding.levels, present, strict=True) if there)
        codes = (np.cumsum(present) - 1)[codes]
        node = factor.node if factor is not None else None
        if reference is None and treated is None and isinstance(node, ast.Call) and _chosen(node):
            # The formula itself says which level others are compared with.
            reference = coding.levels[place.get(-1, 0)] if present[place.get(-1, 0)] else None
    shown = f"{levels[0]:g}" if isinstance(levels[0], float) else repr(levels[0])
    if len(levels) < 2:
        raise DataError(
            f"the {what} '{plain_name(matrix)}' does not vary on the rows used (only {shown}); there is "
            "nothing to compare."
        )
    on, off, recognised = treatment_levels(levels, treated, reference, name=plain_name(matrix))
    numbers = all(isinstance(v, Real) for v in levels)
    plain = numbers and recognised and treated is None and reference is None and set(levels) == {0, 1}
    return Arms(levels, codes, on, off, recognised, shown=not plain)


def _chosen(call: ast.Call) -> bool:
    """Whether a `C()` names its levels or their contrast."""
    return len(call.args) > 1 or bool(call.keywords)


def _numbers(values: np.ndarray, used: np.ndarray) -> tuple[tuple[float, ...] | None, np.ndarray]:
    """The values of a numeric treatment and each row's; None for a dose of many values."""
    some = values if used.all() else values[used]
    low, high = float(some.min()), float(some.max())
    if ((some == low) | (some == high)).all():
        # Most treatments have two values, which needs no sort to see.
        return tuple(dict.fromkeys((low, high))), (values == high).astype(np.intp) * (high > low)
    if len(np.unique(some[:1000])) > _MOST or len(found := np.unique(some)) > _MOST:
        return None, np.empty(0, np.intp)
    return tuple(found.tolist()), np.minimum(np.searchsorted(found, values), len(found) - 1)


def shown_level(value: Any) -> str:
    """A level as terms and tables print it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain_name(matrix: Matrix) -> str:
    """Name of a variable: a factor is named after its column, C(treat)[T.yes] is the effect of `treat`."""
    term, column = next(iter(matrix.terms), ""), matrix.names[0]
    return (
        term[2:-1].split(",")[0] if term.startswith("C(") and term.endswith(")") else term if "[" in column else column
    )
