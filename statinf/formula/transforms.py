"""The stateful transforms of formulas: their columns, and what they keep of the rows of the fit."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula import evaluate as ev
from statinf.formula.expression import SMOOTH, call_name
from statinf.formula.options import check_options, measured, variables_of
from statinf.formula.scan import short
from statinf.formula.spline_columns import bspline_part, natural_part, smooth_columns
from statinf.numerics.smoothing.polynomials import orthogonal_columns

__all__ = ["check_options", "powers_of", "transform", "transform_values", "variables_of"]

_BASES = ("bs", "ns", "cr", "cs", "cc")
_MOST_PRODUCTS = 5_000


def transform(
    call: ast.Call, values: ev.Values, states: dict[str, dict[str, Any]]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of a stateful call; its state is made in `states` if it is not there yet."""
    name, text = str(call_name(call)), ast.unparse(call)
    options = check_options(call)
    variables = [_variable(node, values, text) for node in variables_of(call)]
    x = variables[0]
    fitting = text not in states
    if fitting and name == "poly":
        for variable in variables:
            _check_distinct(variable, options.get("degree") or 1, text)
    if fitting:
        options = measured(options, lambda node: _variable(node, values, text), text)
    if fitting and name in _BASES and len(x):
        _check_basis(name, x, options, text)
    if len(x) == 0:
        # The library cannot evaluate a basis on no rows; one dummy row tells the number of columns.
        inside = [np.full(1, _inside(states.get(text, {}))) for _ in variables]
        columns, suffixes = _values(name, inside, options, states[text], text)
        return columns[:0], suffixes
    return _values(name, variables, options, states.setdefault(text, {}), text)


def _variable(node: ast.expr, values: ev.Values, text: str) -> np.ndarray:
    x = ev.as_floats(ev.evaluate(node, values), ast.unparse(node))
    if x.ndim != 1:
        raise FormulaError(f"{short(text)} needs one number per row as its first argument.")
    return x


def _inside(state: Mapping[str, Any]) -> float:
    return float(state.get("lower_bound", 0.0))


def _values(
    name: str, variables: list[np.ndarray], options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    if len(variables) > 1:
        return _products(variables, options, state, text)
    return transform_values(name, variables[0], options, state, text)


def _products(
    variables: list[np.ndarray], options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Polynomials of several variables up to a degree in all: products of those of each, the first variable's fastest."""
    degree = options.get("degree") or 1
    if (degree + 1) ** len(variables) > _MOST_PRODUCTS:
        raise FormulaError(f"{short(text)} has too many products; lower degree= or give fewer variables.")
    each = []
    for i, x in enumerate(variables):
        own = state.setdefault(f"variable {i}", {})
        columns, _ = transform_values("poly", x, options, own, text)
        each.append(np.column_stack([np.ones(len(x)), columns]))
    powers = powers_of(len(variables), degree)
    made = [np.prod([e[:, p] for e, p in zip(each, pick, strict=True)], axis=0) for pick in powers]
    return np.column_stack(made), tuple(f"[{'.'.join(map(str, pick))}]" for pick in powers)


def powers_of(variables: int, degree: int) -> list[tuple[int, ...]]:
    """The powers of each variable in each column, the first variable's fastest."""
    return [p[::-1] for p in product(range(degree + 1), repeat=variables) if 0 < sum(p) <= degree]


def transform_values(
    name: str, x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of a transform of one variable and what follows the term's name for each."""
    if name == SMOOTH:
        return smooth_columns(x, options, state, text)
    try:
        if name == "bs":
            return bspline_part(x, options, state, text)
        if name == "ns":
            return natural_part(x, options, state, text)
        if name == "poly":
            return _polynomials(x, options, state)
        with np.errstate(all="ignore"):
            return _of_library(name, x, options, state)
    except FormulaError:
        raise
    except Exception as error:
        # Whatever a basis stumbles on is what the formula asked of it.
        raise FormulaError(f"{short(text)} failed: {error}") from error


def _polynomials(
    x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any]
) -> tuple[np.ndarray, tuple[str, ...]]:
    degree = options.get("degree") or 1
    if options.get("raw"):
        columns = np.empty((len(x), degree), order="F")
        for k in range(degree):
            columns[:, k] = x ** (k + 1)
    else:
        columns = orthogonal_columns(x, degree, state)
    return columns, tuple(f"[{k + 1}]" for k in range(degree))


def _of_library(
    name: str, x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Call the library's transform and bring what it returns into one form."""
    from formulaic.transforms import TRANSFORMS

    made = TRANSFORMS[name](x, **options, _state=state)
    made = getattr(made, "__wrapped__", made)
    if isinstance(made, Mapping):
        return np.column_stack([np.asarray(v) for v in made.values()]), tuple(f"[{k}]" for k in made)
    array = np.asarray(made, dtype=np.float64)
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
    lower, upper = options.get("Boundary_knots") or (options.get("lower_bound"), options.get("upper_bound"))
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
