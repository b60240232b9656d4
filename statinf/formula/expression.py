"""What a factor of a formula may contain, and its value: an interpreter of an allow-list, no Python evaluation.

An expression is parsed to a syntax tree, checked node by node, and computed on float64 arrays. Numbers
are floats throughout, so nothing overflows as an integer; functions are looked up in a fixed table or in
what the caller hands over.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.frame import Categorical, Column

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "I": lambda x: x,
    **{
        name: getattr(np, name)
        for name in (
            "log log2 log10 log1p exp exp2 expm1 sqrt abs sign floor ceil round "
            "sin cos tan arcsin arccos arctan sinh cosh tanh minimum maximum where"
        ).split()
    },
}
STATEFUL = ("poly", "bs", "cr", "cs", "cc", "scale", "center", "standardize")
CATEGORICAL = "C"
OFFSET = "offset"
_MAX_NODES = 400

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
class Scope:
    """What names mean in a formula.

    Attributes
    ----------
    columns : tuple of str
        Names of the data's columns; they come before functions of the same name.
    quoted : mapping
        Placeholders of names in backticks.
    context : mapping
        Functions and numbers that the caller hands over.
    """

    columns: frozenset[str]
    quoted: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        return self.quoted.get(name, name)

    def function(self, name: str) -> Callable[..., Any] | None:
        """The function of that name, the caller's before the table's."""
        given = self.context.get(name)
        return given if callable(given) else FUNCTIONS.get(name)


def read(source: str, scope: Scope) -> ast.expr:
    """Parse one factor and check every node against the allow-list.

    Raises
    ------
    FormulaError
        If the text is no expression or holds anything that is not allowed.
    """
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"'{source[:80]}' cannot be read as a term of a formula.") from None
    if sum(1 for _ in ast.walk(tree)) > _MAX_NODES:
        raise FormulaError(f"the term '{source[:60]}...' is too long; compute it in the data first.")
    tree = _join_dotted(tree, scope)
    _check(tree, scope, source)
    return tree


def label(node: ast.AST, scope: Scope) -> str:
    """The text of a node as tables show it."""
    text = ast.unparse(node)
    for placeholder, name in scope.quoted.items():
        text = text.replace(placeholder, name)
    return text


def columns_of(node: ast.AST, scope: Scope) -> tuple[str, ...]:
    """Names of the columns that an expression uses, in order of appearance."""
    called = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
    found = [_column_name(n, scope) for n in ast.walk(node) if id(n) not in called]
    return tuple(dict.fromkeys(c for c in found if c is not None))


def _column_name(node: ast.AST, scope: Scope) -> str | None:
    if isinstance(node, ast.Name):
        name = scope.resolve(node.id)
        return name if name in scope.columns else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Q":
        return str(ast.literal_eval(node.args[0]))
    return None


def _join_dotted(tree: ast.expr, scope: Scope) -> ast.expr:
    """Make `Sepal.Length` one name where the data has such a column."""

    class Join(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            dotted = ast.unparse(node)
            return ast.Name(dotted, ast.Load()) if dotted in scope.columns else node

    return Join().visit(tree)


def _check(node: ast.AST, scope: Scope, source: str) -> None:
    if isinstance(node, ast.Constant):
        if node.value is not None and not isinstance(node.value, bool | int | float | str):
            raise FormulaError(f"the constant {node.value!r} in '{source}' is not allowed in a formula.")
        return
    if isinstance(node, ast.Name):
        _check_name(node.id, scope)
        return
    if isinstance(node, ast.Call):
        _check_call(node, scope, source)
        return
    allowed = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.List, ast.Tuple, ast.Dict)
    operators = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context)
    if isinstance(node, ast.BinOp) and type(node.op) not in _BINARY:
        raise FormulaError(f"the operator in '{ast.unparse(node)}' is not allowed in a formula.")
    if isinstance(node, ast.Compare) and any(type(o) not in (*_COMPARE, ast.In, ast.NotIn) for o in node.ops):
        raise FormulaError(f"the comparison '{ast.unparse(node)}' is not allowed in a formula.")
    if not isinstance(node, (*allowed, *operators)):
        raise FormulaError(
            f"'{source[:80]}' is not allowed in a formula ({type(node).__name__}); formulas hold columns, arithmetic, "
            f"and the functions {', '.join(sorted((*FUNCTIONS, *STATEFUL, CATEGORICAL)))}. Hand others over in context={{'f': f}}."
        )
    for child in ast.iter_child_nodes(node):
        _check(child, scope, source)


def _check_name(name: str, scope: Scope) -> None:
    resolved = scope.resolve(name)
    if resolved in scope.columns:
        return
    if name in scope.context and not callable(scope.context[name]):
        return
    if name.startswith("_"):
        raise FormulaError(f"the name '{name[:60]}' is not a column of the data and may not be used in a formula.")
    close = get_close_matches(resolved, [c for c in scope.columns if isinstance(c, str)], n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    raise FormulaError(f"'{resolved[:60]}' is not a column of the data.{hint}")


def _check_call(node: ast.Call, scope: Scope, source: str) -> None:
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        raise FormulaError(f"'{source[:80]}': * and ** arguments are not allowed in a formula.")
    name = call_name(node)
    if name is None or not (
        name in (*STATEFUL, CATEGORICAL, OFFSET, "Q") or name.startswith("contr.") or scope.function(name) is not None
    ):
        what = (name or ast.unparse(node.func))[:60]
        known = sorted((*FUNCTIONS, *STATEFUL, CATEGORICAL, OFFSET, *(k for k, v in scope.context.items() if callable(v))))
        raise FormulaError(
            f"'{what}' is not a function that a formula may call. Known: {', '.join(known)}. "
            "Hand your own over by name in context={'f': f}."
        )
    if name == "Q":
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Constant):
            raise FormulaError('Q() takes one column name in quotes: Q("my column").')
        _check_name(str(node.args[0].value), scope)
        return
    for argument in (*node.args, *(k.value for k in node.keywords)):
        if name == CATEGORICAL and is_contrast(argument):
            continue
        _check(argument, scope, source)


def call_name(node: ast.AST) -> str | None:
    """The name that a call calls, `np.log` read as `log`; None for anything but a plain name."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        owner, attribute = node.func.value.id, node.func.attr
        if owner in ("np", "numpy") and attribute in FUNCTIONS and attribute != "I":
            return attribute
        if owner == "contr":
            return f"contr.{attribute}"
    return None


