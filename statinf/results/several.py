"""A verb that takes one formula, made to take formulas that stand for several, and groups of rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from statinf.errors import DataError, DroppedRowsWarning, OptionError, StatinfError, issue_warning
from statinf.formula.frame import as_frame
from statinf.formula.stepwise import FormulaStep, expand
from statinf.results.collection import Fits

Verb = TypeVar("Verb", bound=Callable[..., Any])

_OF_ROWS = ("weights", "cluster", "offset")
"""Options that may hold one value for each row of the data."""


def several(outcomes: Callable[[Mapping[str, Any]], bool] = lambda options: True) -> Callable[[Verb], Verb]:
    """Let a verb take several outcomes, steps and `by=`, for which it then returns `Fits`; a decorator.

    Parameters
    ----------
    outcomes : callable
        From the options of the call to whether `cbind()` on the left is several outcomes.
    """

    def decorate(verb: Verb) -> Verb:
        @wraps(verb)
        def fitted(formula: Any, data: Any, *, by: Any = None, **options: Any) -> Any:
            steps = expand(formula, outcomes=outcomes(options), known=options.get("context") or ())
            if steps is None and by is None:
                return verb(formula, data, **options)
            return fit_all(verb, steps or (FormulaStep(formula, "", ""),), data, by, options)

        given = inspect.signature(verb)
        rest = [p for p in given.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [p for p in given.parameters.values() if p.kind is p.VAR_KEYWORD]
        new = inspect.Parameter("by", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="Any")
        fitted.__signature__ = given.replace(parameters=[*rest, new, *more])  # type: ignore[attr-defined]
        return fitted  # type: ignore[return-value]

    return decorate


def fit_all(
    verb: Callable[..., Any], steps: Sequence[FormulaStep], data: Any, by: Any, options: Mapping[str, Any]
) -> Fits:
    """The fits of some formulas on the data or on each group of its rows, groups first, then outcomes, then steps."""
    if by is None:
        groups: list[tuple[str, Any, Mapping[str, Any]]] = [("", data, options)]
    else:
        groups = _groups(data, by, options)
    fits, keys = [], []
    for value, rows, given in groups:
        for step in steps:
            try:
                fits.append(verb(step.formula, rows, **given))
            except StatinfError as error:
                error.add_note(f"in the fit of {step.formula!r}" + (f", {by} = {value}" if by is not None else ""))
                raise
            keys.append((value, step.outcome, step.step or "none"))
    outcomes, choices = len({key[1] for key in keys}) > 1, len({step.step for step in steps}) > 1
    used = [by is not None, outcomes or (by is None and not choices), choices]
    above = {str(by): tuple(key[0] for key in keys)} if by is not None else {}
    if choices:
        above["Step"] = tuple(key[2] for key in keys)
    names = tuple(": ".join(part for part, use in zip(key, used, strict=True) if use) for key in keys)
    return Fits(tuple(fits), names, above)


def _groups(data: Any, by: Any, options: Mapping[str, Any]) -> list[tuple[str, Any, Mapping[str, Any]]]:
    """Value, rows and options of each group, in the order of the levels."""
    if not isinstance(by, str):
        raise OptionError(f"by={by!r}: give the name of a column; a fit is made for each of its values.")
    frame = as_frame(data)
    column = frame.categories(by)
    missing = int((column.codes < 0).sum())
    if missing:
        issue_warning(f"{missing} rows without a value of '{by}' are in no group.", DroppedRowsWarning)
    out = []
    for code, value in enumerate(column.levels):
        rows = np.flatnonzero(column.codes == code)
        if len(rows):
            out.append((str(value), _some(frame, rows), {**options, **_own(options, rows, frame.n)}))
    if not out:
        raise DataError(f"the column '{by}' has no value; there is no group to fit.")
    return out


def _some(frame: Any, rows: np.ndarray) -> Any:
    if frame.kind == "pandas":
        return frame.native.iloc[rows]
    import narwhals as nw

    return nw.from_native(frame.native, eager_only=True)[rows.tolist()].to_native()


def _own(options: Mapping[str, Any], rows: np.ndarray, n: int) -> dict[str, Any]:
    """Options that hold a value for each row, for some rows."""
    out = {}
    for name in _OF_ROWS:
        value = options.get(name)
        # A `Weights` finds its rows again by itself.
        if value is None or isinstance(value, str) or hasattr(value, "used") or not hasattr(value, "__len__"):
            continue
        if len(value) == n and not all(isinstance(v, str) for v in value):
            out[name] = value.iloc[rows] if hasattr(value, "iloc") else np.asarray(value)[rows]
    return out
