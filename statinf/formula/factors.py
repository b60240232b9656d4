"""The factors of terms: what they need, and their values on rows."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula import evaluate as ev
from statinf.formula import expression as ex
from statinf.formula.allowed import read
from statinf.formula.calls import stateful_calls, stateless_parts
from statinf.formula.coding import Coding, coding_for, fixed_coding, observed_levels, recode
from statinf.formula.columns import Categorical, FrameColumn, Numeric
from statinf.formula.frame import Frame
from statinf.formula.grouping import declared_levels, read_cut
from statinf.formula.transforms import check_options, transform

__all__ = ["Factor", "Learnt", "make_factor", "stateful_calls", "stateless_parts"]


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
    logical : bool
        Whether a numeric factor holds truth values: as in R it counts as a variable of two levels.
    fixed : bool
        Whether a categorical factor has the same dummies whatever else the model spans, as fixest's `i(g, ref="a")` has.
    """

    label: str
    node: ast.expr
    kind: str
    columns: tuple[str, ...]
    logical: bool = False
    fixed: bool = False

    @property
    def groups(self) -> bool:
        """Whether it has levels, so that its columns depend on what the model spans already."""
        return (self.kind == "categorical" and not self.fixed) or self.logical


@dataclass(frozen=True)
class Learnt:
    """What a factor learnt from the rows of the fit: transforms' states and a category coding.

    A `logical` factor is one column of 0 and 1 where its margin is in the model, and one column per truth value elsewhere.
    """

    states: Mapping[str, dict[str, Any]]
    coding: Coding | None = None
    width: int = 1
    suffixes: tuple[str, ...] = ("",)
    logical: bool = False

    def names(self, reduced: bool) -> tuple[str, ...]:
        """What follows the factor's name for each of its columns."""
        if self.coding is not None:
            return self.coding.names(reduced)
        return ("[False]", "[True]") if self.logical and not reduced else self.suffixes

    def columns(self, reduced: bool) -> int:
        """Number of columns."""
        return len(self.names(reduced)) if self.coding is None else self.coding.columns(reduced)


def make_factor(text: str, scope: ex.Scope, column: Callable[[str], FrameColumn], intercept: bool) -> Factor:
    """Read and classify one factor."""
    node = read(text, scope)
    columns = ex.columns_of(node, scope)
    name = ex.label(node, scope)
    called = ex.call_name(node)
    if not columns:
        raise FormulaError(f"the term '{name}' uses no column of the data.")
    if scope.is_categorical(node):
        fixed = _check_categorical_call(node, name)
        return Factor(name, node, "categorical", columns, fixed=fixed)
    for call in stateful_calls(node, scope):
        check_options(call)
    if scope.is_stateful(called):
        if called in ("cr", "cs", "cc"):
            node = _centred(node, intercept)
        return Factor(name, node, "transform", columns)
    if ex.column_name(node, scope) is not None:
        found = column(columns[0])
        if isinstance(found, Categorical):
            return Factor(columns[0], node, "categorical", columns)
        return Factor(columns[0], node, "numeric", columns, found.logical)
    if is_grouped(node, scope, column):
        return Factor(name, node, "categorical", columns)
    return Factor(name, node, "numeric", columns, _is_logical(node, scope, column))


def is_grouped(node: ast.expr, scope: ex.Scope, column: Callable[[str], FrameColumn]) -> bool:
    """Whether the values of an expression are categories: `cut()`, `interaction()`, and a choice between texts or categories."""
    if scope.is_grouping(node):
        assert isinstance(node, ast.Call)
        return ex.call_name(node) != "cut" or not read_cut(node).numbered
    if ex.call_name(node) == "where" and isinstance(node, ast.Call) and "where" not in scope.context:
        return any(is_grouped(a, scope, column) for a in node.args[1:])
    name = ex.column_name(node, scope)
    if name is not None:
        return isinstance(column(name), Categorical)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_logical(node: ast.expr, scope: ex.Scope, column: Callable[[str], FrameColumn]) -> bool:
    """Whether an expression is a comparison, or truth values combined, chosen from or wrapped in `I()`."""
    name = ex.column_name(node, scope)
    if name is not None:
        found = column(name)
        return isinstance(found, Numeric) and found.logical
    called = ex.call_name(node)
    if isinstance(node, ast.Call) and called not in scope.context:
        if called == "I":
            return _is_logical(node.args[0], scope, column)
        if called == "where":
            return all(_is_logical(a, scope, column) for a in node.args[1:])
        return called == "is_na"
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr)
    return isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert)
    )


def _check_categorical_call(node: ast.expr, name: str) -> bool:
    """Refuse what a `C()` or `i()` does not take; whether it is an `i()`."""
    assert isinstance(node, ast.Call)
    keywords = [k.arg for k in node.keywords]
    if ex.call_name(node) == ex.INDICATORS:
        if len(node.args) != 1 or keywords != ["ref"]:
            raise FormulaError(f"'{name}': write i(g, ref='a'), i(g, x) or i(g, x, ref='a').")
        return True
    unknown = [k for k in keywords if k not in ("contr", "contrasts", "levels", "labels")]
    contrasts = len(node.args) - 1 + sum(k in ("contr", "contrasts") for k in keywords)
    if not node.args or contrasts > 1 or unknown:
        raise FormulaError(f"'{name}': C() takes a column, one contrast such as contr.sum, and levels=[...].")
    declared_levels(node, name)
    declared_levels(node, name, "labels")
    return False


