"""The calls in a factor's tree that learn from rows, and what can be computed before they have."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from statinf.formula import expression as ex
from statinf.formula.options import variables_of


def stateless_parts(node: ast.AST, scope: ex.Scope) -> Iterator[ast.expr]:
    """The largest subexpressions without a stateful call: what can be checked row by row before any state."""
    if isinstance(node, ast.Name):
        if ex.column_name(node, scope):
            yield node
        return
    if not any(_is_stateful(n, scope) for n in ast.walk(node)):
        if isinstance(node, ast.expr) and ex.columns_of(node, scope):
            yield node
        return
    inner = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call) and _is_stateful(node, scope):
        inner = node.args[:1] if scope.is_categorical(node) else variables_of(node)
    for child in inner:
        yield from stateless_parts(child, scope)


def _is_stateful(node: ast.AST, scope: ex.Scope) -> bool:
    return scope.is_categorical(node) or scope.is_stateful(ex.call_name(node))


def stateful_calls(node: ast.AST, scope: ex.Scope) -> list[ast.Call]:
    """The stateful numeric calls in an expression."""
    if isinstance(node, ast.Name):
        return []
    return [n for n in ast.walk(node) if isinstance(n, ast.Call) and scope.is_stateful(ex.call_name(n))]


def learning_calls(node: ast.AST, scope: ex.Scope) -> list[ast.Call]:
    """The calls whose values are categories and that learn from rows, the inner ones first."""
    if isinstance(node, ast.Name):
        return []
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    return [
        n
        for n in reversed(calls)
        if (ex.call_name(n) == "cut" and scope.is_grouping(n))
        or (ex.call_name(n) == "findInterval" and scope.function("findInterval") is None)
        or (scope.is_categorical(n) and {k.arg for k in n.keywords} >= {"labels"})
    ]


def grouped_columns(node: ast.AST, scope: ex.Scope) -> tuple[set[str], set[str]]:
    """Columns of an expression that stand in `interaction()` and `C()`, where numbers are levels, and those elsewhere."""
    if isinstance(node, ast.Name):
        return set(), set(ex.columns_of(node, scope))
    inside = [n for n in ast.walk(node) if ex.call_name(n) == "interaction" or scope.is_categorical(n)]
    grouped = {id(a) for n in inside if isinstance(n, ast.Call) for a in n.args}
    called = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
    names = [(ex.column_name(n, scope), id(n) in grouped) for n in ast.walk(node) if id(n) not in called]
    return {name for name, there in names if name and there}, {name for name, there in names if name and not there}