def is_contrast(node: ast.AST) -> bool:
    """Whether an argument of `C()` names a coding, such as `contr.sum` or `Treatment("b")`."""
    if isinstance(node, ast.Call):
        literal = all(_is_literal(a) for a in (*node.args, *(k.value for k in node.keywords)))
        return literal and is_contrast(node.func)
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "contr" and not node.attr.startswith("_")
    return isinstance(node, ast.Name) and node.id in ("Treatment", "Sum", "Helmert", "Poly", "Diff")


def _is_literal(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


@dataclass(frozen=True)
class Values:
    """What an expression is computed on: a way to columns, the scope, and the stateful calls' value."""

    column: Callable[[str], Column]
    scope: Scope
    stateful: Callable[[ast.Call, Values], np.ndarray] | None = None


def evaluate(node: ast.AST, values: Values) -> Any:
    """The value of a checked expression: a float64 or boolean array, a number, a list, or categories."""
    with np.errstate(all="ignore"):
        return _evaluate(node, values)


def _evaluate(node: ast.AST, values: Values) -> Any:
    if isinstance(node, ast.Constant):
        return np.float64(node.value) if isinstance(node.value, int | float) else node.value
    name = _column_name(node, values.scope)
    if name is not None:
        column = values.column(name)
        return column if isinstance(column, Categorical) else column.values
    if isinstance(node, ast.Name):
        return np.float64(values.scope.context[node.id])
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_number(node.left, values), _number(node.right, values))
    if isinstance(node, ast.UnaryOp):
        inner = _number(node.operand, values)
        if isinstance(node.op, ast.Not | ast.Invert):
            return np.logical_not(inner)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BoolOp):
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        parts = [_number(v, values) for v in node.values]
        return functools.reduce(combine, parts)
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
    if isinstance(value, str) or value is None:
        raise FormulaError(f"{value!r} cannot be used in arithmetic.")
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return value.astype(np.float64)
    return value


def _call(node: ast.Call, values: Values) -> Any:
    name = call_name(node)
    assert name is not None
    if name in STATEFUL and values.scope.function(name) is None:
        if values.stateful is None:
            raise FormulaError(f"'{name}()' cannot stand here.")
        result = values.stateful(node, values)
        if result.ndim == 2 and result.shape[1] != 1:
            raise FormulaError(f"'{ast.unparse(node)}' has {result.shape[1]} columns; use it as a term of its own.")
        return result.reshape(len(result))
    function = values.scope.function(name)
    if function is None:
        raise FormulaError(f"'{name}()' cannot stand inside another expression; use it as a term of its own.")
    arguments = [_number(a, values) for a in node.args]
    options = {k.arg: _number(k.value, values) for k in node.keywords}
    try:
        result = function(*arguments, **options)  # type: ignore[arg-type]
    except Exception as error:
        raise FormulaError(f"'{label(node, values.scope)}' failed: {error}") from error
    return np.asarray(result) if np.ndim(result) else result


def _compare(node: ast.Compare, values: Values) -> Any:
    left = _evaluate(node.left, values)
    out: Any = True
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(right_node, values)
        out = np.logical_and(out, _compare_two(type(op), left, right, node))
        left = right
    # A comparison with a missing value is missing.
    operands = [_evaluate(n, values) for n in (node.left, *node.comparators)]
    missing = [o.codes < 0 if isinstance(o, Categorical) else np.isnan(o) for o in operands if _is_data(o)]
    out = np.asarray(out, dtype=np.float64)
    for m in missing:
        out = np.where(m, np.nan, out)
    return out


def _is_data(value: Any) -> bool:
    return isinstance(value, Categorical) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _compare_two(op: type, left: Any, right: Any, node: ast.AST) -> Any:
    if isinstance(right, Categorical) and not isinstance(left, Categorical) and op in (ast.Eq, ast.NotEq):
        left, right = right, left
    if isinstance(left, Categorical):
        if op in (ast.In, ast.NotIn) and isinstance(right, list):
            wanted = right
        elif op in (ast.Eq, ast.NotEq) and isinstance(right, str | float):
            wanted = [right]
        else:
            raise FormulaError(f"'{ast.unparse(node)}': categories can be compared with a level by ==, != or in.")
        unknown = [w for w in wanted if w not in left.levels]
        if unknown:
            raise FormulaError(f"'{ast.unparse(node)}': {unknown[0]!r} is not a level; the levels are {list(left.levels)[:12]}.")
        inside = np.isin(left.codes, [left.levels.index(w) for w in wanted])
        return inside if op in (ast.In, ast.Eq) else ~inside
    if op in (ast.In, ast.NotIn):
        inside = np.isin(left, np.asarray(right, dtype=np.float64))
        return inside if op is ast.In else ~inside
    if isinstance(left, str) or isinstance(right, str):
        raise FormulaError(f"'{ast.unparse(node)}' compares text with numbers.")
    return _COMPARE[op](left, right)
