"""Calls whose values are categories: what `cut()`, `interaction()` and the labels of a `factor()` take and learn."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula.coding import recode
from statinf.formula.columns import Categorical
from statinf.formula.cutting import crossed, equal_breaks, interval_codes, interval_names
from statinf.formula.measured import measured_expressions, numbers
from statinf.formula.scan import short

_MOST = 10_000
_CUT = ("breaks", "labels", "include_lowest", "right", "dig_lab", "ordered_result")
_CUT_USAGE = "write cut(x, c(0, 1, 2)), cut(x, 4), with right=FALSE, include.lowest=TRUE, labels=c('low', 'high')"
_CROSSED = ("sep", "drop", "lex_order")


@dataclass(frozen=True)
class CutCall:
    """What a `cut()` was given.

    Attributes
    ----------
    breaks : ast.expr
    labels : tuple of str, or None
        None for names of the intervals.
    numbered : bool
        Whether its values are the numbers of the intervals.
    right, lowest : bool
    digits : int
    """

    breaks: ast.expr
    labels: tuple[str, ...] | None
    numbered: bool
    right: bool
    lowest: bool
    digits: int


def read_cut(call: ast.Call) -> CutCall:
    """The options of a `cut()`.

    Raises
    ------
    FormulaError
        If one is unknown, given twice or no plain value.
    """
    text = ast.unparse(call)
    given = dict(zip(_CUT, call.args[1:], strict=False))
    named = {str(k.arg): k.value for k in call.keywords}
    if not call.args or len(call.args) - 1 > len(_CUT) or set(given) & set(named) or not set(named) <= set(_CUT):
        raise FormulaError(f"{short(text)}: {_CUT_USAGE}.")
    options = given | named
    if "breaks" not in options:
        raise FormulaError(f"{short(text)} has no breaks; {_CUT_USAGE}.")
    plain: dict[str, Any] = {}
    for name in set(options) - {"breaks"}:
        try:
            plain[name] = ast.literal_eval(options[name])
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise FormulaError(f"{short(text)}: {name}= must be a plain value; {_CUT_USAGE}.") from None
    labels, digits = plain.pop("labels", None), plain.pop("dig_lab", 3)
    flags_are_plain = all(isinstance(v, bool) for v in plain.values())
    labels_are_plain = labels is None or isinstance(labels, bool) or _are_texts(labels)
    if not flags_are_plain or not labels_are_plain or not isinstance(digits, int) or not 0 < digits < 16:
        raise FormulaError(f"{short(text)}: {_CUT_USAGE}.")
    return CutCall(
        options["breaks"],
        tuple(map(str, labels)) if isinstance(labels, list | tuple) else None,
        labels is False,
        plain.get("right", True),
        plain.get("include_lowest", False),
        digits,
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, str | int | float) for v in value)


def learn_cut(call: ast.Call, value_of: Callable[[ast.expr], np.ndarray]) -> dict[str, Any]:
    """The breaks of a `cut()` and the names of its intervals.

    Raises
    ------
    FormulaError, DataError
        If the breaks are too few or repeated, the labels are not one an interval, or the column has no values.
    """
    given, text = read_cut(call), ast.unparse(call)
    breaks = np.asarray(numbers(given.breaks, value_of), dtype=np.float64)
    if breaks.ndim == 0 or len(breaks) == 1:
        breaks = _equal(float(breaks.reshape(-1)[0]), call, value_of, text)
    breaks = np.sort(breaks)
    if np.isnan(breaks).any() or (np.diff(breaks) <= 0.0).any():
        twice = next((f"{a:g}" for a, b in zip(breaks, breaks[1:], strict=False) if not a < b), "NaN")
        raise FormulaError(
            f"{short(text)}: the break {twice} is there twice; give different breaks in increasing order."
        )
    labels = given.labels or interval_names(breaks, given.right, given.lowest, given.digits)
    if len(labels) != len(breaks) - 1:
        raise FormulaError(
            f"{short(text)} has {len(breaks) - 1} intervals and {len(labels)} labels; give one label each."
        )
    if len(set(labels)) < len(labels):
        raise FormulaError(f"{short(text)} has two intervals of one name; give labels=, or fewer breaks.")
    return {"breaks": breaks, "labels": labels}


def _equal(count: float, call: ast.Call, value_of: Callable[[ast.expr], np.ndarray], text: str) -> np.ndarray:
    if not (2 <= count <= _MOST and count == round(count)):
        raise FormulaError(f"{short(text)}: the number of intervals is a whole number from 2 to {_MOST:,}.")
    x = value_of(call.args[0])
    x = x[~np.isnan(x)]
    if not len(x):
        raise DataError(f"{short(text)}: the column has no values to cut.")
    return equal_breaks(x, int(count))


def cut_value(call: ast.Call, x: np.ndarray, state: dict[str, Any]) -> Categorical | np.ndarray:
    """The intervals of values: categories, or their numbers from 1 for `labels=False`."""
    given = read_cut(call)
    codes = interval_codes(x, state["breaks"], given.right, given.lowest)
    if given.numbered:
        return np.where(codes < 0, np.nan, codes + 1.0)
    return Categorical(codes, tuple(state["labels"]), ordered=True)


def crossed_value(call: ast.Call, pieces: Sequence[Categorical]) -> Categorical:
    """The value of an `interaction()` of some categories."""
    options = crossing_options(call)
    return crossed(pieces, options.get("sep", "."), options.get("lex_order", False))


def crossing_options(call: ast.Call) -> dict[str, Any]:
    """The options of an `interaction()`.

    Raises
    ------
    FormulaError
    """
    usage = "write interaction(g, h), with sep='.' and lex.order=TRUE where they are needed"
    try:
        options = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        options = {"": None}
    fits = set(options) <= set(_CROSSED) and isinstance(options.get("sep", ""), str)
    if not fits or not call.args or not all(isinstance(options.get(k, True), bool) for k in _CROSSED[1:]):
        raise FormulaError(f"{short(ast.unparse(call))}: {usage}.")
    return options


def measured_of(call: ast.Call) -> list[ast.expr]:
    """The expressions whose measures are breaks of a `cut()` or its range."""
    given = read_cut(call)
    return list(measured_expressions(given.breaks))


# --- levels= and labels= of a factor ---------------------------------------------------------------------------


def declared_levels(call: ast.Call, name: str, option: str = "levels") -> tuple[Any, ...] | None:
    """The `levels=` or `labels=` of a `C()`: a list of texts or numbers."""
    written = next((k.value for k in call.keywords if k.arg == option), None)
    if written is None:
        return None
    try:
        levels = ast.literal_eval(written)
        if not isinstance(levels, list | tuple) or not levels:
            raise ValueError
        if option == "levels" and len(set(levels)) < len(levels):
            raise ValueError
        if not all(isinstance(v, str | bool | int | float) for v in levels):
            raise ValueError
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        kind = "different texts" if option == "levels" else "texts"
        raise FormulaError(f"'{name}': {option}= takes a list of {kind} or numbers, such as ['a', 'b'].") from None
    return tuple(levels)


def learn_labels(call: ast.Call, found: Categorical) -> dict[str, Any]:
    """The levels that the `labels=` of a `C()` without `levels=` stand for: those that occur."""
    present = np.bincount(found.codes[found.codes >= 0], minlength=len(found.levels)) > 0
    return {"levels": tuple(v for v, there in zip(found.levels, present, strict=True) if there)}


def labelled(call: ast.Call, found: Categorical, state: dict[str, Any] | None) -> Categorical:
    """Categories under the `labels=` of a `C()`; values that are none of its levels are missing."""
    text = ast.unparse(call)
    labels = declared_levels(call, text, "labels")
    if labels is None:
        return found
    levels = declared_levels(call, text) or (state or {}).get("levels") or found.levels
    if len(labels) != len(levels):
        raise FormulaError(f"{short(text)} has {len(levels)} levels and {len(labels)} labels; give one label each.")
    kept = tuple(dict.fromkeys(map(str, labels)))
    table = np.array([*(kept.index(str(label)) for label in labels), -1, -1], np.int32)
    return Categorical(table[recode(found.codes, found.levels, tuple(levels))], kept, found.ordered)
