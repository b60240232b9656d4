"""The factors of terms: what they need, and their values on rows."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula import expression as ex
from statinf.formula.coding import Coding, coding_for, observed_levels
from statinf.formula.frame import Categorical, Frame, Numeric, categories_of


@dataclass(frozen=True)
class Factor:
    """A factor as written.

    Attributes
    ----------
    label : str
        Its name in tables.
    node : ast.expr
        Its checked syntax tree.
    kind : str
        "numeric", "transform" (a stateful call of possibly several columns) or "categorical".
    columns : tuple of str
        The data columns it uses.
    """

    label: str
    node: ast.expr
    kind: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Learnt:
    """What a factor learnt from the rows of the fit: transforms' states and a category coding."""

    states: Mapping[str, dict[str, Any]]
    coding: Coding | None = None
    width: int = 1
    suffixes: tuple[str, ...] = ("",)


def make_factor(text: str, scope: ex.Scope, frame: Frame, intercept: bool) -> Factor:
    """Read and classify one factor."""
    node = ex.read(text, scope)
    columns = ex.columns_of(node, scope)
    name = ex.label(node, scope)
    called = ex.call_name(node)
    if called == ex.CATEGORICAL:
        _check_categorical_call(node, name)
        return Factor(name, node, "categorical", columns)
    if called in ex.STATEFUL and scope.function(called) is None:
        if called in ("cr", "cs", "cc"):
            node = _centred(node, intercept)
        return Factor(name, node, "transform", columns)
    if called is None and len(columns) == 1 and isinstance(node, ast.Name) or called == "Q":
        column = frame.column(columns[0])
        return Factor(columns[0], node, "categorical" if isinstance(column, Categorical) else "numeric", columns)
    if isinstance(node, ast.Constant) or not columns:
        raise FormulaError(f"the term '{name}' uses no column of the data.")
    return Factor(name, node, "numeric", columns)


def _check_categorical_call(node: ast.AST, name: str) -> None:
    assert isinstance(node, ast.Call)
    unknown = [k.arg for k in node.keywords if k.arg not in ("contr", "contrasts", "levels")]
    if not node.args or len(node.args) > 2 or unknown:
        raise FormulaError(f"'{name}': C() takes a column, a contrast such as contr.sum, and levels=[...].")


def _centred(node: ast.expr, intercept: bool) -> ast.expr:
    # A natural or cyclic basis sums to one: beside an intercept it needs the centring constraint.
    assert isinstance(node, ast.Call)
    if not intercept or any(k.arg == "constraints" for k in node.keywords):
        return node
    return ast.Call(node.func, node.args, [*node.keywords, ast.keyword("constraints", ast.Constant("center"))])


def _option(node: ast.expr, names: tuple[str, ...], position: int | None = None) -> ast.expr | None:
    assert isinstance(node, ast.Call)
    if position is not None and len(node.args) > position:
        return node.args[position]
    return next((k.value for k in node.keywords if k.arg in names), None)


# --- values -----------------------------------------------------------------------------------------------


def stateless_parts(node: ast.AST, scope: ex.Scope) -> Iterator[ast.AST]:
    """The largest subexpressions without a stateful call: what can be checked row by row before any state."""
    if not any(_is_stateful(n, scope) for n in ast.walk(node)):
        if ex.columns_of(node, scope):
            yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from stateless_parts(child, scope)


def _is_stateful(node: ast.AST, scope: ex.Scope) -> bool:
    name = ex.call_name(node)
    return name in (*ex.STATEFUL, ex.CATEGORICAL) and scope.function(str(name)) is None


def stateful_calls(node: ast.AST, scope: ex.Scope) -> list[ast.Call]:
    """The stateful numeric calls in an expression."""
    return [n for n in ast.walk(node) if isinstance(n, ast.Call) and _is_stateful(n, scope) and ex.call_name(n) != "C"]


def categories(factor: Factor, values: ex.Values, raw: Callable[[str], Categorical]) -> Categorical:
    """The codes and levels of a categorical factor, before its levels are fixed."""
    inner = factor.node.args[0] if isinstance(factor.node, ast.Call) and ex.call_name(factor.node) == "C" else factor.node
    columns = ex.columns_of(inner, values.scope)
    if len(columns) == 1 and (isinstance(inner, ast.Name) or ex.call_name(inner) == "Q"):
        return raw(columns[0])
    computed = ex.evaluate(inner, values)
    logical = isinstance(inner, ast.Compare | ast.BoolOp) or (
        isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.Not)
    )
    return categories_of(np.asarray(computed, dtype=np.float64), label="bool" if logical else "number")


