"""The treatment column: two arms, several, or a dose."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError, OptionError
from statinf.formula.arms import order_note, treatment_levels
from statinf.formula.design import Design, design
from statinf.formula.frame import Categorical, Frame
from statinf.formula.identity import RowIdentity
from statinf.formula.scan import halves

MOST_ARMS = 10
"""Numbers of at most this many different values are arms unless `dose=` says otherwise."""
_DOT = re.compile(r"(?<![\w.])\.(?![\w.])")
_FACTOR = re.compile(r"C\(\s*`?([^`()]+?)`?\s*\)")


@dataclass(frozen=True)
class Treatment:
    """A treatment as arms or as a dose.

    Attributes
    ----------
    name : str
        Its column.
    codes : ndarray of int, shape (n,)
        Position of each row's level, -1 for none (on rows of weight zero); of two arms 1 is the treated one. Zero for a
        dose.
    levels : tuple
        The reference first; empty for a dose.
    focal : int or None
        Position of the level that counts as treated; of several, None where the caller named none.
    note : str
        What the summary says where the order of the values alone decided; empty elsewhere.
    dose : ndarray, shape (n,), optional
    """

    name: str
    codes: np.ndarray
    levels: tuple[Any, ...] = ()
    focal: int | None = None
    note: str = ""
    dose: np.ndarray | None = None

    @property
    def kind(self) -> str:
        """What it is: "two" or "several" arms, or a "dose"."""
        return "dose" if self.dose is not None else "two" if len(self.levels) == 2 else "several"

    @property
    def labels(self) -> tuple[str, ...]:
        """The levels as text."""
        return tuple(plain_level(level) for level in self.levels)

    def identity(self, design: Design) -> RowIdentity:
        """The rows of the design's frame by the columns that were read, the treatment among them."""
        found = design.identity
        own = self.name in design.frame.names and self.name not in found.names
        return replace(found, names=(*found.names, self.name)) if own else found


def plain_level(level: Any) -> str:
    """A level as tables print it."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def read_design(
    formula: str,
    frame: Frame,
    *,
    treated: Any = None,
    reference: Any = None,
    dose: bool | None = None,
    expected: bool = False,
    **options: Any,
) -> tuple[Design, Treatment]:
    """Read `treatment ~ covariates`; labels are arms, `C(treatment)` makes arms of numbers.

    Numbers of two values are two arms; those of up to ten are arms and others a dose, unless `dose` says which, or a dose is
    `expected`. Rows of weight zero have no say in which values there are.

    Raises
    ------
    DataError
        If the treatment does not vary.
    OptionError
        If `treated` or `reference` is none of its values, or a dose has either.
    """
    name, labelled, rest = treatment_column(formula, frame)
    if not labelled:
        made = design(formula, frame, **options)
        made.refuse_offset("balance of covariates takes")
        values, name = made.y, made.response_names[0]
        levels = _with_weight(values, made.weights)
        if len(levels) > 1 and _is_dose(levels, dose, expected):
            _refuse_levels(name, treated, reference)
            return made, Treatment(name, np.zeros(made.n, dtype=np.int8), dose=values)
        return made, _arms(levels, lambda level: values == level, name, treated, reference)
    if dose:
        raise OptionError(f"dose=True needs a treatment of numbers; '{name}' has labels.")
    extra = options.pop("cluster", None)
    made = design(f"~ {rest}", frame, response="none", cluster=[name, *(extra or [])], **options)
    made.refuse_offset("balance of covariates takes")
    if name in made.recipe.columns:
        raise FormulaError(f"the treatment '{name}' is among the covariates too; take it out of the right side.")
    lost = {cause.removeprefix("cluster ") if name in cause else cause: n for cause, n in made.dropped.items()}
    made, found = replace(made, dropped=lost), made.frame.categories(name)
    codes = found.codes[made.rows]
    levels = [found.levels[k] for k in _with_weight(codes, made.weights)]
    return made, _arms(levels, lambda level: codes == found.levels.index(level), name, treated, reference)


def treatment_column(formula: str, frame: Frame) -> tuple[str, bool, str]:
    """The treatment's column, whether it has labels or is written as `C()`, and the right side of the formula."""
    left, _, right = halves(formula)
    called = _FACTOR.fullmatch(left.strip())
    name = (called.group(1) if called else left).strip().strip("`")
    labelled = name in frame.names and (called is not None or isinstance(frame.column(name), Categorical))
    # A dot stands for all columns but the one on the left.
    return name, labelled, f"{right} - `{name}`" if labelled and _DOT.search(right) else right


def arms_of_levels(levels: list[Any], name: str, treated: Any, reference: Any) -> Treatment:
    """The arms of levels alone, without rows: `codes` are those of the levels."""
    return _arms(levels, lambda level: np.array([one == level for one in levels]), name, treated, reference)


def _is_dose(levels: Sequence[Any], dose: bool | None, expected: bool) -> bool:
    if dose is None:
        return len(levels) > (2 if expected else MOST_ARMS)
    return dose


def _refuse_levels(name: str, treated: Any, reference: Any) -> None:
    for option, given in (("treated", treated), ("reference", reference)):
        if given is not None:
            raise OptionError(
                f"{option}={given!r} names a level, but '{name}' is a dose; write C({name}) on the left for arms, or dose=False."
            )


def _with_weight(values: np.ndarray, weights: np.ndarray) -> list[Any]:
    """The distinct values on rows of positive weight; of two that an empty arm leaves alone, both."""
    low, high = values.min(), values.max()
    if low < high and np.all((values == low) | (values == high)):
        return [low.item(), high.item()]
    return np.unique(values[weights > 0]).tolist()


def _arms(
    levels: list[Any], rows_of: Callable[[Any], np.ndarray], name: str, treated: Any, reference: Any
) -> Treatment:
    if len(levels) < 2:
        shown = ", ".join(plain_level(v) if isinstance(v, float) else repr(v) for v in levels)
        raise DataError(
            f"the treatment '{name}' has {len(levels)} value ({shown}) on the rows used; arms to compare take two or more."
        )
    if len(levels) > 100:
        raise DataError(
            f"the treatment '{name}' has {len(levels)} levels on the rows used, too many for arms; a number is balanced as a dose "
            "with dose=True."
        )
    several = len(levels) > 2
    both = several and treated is not None and reference is not None
    # Of several arms the one whose effect is averaged may be the one that others are compared with.
    focal, other, known = treatment_levels(levels, None if both else treated, reference, name=name)
    if both:
        focal = treatment_levels(levels, treated, name=name)[0]
    order = [other, *(level for level in levels if level != other)]
    codes = np.full(len(rows_of(other)), -1, dtype=np.int8)
    for k, level in enumerate(order):
        codes[rows_of(level)] = k
    if not several:
        return Treatment(name, codes, (other, focal), 1, "" if known else order_note(name, focal, other))
    note = (
        ""
        if known
        else f"The reference is {name} = {plain_level(other)}, the first of its levels in order; reference= chooses."
    )
    return Treatment(name, codes, tuple(order), None if focal is None else order.index(focal), note)
