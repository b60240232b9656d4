"""The value of a checked expression, computed node by node on float64 arrays: no Python evaluation."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.expression import Scope, call_name, column_name, label
from statinf.formula.frame import Categorical, FrameColumn

_BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
    ast.Mod: np.mod,
    ast.FloorDiv: np.floor_divide,
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
}
_COMPARE: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Values:
    """What an expression is computed on.

    Attributes
    ----------
    column : callable
        From a name to its column.
    scope : Scope
    stateful : callable, optional
        The value of a stateful call.
    new : bool
        New rows need not hold every level that the formula compares with.
    """

    column: Callable[[str], FrameColumn]
    scope: Scope
    stateful: Callable[[ast.Call, Values], np.ndarray] | None = None
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


def _evaluate(node: ast.AST, values: Values) -> Any:
    if isinstance(node, ast.Constant):
        return np.float64(node.value) if isinstance(node.value, int | float) else node.value
    name = column_name(node, values.scope)
    if name is not None:
        column = values.column(name)
        return column if isinstance(column, Categorical) else column.values
    if isinstance(node, ast.Name):
        return np.float64(values.scope.context[node.id])
    if isinstance(node, ast.BinOp):
        made = _BINARY[type(node.op)](_number(node.left, values), _number(node.right, values))
        if np.ndim(made) == 0 and not np.isfinite(made):
            raise FormulaError(f"'{ast.unparse(node)}' is no number that float64 can hold.")
        return made
    if isinstance(node, ast.UnaryOp):
        inner = _number(node.operand, values)
        if isinstance(node.op, ast.Not | ast.Invert):
            return np.logical_not(inner)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BoolOp):
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return functools.reduce(combine, [_number(v, values) for v in node.values])
    if isinstance(node, ast.Compare):
        return _compare(node, values)
    if isinstance(node, ast.List | ast.Tuple):
        return [_evaluate(e, values) for e in node.elts]
    if isinstance(node, ast.Call):
        return _call(node, values)
    raise FormulaError(f"'{ast.unparse(node)}' has no value here.")


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


def _call(node: ast.Call, values: Values) -> Any:
    name = call_name(node)
    assert name is not None
    if values.scope.is_stateful(name):
        return _stateful(node, name, values)
    function = values.scope.function(name)
    if function is None:
        raise FormulaError(f"'{name}()' cannot stand inside another expression; use it as a term of its own.")
    given = callable(values.scope.context.get(name))
    arguments = [_argument(a, values, given) for a in node.args]
    options = {str(k.arg): _argument(k.value, values, given) for k in node.keywords}
    try:
        result = function(*arguments, **options)
        return np.asarray(result) if np.ndim(result) else result
    except Exception as error:
        raise FormulaError(f"'{label(node, values.scope)}' failed: {error}") from error


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


def _compare(node: ast.Compare, values: Values) -> Any:
    operands = [_evaluate(n, values) for n in (node.left, *node.comparators)]
    out: Any = True
    for op, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True):
        out = np.logical_and(out, _compare_two(type(op), left, right, node, values.new))
    out = np.asarray(out, dtype=np.float64)
    # A comparison with a missing value is missing.
    for operand in operands:
        if isinstance(operand, Categorical):
            out = np.where(operand.codes < 0, np.nan, out)
        elif isinstance(operand, np.ndarray) and operand.dtype.kind == "f":
            out = np.where(np.isnan(operand), np.nan, out)
    return out


def _compare_two(op: type, left: Any, right: Any, node: ast.AST, new: bool) -> Any:
    if isinstance(right, Categorical) and not isinstance(left, Categorical) and op in (ast.Eq, ast.NotEq):
        left, right = right, left
    if isinstance(left, Categorical):
        return _compare_levels(op, left, right, node, new)
    if new and isinstance(left, np.ndarray) and np.isnan(left).all():
        return np.zeros(left.shape)
    if op in (ast.In, ast.NotIn):
        if not isinstance(right, list) or not right or not all(isinstance(v, np.floating) for v in right):
            raise FormulaError(f"'{ast.unparse(node)}': give a list of numbers after 'in'.")
        inside = np.isin(left, np.asarray(right, dtype=np.float64))
        return inside if op is ast.In else ~inside
    if any(isinstance(v, str | list | Categorical) or v is None for v in (left, right)):
        raise FormulaError(f"'{ast.unparse(node)}' compares numbers with something else.")
    return _COMPARE[op](left, right)


def _compare_levels(op: type, left: Categorical, right: Any, node: ast.AST, new: bool) -> Any:
    if op in (ast.In, ast.NotIn) and isinstance(right, list):
        wanted = right
    elif op in (ast.Eq, ast.NotEq) and isinstance(right, str | float):
        wanted = [right]
    else:
        raise FormulaError(f"'{ast.unparse(node)}': categories can be compared with a level by ==, != or in.")
    unknown = [w for w in wanted if not isinstance(w, str | float) or w not in left.levels]
    if unknown and not new:
        raise FormulaError(
            f"'{ast.unparse(node)}': {unknown[0]!r} is not a level; the levels are {list(left.levels)[:12]}."
        )
    inside = np.isin(left.codes, [left.levels.index(w) for w in wanted if w not in unknown])
    return inside if op in (ast.In, ast.Eq) else ~inside