def learn(factor: Factor, found: Categorical | None, values: ex.Values, n: int) -> tuple[Learnt, Any]:
    """Fix what a factor takes from the fit's rows, and its value on them.

    Returns
    -------
    Learnt
    Categorical or ndarray, shape (n, width)
    """
    if factor.kind == "categorical":
        assert found is not None
        return _learn_categories(factor, found)
    states: dict[str, dict[str, Any]] = {}
    value, suffixes = _numeric_value(factor, values, states, n)
    return Learnt(states, None, value.shape[1], suffixes), value


def _learn_categories(factor: Factor, found: Categorical) -> tuple[Learnt, Categorical]:
    declared = _option(factor.node, ("levels",)) if isinstance(factor.node, ast.Call) else None
    if declared is not None:
        levels = tuple(ast.literal_eval(declared))
        strange = [v for i, v in enumerate(found.levels) if v not in levels and np.any(found.codes == i)]
        if strange:
            raise FormulaError(f"'{factor.label}': the data hold {strange[0]!r}, which is not among levels={list(levels)}.")
        found = _relevel(found, levels)
    kept = observed_levels(found.codes, found.levels, factor.label)
    contrast = _option(factor.node, ("contr", "contrasts"), 1) if isinstance(factor.node, ast.Call) else None
    if ex.call_name(factor.node) == "Q":
        contrast = None
    return Learnt({}, coding_for(kept, contrast, factor.label)), _relevel(found, kept)


def _relevel(found: Categorical, levels: tuple[Any, ...]) -> Categorical:
    from statinf.formula.coding import recode

    return Categorical(recode(found.codes, found.levels, levels), levels)


def apply(factor: Factor, learnt: Learnt, values: ex.Values, n: int) -> np.ndarray:
    """The value of a numeric factor on new rows, shape (n, width), with the state of the fit."""
    return _numeric_value(factor, values, dict(learnt.states), n)[0]


def _numeric_value(
    factor: Factor, values: ex.Values, states: dict[str, dict[str, Any]], n: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    def stateful(call: ast.Call, inner: ex.Values) -> np.ndarray:
        return transform(call, inner, states)[0]

    with_state = replace(values, stateful=stateful)
    if factor.kind == "transform":
        assert isinstance(factor.node, ast.Call)
        return transform(factor.node, with_state, states)
    value = ex.evaluate(factor.node, with_state)
    if isinstance(value, Categorical):
        raise FormulaError(f"'{factor.label}' is not numeric.")
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 2 and len(array) == n:
        return array, tuple(f"[{j + 1}]" for j in range(array.shape[1]))
    if array.shape != (n,):
        raise FormulaError(f"'{factor.label}' gave an array of shape {array.shape}; it must give one number a row ({n}).")
    return array.reshape(n, 1), ("",)


def transform(
    call: ast.Call, values: ex.Values, states: dict[str, dict[str, Any]]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of a stateful call; its state is made in `states` if it is not there yet."""
    name = str(ex.call_name(call))
    text = ast.unparse(call)
    if not call.args:
        raise FormulaError(f"'{text}' needs a column as its first argument.")
    x = np.asarray(ex.evaluate(call.args[0], values), dtype=np.float64)
    try:
        arguments = [ast.literal_eval(a) for a in call.args[1:]]
        options = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (ValueError, TypeError, SyntaxError):
        raise FormulaError(f"'{text}': the options of {name}() must be plain numbers, text or lists.") from None
    state = states.setdefault(text, {})
    try:
        made = _transforms()[name](x, *arguments, **options, _state=state)
    except Exception as error:
        raise FormulaError(f"'{text}' failed: {error}") from error
    made = getattr(made, "__wrapped__", made)
    if isinstance(made, Mapping):
        return np.column_stack([np.asarray(v) for v in made.values()]), tuple(f"[{k}]" for k in made)
    array = np.asarray(made, dtype=np.float64)
    if array.ndim == 1:
        return array.reshape(-1, 1), ("",)
    return array, tuple(f"[{j + 1}]" for j in range(array.shape[1]))


def _transforms() -> Mapping[str, Callable[..., Any]]:
    from formulaic.transforms import TRANSFORMS

    return TRANSFORMS


def numeric_column(frame: Frame, name: str) -> np.ndarray:
    """A column that must hold numbers."""
    column = frame.column(name)
    if isinstance(column, Numeric):
        return column.values
    raise FormulaError(f"the column '{name}' holds categories; numbers are needed here.")
