"""The stateful transforms of formulas: what they may be given, and their columns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula import evaluate as ev
from statinf.formula.expression import SMOOTH, call_name
from statinf.formula.scan import short
from statinf.formula.spline_columns import smooth_columns

MAX_DF = 500
MAX_DEGREE = 50
_EXTRAPOLATIONS = ("raise", "clip", "na", "zero", "extend")
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")
_BASES = ("bs", "cr", "cs", "cc")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "poly": ("degree", "raw"),
    "bs": ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "extrapolation"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "scale": ("center", "scale", "ddof"),
    "center": (),
    "standardize": ("center", "rescale", "ddof"),
    SMOOTH: ("k",),
}


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and 0 < len(value) <= MAX_DF and all(_is_number(v) for v in value)


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "degree": (lambda v: _is_whole(v, 1, MAX_DEGREE), f"a whole number from 1 to {MAX_DEGREE}"),
    "df": (lambda v: _is_whole(v, 1, MAX_DF), f"a whole number from 1 to {MAX_DF}"),
    "k": (lambda v: _is_whole(v, 3, MAX_DF), f"a whole number from 3 to {MAX_DF}"),
    "knots": (_is_numbers, f"a list of at most {MAX_DF} numbers"),
    "lower_bound": (_is_number, "a number"),
    "upper_bound": (_is_number, "a number"),
    "ddof": (lambda v: _is_whole(v, 0, 1), "0 or 1"),
    "constraints": (lambda v: v == "center", "'center'"),
    "extrapolation": (lambda v: v in _EXTRAPOLATIONS, " or ".join(map(repr, _EXTRAPOLATIONS))),
    **{
        name: (lambda v: isinstance(v, bool), "True or False")
        for name in ("raw", "include_intercept", "center", "scale", "rescale")
    },
}


def check_options(call: ast.Call) -> dict[str, Any]:
    """The options of a stateful call by name.

    Raises
    ------
    FormulaError
        If one is unknown, no plain value, or outside its domain.
    """
    name, text = str(call_name(call)), ast.unparse(call)
    known = _OPTIONS[name]
    if not call.args:
        raise FormulaError(f"{short(text)} needs a column as its first argument.")
    if len(call.args) - 1 > len(known):
        raise FormulaError(f"{short(text)}: {name}() takes a column and {', '.join(known) or 'nothing else'}.")
    given = [(known[i], node) for i, node in enumerate(call.args[1:])] + [(str(k.arg), k.value) for k in call.keywords]
    options: dict[str, Any] = {}
    for option, node in given:
        if option not in known or option in options:
            raise FormulaError(
                f"{short(text)}: {name}() takes a column and {', '.join(known) or 'nothing else'}, each once."
            )
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            more = (
                "" if any(node is k.value for k in call.keywords) else f"; {name}() takes one column, then its options"
            )
            raise FormulaError(f"{short(text)}: {option}= must be a plain number, text or list{more}.") from None
        valid, wanted = _CHECKS[option]
        if value is not None and not valid(value):
            raise FormulaError(f"{short(text)}: {option}={value!r:.60} is not {wanted}.")
        options[option] = value
    return options


def transform(
    call: ast.Call, values: ev.Values, states: dict[str, dict[str, Any]]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of a stateful call; its state is made in `states` if it is not there yet."""
    name, text = str(call_name(call)), ast.unparse(call)
    options = check_options(call)
    x = ev.as_floats(ev.evaluate(call.args[0], values), ast.unparse(call.args[0]))
    if x.ndim != 1:
        raise FormulaError(f"{short(text)} needs one number per row as its first argument.")
    fitting = text not in states
    if fitting and name == "poly":
        _check_distinct(x, options.get("degree") or 1, text)
    if fitting and name in _BASES and len(x):
        _check_basis(name, x, options, text)
    if len(x) == 0:
        # The library cannot evaluate a basis on no rows; one dummy row tells the number of columns.
        columns, suffixes = transform_values(
            name, np.full(1, _inside(states.get(text, {}))), options, states[text], text
        )
        return columns[:0], suffixes
    return transform_values(name, x, options, states.setdefault(text, {}), text)


def _inside(state: Mapping[str, Any]) -> float:
    return float(state.get("lower_bound", 0.0))


def transform_values(
    name: str, x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Call the library's transform and bring what it returns into one form."""
    if name == SMOOTH:
        return smooth_columns(x, options, state, text)
    from formulaic.transforms import TRANSFORMS

    try:
        with np.errstate(all="ignore"):
            made = TRANSFORMS[name](x, **options, _state=state)
        made = getattr(made, "__wrapped__", made)
        if isinstance(made, Mapping):
            return np.column_stack([np.asarray(v) for v in made.values()]), tuple(f"[{k}]" for k in made)
        array = np.asarray(made, dtype=np.float64)
    except Exception as error:
        # Whatever a basis stumbles on is what the formula asked of it.
        raise FormulaError(f"{short(text)} failed: {error}") from error
    if array.ndim == 1:
        return array.reshape(-1, 1), ("",)
    return array, tuple(f"[{j + 1}]" for j in range(array.shape[1]))


def _check_distinct(x: np.ndarray, degree: int, text: str) -> None:
    distinct = len(np.unique(x[: 100 * (degree + 1)]))
    distinct = distinct if distinct > degree else len(np.unique(x))
    if distinct <= degree:
        raise DataError(
            f"{short(text)}: the column has {distinct} different values, degree {degree} needs {degree + 1}."
        )


def _check_basis(name: str, x: np.ndarray, options: Mapping[str, Any], text: str) -> None:
    """Refuse a spline on a column that is constant, with knots outside its range, or with too few columns."""
    low, high = float(x.min()), float(x.max())
    if low == high:
        raise DataError(f"{short(text)}: the column is constant ({low:g}); a spline needs different values.")
    lower, upper = options.get("lower_bound"), options.get("upper_bound")
    low, high = low if lower is None else float(lower), high if upper is None else float(upper)
    if low >= high:
        raise FormulaError(f"{short(text)}: the lower bound {low:g} is not below the upper bound {high:g}.")
    outside = [k for k in options.get("knots") or () if not low < k < high]
    if outside:
        raise FormulaError(f"{short(text)}: the knot {outside[0]:g} is not between the bounds {low:g} and {high:g}.")
    least = 2 if options.get("constraints") == "center" else 3
    if name in ("cr", "cs") and (options.get("df") or least) < least:
        raise FormulaError(
            f"{short(text)}: {name}() needs df of at least {least} here; a straight line is the column itself."
        )
