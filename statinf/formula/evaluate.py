"""The value of a checked expression, computed node by node on float64 arrays: no Python evaluation."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula import grouping as gr
from statinf.formula.columns import categories_of
from statinf.formula.comparisons import both, choose_level, compare, either, negated
from statinf.formula.expression import Scope, call_name, column_name, label
from statinf.formula.frame import Categorical, FrameColumn
from statinf.formula.measured import numbers

_BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
    ast.Mod: np.mod,
    ast.FloorDiv: np.floor_divide,
    ast.BitAnd: both,
    ast.BitOr: either,
}


@dataclass(frozen=True)
class Values:
    """What an expression is computed on.

    Attributes
    ----------
    column : callable
        From a name to its column.
    scope : Scope
    categories : callable
        From a name to its column as categories, numbers included.
    stateful : callable, optional
        The value of a stateful call.
    states : dict of str to dict
        What calls whose values are categories have learnt, by their text.
    new : bool
        New rows need not hold every level that the formula compares with.
    """

    column: Callable[[str], FrameColumn]
    scope: Scope
    categories: Callable[[str], Categorical]
    stateful: Callable[[ast.Call, Values], np.ndarray] | None = None
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    new: bool = False


def evaluate(node: ast.AST, values: Values) -> Any:
    """The value of a checked expression: a float64 or boolean array, a number, a list, or categories."""
    with np.errstate(all="ignore"):
        return _evaluate(node, values)


def as_floats(value: Any, text: str) -> np.ndarray:
    """A computed value as a float64 array, or a `FormulaError` that names the expression."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise FormulaError(f"'{text}' is not numeric.") from None


def grouped(node: ast.expr, values: Values) -> Categorical:
    """The value of an expression as categories: numbers become levels named after themselves."""
    name = column_name(node, values.scope)
    if name is not None:
        return values.categories(name)
    if isinstance(node, ast.Call) and values.scope.is_categorical(node):
        inner = grouped(node.args[0], values)
        return gr.labelled(node, inner, values.states.get(ast.unparse(node)))
    computed = evaluate(node, values)
    if isinstance(computed, Categorical):
        return computed
    floats = as_floats(computed, label(node, values.scope))
    if floats.ndim != 1:
        raise FormulaError(f"'{label(node, values.scope)}' is not one value per row.")
    logical = isinstance(node, ast.Compare | ast.BoolOp) or call_name(node) == "is_na"
    logical = logical or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
    logical = logical or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr))
    return categories_of(np.where(np.isinf(floats), np.nan, floats), label="bool" if logical else "number")


def learn_group(call: ast.Call, values: Values) -> dict[str, Any]:
    """What a call whose values are categories keeps of these rows: breaks of `cut()`, levels of `labels=`."""
    if call_name(call) == "cut":
        return gr.learn_cut(call, lambda node: _floats(node, values))
    if call_name(call) == "findInterval":
        breaks = numbers(call.args[1], lambda node: _floats(node, values))
        return {"breaks": np.sort(np.atleast_1d(breaks))}
    return gr.learn_labels(call, grouped(call.args[0], values))


def _evaluate(node: ast.AST, values: Values) -> Any:
    if isinstance(node, ast.Constant):
        return np.float64(node.value) if isinstance(node.value, int | float) else node.value
    name = column_name(node, values.scope)
    if name is not None:
        column = values.column(name)
        return column if isinstance(column, Categorical) else column.values
    if isinstance(node, ast.Name):
        constant = values.scope.constant(node.id)
        return np.float64(values.scope.context[node.id] if constant is None else constant)
    if isinstance(node, ast.BinOp):
        made = _BINARY[type(node.op)](_number(node.left, values), _number(node.right, values))
        if np.ndim(made) == 0 and not np.isfinite(made):
            raise FormulaError(f"'{ast.unparse(node)}' is no number that float64 can hold.")
        return made
    if isinstance(node, ast.UnaryOp):
        return _unary(node, values)
    if isinstance(node, ast.BoolOp):
        return functools.reduce(
            both if isinstance(node.op, ast.And) else either, [_number(v, values) for v in node.values]
        )
    if isinstance(node, ast.Compare):
        return compare(node, [_evaluate(n, values) for n in (node.left, *node.comparators)], values.new)
    if isinstance(node, ast.List | ast.Tuple):
        return [_evaluate(e, values) for e in node.elts]
    if isinstance(node, ast.Call):
        return _call(node, values)
    raise FormulaError(f"'{ast.unparse(node)}' has no value here.")


