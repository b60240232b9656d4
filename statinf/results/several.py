"""A verb that takes one formula, made to take formulas that stand for several, and groups of rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from itertools import product
from typing import Any, TypeVar

import numpy as np

from statinf.errors import DataError, DroppedRowsWarning, OptionError, StatinfError, issue_warning
from statinf.formula.frame import Frame, as_frame
from statinf.formula.given import aligned
from statinf.formula.native_rows import native_rows
from statinf.formula.stepwise import FormulaStep, expand
from statinf.results.collection import Fits

Verb = TypeVar("Verb", bound=Callable[..., Any])

_OF_ROWS = ("weights", "cluster", "offset")
"""Options that may hold one value for each row of the data."""


def several(
    outcomes: Callable[[Mapping[str, Any]], bool] = lambda options: True,
    together: Callable[[Sequence[str]], AbstractContextManager[Any]] = nullcontext,
) -> Callable[[Verb], Verb]:
    """Let a verb take several outcomes, steps and `by=`, for which it then returns `Fits`; a decorator.

    Parameters
    ----------
    outcomes : callable
        From the options of the call to whether `cbind()` on the left is several outcomes.
    together : callable
        From formulas that differ in their outcomes only to a context in which the verb may share work between them.
    """

    def decorate(verb: Verb) -> Verb:
        @wraps(verb)
        def fitted(formula: Any, data: Any, *, by: Any = None, **options: Any) -> Any:
            steps = expand(formula, outcomes=outcomes(options), known=options.get("context") or ())
            effects = effect_steps(options.get("absorb"))
            if steps is None and effects is None and by is None:
                return verb(formula, data, **options)
            steps = steps or (FormulaStep(formula, "", "", ""),)
            return fit_all(verb, steps, data, by, options, effects=effects, together=together)

        given = inspect.signature(verb)
        rest = [p for p in given.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [p for p in given.parameters.values() if p.kind is p.VAR_KEYWORD]
        new = inspect.Parameter("by", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="Any")
        fitted.__signature__ = given.replace(parameters=[*rest, new, *more])  # type: ignore[attr-defined]
        return fitted  # type: ignore[return-value]

    return decorate


@dataclass(frozen=True)
class _RowGroup:
    """Rows to fit, with the value that they have in common and the options for them."""

    value: str
    data: Any
    options: Mapping[str, Any]
    place: tuple[Frame, np.ndarray] | None = None


def effect_steps(absorb: Any) -> tuple[str | None, ...] | None:
    """The alternatives that steps in `absorb="firm + sw0(year)"` stand for; None where there are no steps."""
    found = expand(f"~ {absorb}", outcomes=False) if isinstance(absorb, str) else None
    return None if found is None else tuple(None if step.right == "1" else step.right for step in found)


def fit_all(
    verb: Callable[..., Any],
    steps: Sequence[FormulaStep],
    data: Any,
    by: Any,
    options: Mapping[str, Any],
    *,
    effects: Sequence[str | None] | None = None,
    together: Callable[[Sequence[str]], AbstractContextManager[Any]] = nullcontext,
) -> Fits:
    """The fits of some formulas on the data or on each group of its rows: groups, then outcomes, then steps, then effects."""
    groups = [_RowGroup("", data, options)] if by is None else _groups(data, by, options)
    found: dict[tuple[str, ...], Any] = {}
    for group, effect in product(groups, effects or ("",)):
        given = {**group.options, **({} if effects is None else {"absorb": effect})}
        for right in dict.fromkeys(step.right for step in steps):
            alike = [step for step in steps if step.right == right]
            with together([step.formula for step in alike]):
                for step in alike:
                    where = f"in the fit of {step.formula!r}" + (f", {by} = {group.value}" if by is not None else "")
                    key = (group.value, step.outcome, step.step, effect or "none")
                    found[key] = _noted(where, verb, step.formula, group.data, given)
    order = [(g.value, s.outcome, s.step, e or "none") for g in groups for s in steps for e in effects or ("",)]
    choices = len({step.right for step in steps}) > 1
    alone = by is None and not choices and effects is None
    used = [by is not None, len({step.outcome for step in steps}) > 1 or alone, choices, effects is not None]
    above = {str(by): tuple(key[0] for key in order)} if by is not None else {}
    if choices:
        above["Step"] = tuple(key[2] for key in order)
    names = tuple(": ".join(part for part, use in zip(key, used, strict=True) if use) for key in order)
    places = tuple(g.place for g in groups for _ in range(len(order) // len(groups)) if g.place is not None)
    return Fits(tuple(found[key] for key in order), names, above, places)


def _noted(where: str, verb: Callable[..., Any], formula: str, data: Any, options: Mapping[str, Any]) -> Any:
    try:
        return verb(formula, data, **options)
    except StatinfError as error:
        error.add_note(where)
        raise


def _groups(data: Any, by: Any, options: Mapping[str, Any]) -> list[_RowGroup]:
    """The groups of rows, in the order of the levels."""
    if not isinstance(by, str):
        said = repr(by) if isinstance(by, list | tuple | int | float) else f"a {type(by).__name__}"
        raise OptionError(f"by={said[:80]}: give the name of a column; a fit is made for each of its values.")
    try:
        frame = as_frame(data)
    except DataError as error:
        error.add_note(f"by={by!r} works on rows in memory")
        raise
    column = frame.categories(by)
    missing = int((column.codes < 0).sum())
    if missing:
        issue_warning(f"{missing} rows without a value of '{by}' are in no group.", DroppedRowsWarning)
    out = []
    for code, value in enumerate(column.levels):
        rows = np.flatnonzero(column.codes == code)
        if len(rows):
            given = {**options, **_own(options, rows, frame)}
            out.append(_RowGroup(str(value), native_rows(frame, rows), given, (frame, rows)))
    if not out:
        raise DataError(f"the column '{by}' has no value; there is no group to fit.")
    return out


def _own(options: Mapping[str, Any], rows: np.ndarray, frame: Frame) -> dict[str, Any]:
    """Options that hold a value for each row, for some rows."""
    out = {}
    for name in _OF_ROWS:
        value: Any = options.get(name)
        # A `Weights` finds its rows again by itself.
        if value is None or isinstance(value, str) or hasattr(value, "used") or not hasattr(value, "__len__"):
            continue
        named = isinstance(value, list | tuple) and all(isinstance(v, str) and v in frame.names for v in value)
        if named:
            continue
        value = aligned(value, frame, name)
        if len(value) != frame.n:
            raise DataError(f"{name} has {len(value)} values for the {frame.n} rows of the data.")
        out[name] = getattr(value, "iloc", np.asarray(value))[rows]
    return out
