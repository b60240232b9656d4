"""Comparisons and logic on columns with missing values, as R has them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.columns import Categorical

_COMPARE: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def both(left: Any, right: Any) -> Any:
    """`left & right`: false where one is false, else missing where one is missing."""
    true = np.logical_and(left, right).astype(np.float64)
    return np.where((left != 0.0) & (right != 0.0) & (np.isnan(left) | np.isnan(right)), np.nan, true)


def either(left: Any, right: Any) -> Any:
    """`left | right`: true where one is true, else missing where one is missing."""
    true = (_true(left) | _true(right)).astype(np.float64)
    return np.where((true == 0.0) & (np.isnan(left) | np.isnan(right)), np.nan, true)


def negated(value: Any) -> Any:
    """`!value`: missing where it is missing."""
    return np.where(np.isnan(value), np.nan, np.logical_not(value))


def _true(value: Any) -> Any:
    return (value != 0.0) & ~np.isnan(value)


def choose(test: Any, yes: Any, no: Any) -> Any:
    """`yes` where a test holds, `no` where it does not, missing where the test is missing."""
    return np.where(np.isnan(test), np.nan, np.where(test, yes, no))


def choose_level(test: Any, yes: Any, no: Any) -> Categorical:
    """A choice between texts, or categories: levels in the order of the alphabet."""
    pieces = [v if isinstance(v, Categorical) else Categorical(np.zeros(1, np.int32), (v,)) for v in (yes, no)]
    levels = tuple(sorted({str(level) for piece in pieces for level in piece.levels}))
    place = {level: i for i, level in enumerate(levels)}
    tables = [np.array([*(place[str(level)] for level in piece.levels), -1], np.int32) for piece in pieces]
    codes = [table[piece.codes] for table, piece in zip(tables, pieces, strict=True)]
    picked = np.where(np.nan_to_num(test) != 0.0, *codes)
    return Categorical(np.where(np.isnan(test), -1, picked).astype(np.int32), levels)


def compare(node: ast.Compare, operands: list[Any], new: bool) -> Any:
    """The value of a comparison, possibly a chain, of computed operands.

    As in R a comparison with a missing value is missing, and a missing value is in no list.

    Parameters
    ----------
    node : ast.Compare
    operands : list
        Values of what stands between its operators.
    new : bool
        Rows that are not those of the fit need not hold every level that is compared with.
    """
    out: Any = True
    for op, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True):
        out = np.logical_and(out, _compare_two(type(op), left, right, node, new))
    out = np.asarray(out, dtype=np.float64)
    if isinstance(node.ops[0], ast.In | ast.NotIn):
        return out
    for operand in operands:
        if isinstance(operand, Categorical):
            out = np.where(operand.codes < 0, np.nan, out)
        elif isinstance(operand, np.ndarray) and operand.dtype.kind == "f":
            out = np.where(np.isnan(operand), np.nan, out)
    return out


def _compare_two(op: type, left: Any, right: Any, node: ast.AST, new: bool) -> Any:
    if isinstance(right, Categorical) and not isinstance(left, Categorical):
        left, right, op = right, left, _TURNED.get(op, op)
    if isinstance(left, Categorical):
        return _compare_levels(op, left, right, node, new)
    if new and isinstance(left, np.ndarray) and np.isnan(left).all():
        return np.zeros(left.shape)
    if op in (ast.In, ast.NotIn):
        wanted = right if isinstance(right, list) else [right]
        if not wanted or not all(isinstance(v, np.floating) for v in wanted):
            raise FormulaError(f"'{ast.unparse(node)}': give a list of numbers after 'in'.")
        inside = np.isin(left, np.asarray(wanted, dtype=np.float64))
        return inside if op is ast.In else ~inside
    if any(isinstance(v, str | list | Categorical) or v is None for v in (left, right)):
        raise FormulaError(f"'{ast.unparse(node)}' compares numbers with something else.")
    return _COMPARE[op](left, right)


_TURNED: Mapping[type, type] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def _compare_levels(op: type, left: Categorical, right: Any, node: ast.AST, new: bool) -> Any:
    ordering = op not in (ast.In, ast.NotIn, ast.Eq, ast.NotEq)
    if op in (ast.In, ast.NotIn) and isinstance(right, list):
        wanted = right
    elif isinstance(right, str | float) and (left.ordered or not ordering):
        wanted = [right]
    else:
        raise FormulaError(
            f"'{ast.unparse(node)}': categories can be compared with a level by ==, != or in, and ordered ones by < and >."
        )
    unknown = [w for w in wanted if not isinstance(w, str | float) or w not in left.levels]
    if unknown and not new:
        raise FormulaError(
            f"'{ast.unparse(node)}': {unknown[0]!r} is not a level; the levels are {list(left.levels)[:12]}."
        )
    places = [left.levels.index(w) for w in wanted if w not in unknown]
    if ordering:
        if not places:
            raise FormulaError(f"'{ast.unparse(node)}': the new rows do not declare the level {wanted[0]!r}.")
        return _COMPARE[op](left.codes, places[0])
    inside = np.isin(left.codes, places)
    return inside if op in (ast.In, ast.Eq) else ~inside
