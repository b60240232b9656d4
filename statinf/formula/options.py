"""The options of stateful transforms: which there are, and what they may be."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.expression import SMOOTH, call_name
from statinf.formula.measured import is_measured, measured_expressions, numbers
from statinf.formula.scan import short

MAX_DF = 500
MAX_DEGREE = 50
_EXTRAPOLATIONS = ("raise", "clip", "na", "zero", "extend")
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "poly": ("degree", "raw"),
    "bs": (
        "df",
        "knots",
        "degree",
        "include_intercept",
        "lower_bound",
        "upper_bound",
        "extrapolation",
        "Boundary_knots",
    ),
    "ns": ("df", "knots", "include_intercept", "Boundary_knots"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "scale": ("center", "scale", "ddof"),
    "center": (),
    "standardize": ("center", "rescale", "ddof"),
    SMOOTH: ("k",),
}
_SHOWN = {"include_intercept": "intercept", "Boundary_knots": "Boundary.knots"}
MEASURED = ("knots", "Boundary_knots")
"""Options that may hold measures of the data, such as `quantile(x, 0.5)`."""


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= MAX_DF and all(_is_number(v) for v in value)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool) or _is_number(value)


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "degree": (lambda v: _is_whole(v, 1, MAX_DEGREE), f"a whole number from 1 to {MAX_DEGREE}"),
    "df": (lambda v: _is_whole(v, 1, MAX_DF), f"a whole number from 1 to {MAX_DF}"),
    "k": (lambda v: _is_whole(v, 3, MAX_DF), f"a whole number from 3 to {MAX_DF}"),
    "knots": (lambda v: _is_numbers(v) and len(v) > 0, f"a list of at most {MAX_DF} numbers"),
    "Boundary_knots": (lambda v: _is_numbers(v) and len(v) == 2 and v[0] < v[1], "two numbers in increasing order"),
    "lower_bound": (_is_number, "a number"),
    "upper_bound": (_is_number, "a number"),
    "ddof": (lambda v: _is_whole(v, 0, 1), "0 or 1"),
    "constraints": (lambda v: v == "center", "'center'"),
    "extrapolation": (lambda v: v in _EXTRAPOLATIONS, " or ".join(map(repr, _EXTRAPOLATIONS))),
    "center": (_is_switch, "True, False or a number"),
    "scale": (_is_switch, "True, False or a number"),
    **{name: (lambda v: isinstance(v, bool), "True or False") for name in ("raw", "include_intercept", "rescale")},
}


def variables_of(call: ast.Call) -> list[ast.expr]:
    """The arguments of a stateful call that are computed on rows: the first, and of `poly()` all before its options."""
    if call_name(call) != "poly":
        return call.args[:1]
    count = next((i for i, a in enumerate(call.args) if i and _is_plain(a)), len(call.args))
    return call.args[:count]


def _is_plain(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def check_options(call: ast.Call) -> dict[str, Any]:
    """The options of a stateful call by name; those that are measured from the data as nodes of its tree.

    Raises
    ------
    FormulaError
        If one is unknown, no plain value, or outside its domain.
    """
    name, text = str(call_name(call)), ast.unparse(call)
    known = _OPTIONS[name]
    taken = f"{name}() takes a column and {', '.join(_SHOWN.get(o, o) for o in known) or 'nothing else'}"
    variables = variables_of(call)
    if not variables:
        raise FormulaError(f"{short(text)} needs a column as its first argument.")
    rest = call.args[len(variables) :]
    if len(rest) > len(known):
        raise FormulaError(f"{short(text)}: {taken}.")
    given = [(known[i], node) for i, node in enumerate(rest)] + [(str(k.arg), k.value) for k in call.keywords]
    options: dict[str, Any] = {}
    for option, node in given:
        if option not in known or option in options:
            raise FormulaError(f"{short(text)}: {taken}, each once.")
        if option in MEASURED and is_measured(node):
            for _ in measured_expressions(node):
                pass
            options[option] = node
            continue
        options[option] = _plain(node, option, text, named=any(node is k.value for k in call.keywords), name=name)
    if name in ("bs", "ns") and "df" in options and "knots" in options:
        raise FormulaError(f"{short(text)} has df and knots; give one of the two.")
    return options


def _plain(node: ast.expr, option: str, text: str, named: bool, name: str) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        more = "" if named else f"; {name}() takes one column, then its options"
        raise FormulaError(f"{short(text)}: {option}= must be a plain number, text or list{more}.") from None
    if option == "knots" and _is_number(value):
        value = [value]
    return checked(option, value, text)


def checked(option: str, value: Any, text: str) -> Any:
    """A value that an option may have, or a `FormulaError`."""
    valid, wanted = _CHECKS[option]
    if value is not None and not valid(value):
        raise FormulaError(f"{short(text)}: {_SHOWN.get(option, option)}={value!r:.60} is not {wanted}.")
    return value


def measured(options: dict[str, Any], value_of: Callable[[ast.expr], np.ndarray], text: str) -> dict[str, Any]:
    """Options whose measures of the data are numbers now."""
    out = dict(options)
    for name, node in options.items():
        if isinstance(node, ast.AST):
            found = np.atleast_1d(numbers(node, value_of))
            out[name] = checked(name, [float(v) for v in found], text)
    return out
