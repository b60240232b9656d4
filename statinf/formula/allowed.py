"""What a factor of a formula may contain: an allow-list of an expression's nodes, no Python evaluation.

An expression is parsed to a syntax tree, checked node by node, and computed on float64 arrays. Numbers
are floats throughout, so nothing overflows as an integer; functions are looked up in a fixed table or in
what the caller hands over.
"""

from __future__ import annotations

import ast
import keyword
from difflib import get_close_matches
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.advice import ADVICE, written
from statinf.formula.expression import (
    CATEGORICAL,
    COMPARISONS,
    GROUPING,
    INDICATORS,
    OFFSET,
    OPERATORS,
    SMOOTH,
    STATEFUL,
    Scope,
    call_name,
    column_name,
    is_contrast,
)
from statinf.formula.functions import FUNCTIONS, Known
from statinf.formula.grouping import crossing_options, read_cut
from statinf.formula.measured import measured_expressions
from statinf.formula.precedence import check_precedence
from statinf.formula.quiet import quiet
from statinf.formula.scan import short
from statinf.formula.translation import translate

_MAX_NODES = 2_000
_MAX_NESTING = 80
_MAX_SOURCE = 20_000


def read(source: str, scope: Scope) -> ast.expr:
    """Parse one factor and check every node against the allow-list.

    Raises
    ------
    FormulaError
        If the text is no expression or holds anything that is not allowed.
    """
    source = source.strip()
    if len(source) > _MAX_SOURCE:
        raise FormulaError(f"the term {short(source, 60)} is too long; compute it in the data first.")
    try:
        with quiet(source):
            tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if keyword.iskeyword(source):
            hint = f"'{source}' is a word of Python; if it is a column of the data, put it in `backticks`."
            raise FormulaError(hint) from None
        raise FormulaError(f"{short(source)} cannot be read as a term of a formula.") from None
    _check_size(tree, source)
    check_precedence(tree, source)
    tree = translate(tree, source, scope.columns, scope.context)
    _check(tree, scope, source)
    return tree


def _check_size(tree: ast.AST, source: str) -> None:
    level, count, depth = [tree], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > _MAX_NODES or depth > _MAX_NESTING:
            raise FormulaError(f"the term {short(source, 60)} is too long or too deep; compute it in the data first.")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _check(node: ast.AST, scope: Scope, source: str) -> None:
    if isinstance(node, ast.Constant):
        _check_constant(node.value, source)
        return
    if isinstance(node, ast.Name):
        _check_name(node.id, scope)
        return
    if isinstance(node, ast.Call):
        _check_call(node, scope, source)
        return
    allowed = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.List, ast.Tuple, ast.Dict)
    operators = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context)
    if isinstance(node, ast.BinOp) and not isinstance(node.op, OPERATORS):
        raise FormulaError(f"the operator in '{ast.unparse(node)}' is not allowed in a formula.")
    if isinstance(node, ast.Compare) and not all(isinstance(o, COMPARISONS) for o in node.ops):
        raise FormulaError(f"the comparison '{ast.unparse(node)}' is not allowed in a formula.")
    if not isinstance(node, (*allowed, *operators)):
        raise FormulaError(
            f"{short(source)} is not allowed in a formula ({type(node).__name__}); formulas hold columns, arithmetic, "
            f"and the functions {', '.join(sorted((*FUNCTIONS, *STATEFUL, CATEGORICAL)))}. Hand others over in context={{'f': f}}."
        )
    for child in ast.iter_child_nodes(node):
        _check(child, scope, source)


def _check_constant(value: Any, source: str) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if not isinstance(value, int | float):
        raise FormulaError(f"the constant {value!r} in {short(source)} is not allowed in a formula.")
    try:
        finite = bool(np.isfinite(float(value)))
    except OverflowError:
        finite = False
    if not finite:
        raise FormulaError(f"{short(source)} holds a number that float64 cannot hold.")