def _centred(node: ast.expr, intercept: bool) -> ast.expr:
    # A natural or cyclic basis sums to one: beside an intercept it needs the centring constraint.
    assert isinstance(node, ast.Call)
    if not intercept or any(k.arg == "constraints" for k in node.keywords):
        return node
    return ast.Call(node.func, node.args, [*node.keywords, ast.keyword("constraints", ast.Constant("center"))])


# --- values -----------------------------------------------------------------------------------------------


def categories(factor: Factor, values: ev.Values, raw: Callable[[str], Categorical]) -> Categorical:
    """The codes and levels of a categorical factor, before its levels are fixed."""
    column = grouping_column(factor, values.scope)
    if column is not None and not has_labels(factor):
        return raw(column)
    return ev.grouped(factor.node if has_labels(factor) else _grouped(factor.node), values)


def has_labels(factor: Factor) -> bool:
    """Whether a factor renames its levels."""
    return isinstance(factor.node, ast.Call) and any(k.arg == "labels" for k in factor.node.keywords)


def grouping_column(factor: Factor, scope: ex.Scope) -> str | None:
    """The column whose own values are the levels of a categorical factor; None for computed levels."""
    return ex.column_name(_grouped(factor.node), scope) if factor.kind == "categorical" else None


def _grouped(node: ast.expr) -> ast.expr:
    called = ex.call_name(node)
    return node.args[0] if isinstance(node, ast.Call) and called in (ex.CATEGORICAL, ex.INDICATORS) else node


def learn(factor: Factor, found: Categorical | None, values: ev.Values, n: int) -> tuple[Learnt, Any]:
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
    if not np.isfinite(value).all():
        raise DataError(
            f"'{factor.label}' is not finite in {int((~np.isfinite(value)).any(axis=1).sum())} of {n} rows; "
            "is a column constant, or has it too few different values?"
        )
    return Learnt(states, None, value.shape[1], suffixes, factor.logical), value


def declared(factor: Factor, found: Categorical) -> Categorical:
    """Categories in the order of the `levels=` of a `C()`, where it has any."""
    call = factor.node if isinstance(factor.node, ast.Call) and ex.call_name(factor.node) == ex.CATEGORICAL else None
    levels = declared_levels(call, factor.label) if call and not has_labels(factor) else None
    if levels is None:
        return found
    strange = [v for i, v in enumerate(found.levels) if v not in levels and np.any(found.codes == i)]
    if strange:
        raise FormulaError(f"'{factor.label}': the data hold {strange[0]!r}, which is not among levels={list(levels)}.")
    return _relevel(found, levels)


def _learn_categories(factor: Factor, found: Categorical) -> tuple[Learnt, Categorical]:
    call = factor.node if isinstance(factor.node, ast.Call) and ex.call_name(factor.node) == ex.CATEGORICAL else None
    found = declared(factor, found)
    kept = observed_levels(found.codes, found.levels, factor.label)
    if factor.fixed:
        assert isinstance(factor.node, ast.Call)
        return Learnt({}, fixed_coding(kept, factor.node, factor.label)), _relevel(found, kept)
    contrast = None
    if call:
        named = (k.value for k in call.keywords if k.arg in ("contr", "contrasts"))
        contrast = call.args[1] if len(call.args) > 1 else next(named, None)
    return Learnt({}, coding_for(kept, contrast, factor.label)), _relevel(found, kept)


def _relevel(found: Categorical, levels: tuple[Any, ...]) -> Categorical:
    return Categorical(recode(found.codes, found.levels, levels), levels)


def apply(factor: Factor, learnt: Learnt, values: ev.Values, n: int) -> np.ndarray:
    """The value of a numeric factor on new rows, shape (n, width), with the state of the fit."""
    return _numeric_value(factor, values, dict(learnt.states), n)[0]


def _numeric_value(
    factor: Factor, values: ev.Values, states: dict[str, dict[str, Any]], n: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    def stateful(call: ast.Call, inner: ev.Values) -> np.ndarray:
        return transform(call, inner, states)[0]

    with_state = replace(values, stateful=stateful)
    if factor.kind == "transform":
        assert isinstance(factor.node, ast.Call)
        return transform(factor.node, with_state, states)
    value = ev.evaluate(factor.node, with_state)
    if isinstance(value, Categorical):
        raise FormulaError(f"'{factor.label}' is not numeric.")
    array = ev.as_floats(value, factor.label)
    if array.ndim == 2 and len(array) == n:
        return array, tuple(f"[{j + 1}]" for j in range(array.shape[1]))
    if array.shape != (n,):
        raise FormulaError(
            f"'{factor.label}' gave an array of shape {array.shape}; it must give one number per row ({n})."
        )
    return array.reshape(n, 1), ("",)


def numeric_column(frame: Frame, name: str) -> np.ndarray:
    """A column that must hold numbers."""
    column = frame.column(name)
    if isinstance(column, Numeric):
        return column.values
    raise FormulaError(f"the column '{name}' holds categories; numbers are needed here.")