def _unary(node: ast.UnaryOp, values: Values) -> Any:
    if isinstance(node.op, ast.UAdd):
        value = _evaluate(node.operand, values)
        if isinstance(value, Categorical) and value.ordered:
            return np.where(value.codes < 0, np.nan, value.codes + 1.0)
        if isinstance(value, Categorical):
            raise FormulaError(
                f"'{label(node.operand, values.scope)}' holds categories without an order, which have no numbers; use it as a "
                "term of its own, or declare the order: as.numeric(ordered) takes an ordered pandas.Categorical or a polars.Enum."
            )
    inner = _number(node.operand, values)
    if isinstance(node.op, ast.Not | ast.Invert):
        return negated(inner)
    return -inner if isinstance(node.op, ast.USub) else inner


def _number(node: ast.AST, values: Values) -> Any:
    value = _evaluate(node, values)
    if isinstance(value, Categorical):
        raise FormulaError(
            f"'{label(node, values.scope)}' is not numeric; compare it with ==, use it as a term of its own, or wrap it in C()."
        )
    if isinstance(value, str | list) or value is None:
        raise FormulaError(f"'{ast.unparse(node)[:80]}' cannot be used in arithmetic.")
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return value.astype(np.float64)
    return value


def _floats(node: ast.expr, values: Values) -> np.ndarray:
    """The values of a numeric expression, one a row."""
    with np.errstate(all="ignore"):
        value = as_floats(_number(node, values), label(node, values.scope))
    if value.ndim != 1:
        raise FormulaError(f"'{label(node, values.scope)}' is not one value per row.")
    return value


def _call(node: ast.Call, values: Values) -> Any:
    name = call_name(node)
    assert name is not None
    if values.scope.is_stateful(name):
        return _stateful(node, name, values)
    if values.scope.is_grouping(node):
        return _grouping(node, name, values)
    if name == "findInterval" and values.scope.function(name) is None:
        x = _floats(node.args[0], values)
        return np.where(np.isnan(x), np.nan, np.searchsorted(_state(node, values)["breaks"], x, "right"))
    function = values.scope.function(name)
    if function is None:
        raise FormulaError(f"'{name}()' cannot stand inside another expression; use it as a term of its own.")
    given = callable(values.scope.context.get(name))
    if not given and name in ("where", "is_na"):
        made = _of_categories(node, name, values)
        if made is not None:
            return made
    arguments = [_argument(a, values, given) for a in node.args]
    options = {str(k.arg): _argument(k.value, values, given) for k in node.keywords}
    try:
        result = function(*arguments, **options)
        return np.asarray(result) if np.ndim(result) else result
    except Exception as error:
        raise FormulaError(f"'{label(node, values.scope)}' failed: {error}") from error


def _grouping(node: ast.Call, name: str, values: Values) -> Any:
    if name == "interaction":
        return gr.crossed_value(node, [grouped(a, values) for a in node.args])
    return gr.cut_value(node, _floats(node.args[0], values), _state(node, values))


def _state(node: ast.Call, values: Values) -> dict[str, Any]:
    text = ast.unparse(node)
    if text not in values.states:
        values.states[text] = learn_group(node, values)
    return values.states[text]


def _of_categories(node: ast.Call, name: str, values: Values) -> Any:
    """`is.na(g)`, and a choice between texts or categories; None for calls on numbers."""
    if name == "is_na":
        found = _evaluate(node.args[0], values)
        return (found.codes < 0).astype(np.float64) if isinstance(found, Categorical) else None
    yes, no = (_evaluate(a, values) for a in node.args[1:])
    named = [isinstance(v, Categorical | str) for v in (yes, no)]
    if not any(named):
        return None
    if not all(named):
        raise FormulaError(
            f"'{label(node, values.scope)}' gives text in one case and a number in the other; give one kind."
        )
    return choose_level(_number(node.args[0], values), yes, no)


def _argument(node: ast.AST, values: Values, given: bool) -> Any:
    # A function of the caller's may take text as an option; arrays go to it as copies that it may change.
    if given and isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    value = _number(node, values)
    return value.copy() if given and isinstance(value, np.ndarray) else value


def _stateful(node: ast.Call, name: str, values: Values) -> Any:
    if values.stateful is None:
        raise FormulaError(f"'{name}()' cannot stand here.")
    result = values.stateful(node, values)
    if result.ndim == 2 and result.shape[1] != 1:
        raise FormulaError(f"'{ast.unparse(node)}' has {result.shape[1]} columns; use it as a term of its own.")
    return result.reshape(len(result))