def _check_name(name: str, scope: Scope) -> None:
    resolved = scope.resolve(name)
    if resolved in scope.columns or scope.constant(name) is not None:
        return
    if name in scope.context:
        _check_context(name, scope.context[name])
        return
    if name.startswith("_"):
        raise FormulaError(f"the name '{name[:60]}' is not a column of the data and may not be used in a formula.")
    if any(str(c) == resolved for c in scope.columns if not isinstance(c, str)):
        raise FormulaError(
            f"the column named {resolved} is not a string: rename it, for example with data.columns.astype(str)."
        )
    close = get_close_matches(resolved[:60], [c for c in scope.columns if isinstance(c, str)], n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    raise FormulaError(f"{short(resolved, 60)} is not a column of the data.{hint}")


def _check_context(name: str, value: Any) -> None:
    if callable(value):
        raise FormulaError(f"'{name}' is a function from context=; call it on columns: {name}(x).")
    if not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
        raise FormulaError(
            f"'{name}' in context= is a {type(value).__name__}; formulas take functions and finite numbers."
        )


def _check_call(node: ast.Call, scope: Scope, source: str) -> None:
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        raise FormulaError(f"{short(source)}: * and ** arguments are not allowed in a formula.")
    name = call_name(node)
    if name is None or not (name in _calls(scope) or scope.function(name) is not None):
        raise _unknown(name or ast.unparse(node.func), scope)
    if name == "Q":
        if len(node.args) != 1 or node.keywords or not _is_text(node.args[0]):
            raise FormulaError('Q() takes one column name in quotes: Q("my column").')
        _check_name(str(column_name(node, scope)), scope)
        return
    given = callable(scope.context.get(name))
    if name in FUNCTIONS and not given:
        _check_arguments(node, name, FUNCTIONS[name])
    if name == "findInterval" and not given and len(node.args) != 2:
        raise FormulaError(f"{short(ast.unparse(node))}: write findInterval(x, c(0, 1, 2)).")
    if scope.is_grouping(node):
        crossing_options(node) if name == "interaction" else read_cut(node)
    numbers = [] if given else [id(a) for a in _numbers(node, name)]
    for argument in (*node.args, *(k.value for k in node.keywords)):
        if name == CATEGORICAL and is_contrast(argument):
            continue
        if id(argument) in numbers:
            for measured in measured_expressions(argument):
                _check(measured, scope, source)
        else:
            _check(argument, scope, source)


def _calls(scope: Scope) -> tuple[str, ...]:
    smooth = (SMOOTH,) if scope.smooth else ()
    return (*STATEFUL, *smooth, CATEGORICAL, INDICATORS, *GROUPING, "findInterval", OFFSET, "Q")


def _numbers(node: ast.Call, name: str) -> list[ast.expr]:
    """Arguments of a call that are numbers, or measures of the data such as `quantile(x)`."""
    if name == "cut":
        return [read_cut(node).breaks]
    if name == "findInterval":
        return node.args[1:2]
    if name in ("bs", "ns"):
        return [k.value for k in node.keywords if k.arg in ("knots", "Boundary_knots")]
    return []


def _unknown(name: str, scope: Scope) -> FormulaError:
    what = name[:60]
    if what in ADVICE:
        return FormulaError(f"'{written(what)}' is not a function that a formula may call; {ADVICE[what]}.")
    given = (k for k, v in scope.context.items() if callable(v))
    names = sorted({*FUNCTIONS, *_calls(scope)[:-1], *given})
    return FormulaError(
        f"'{written(what)}' is not a function that a formula may call. Known: {', '.join(map(written, names))}. "
        "Hand your own over by name in context={'f': f}."
    )


def _check_arguments(node: ast.Call, name: str, known: Known) -> None:
    if node.keywords or not known.least <= len(node.args) <= known.most:
        count = str(known.least) if known.least == known.most else f"{known.least} or {known.most}"
        raise FormulaError(f"{short(ast.unparse(node))}: {name}() takes {count} argument(s), without names.")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
