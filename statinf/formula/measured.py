"""Options that are numbers, such as `c(1, 2)`, `quantile(x, 0:3 / 3)` or `range(x)`: measured once, at the fit."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.scan import short

_ENDLESS = ("Inf", "inf")
_QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def _quantile(x: np.ndarray, probs: Any = _QUARTILES) -> np.ndarray:
    return np.quantile(x, np.atleast_1d(probs))


MEASURES: Mapping[str, Callable[..., Any]] = {
    "quantile": _quantile,
    "median": np.median,
    "mean": np.mean,
    "sd": lambda x: np.std(x, ddof=1),
    "min": np.min,
    "max": np.max,
    "range": lambda x: np.array([np.min(x), np.max(x)]),
}
_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}


def measured_expressions(node: ast.AST) -> Iterator[ast.expr]:
    """What the measures of an option are taken of, such as `x` in `quantile(x)`.

    Raises
    ------
    FormulaError
        If the option holds anything but numbers, lists, their arithmetic, and measures of an expression.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return
    if isinstance(node, ast.Name) and node.id in _ENDLESS:
        return
    if _is_numpy_infinity(node):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MEASURES and node.args:
        yield node.args[0]
        for rest in (*node.args[1:], *(k.value for k in node.keywords if k.arg not in ("na_rm", "names", "type"))):
            yield from measured_expressions(rest)
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        yield from measured_expressions(node.operand)
        return
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield from measured_expressions(node.left)
        yield from measured_expressions(node.right)
        return
    if isinstance(node, ast.List | ast.Tuple):
        for element in node.elts:
            yield from measured_expressions(element)
        return
    raise FormulaError(
        f"{short(ast.unparse(node))} is no list of numbers; write c(1, 2), seq(0, 10, 2) or quantile(x, c(0.25, 0.75))."
    )


def _is_numpy_infinity(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "inf"
        and isinstance(node.value, ast.Name)
        and node.value.id in ("np", "numpy")
    )


def is_measured(node: ast.AST) -> bool:
    """Whether an option holds a measure of the data."""
    return any(isinstance(n, ast.Call) for n in ast.walk(node))


def numbers(node: ast.AST, value_of: Callable[[ast.expr], np.ndarray]) -> np.ndarray:
    """The numbers of an option, shape (k,) or () for a single one.

    Parameters
    ----------
    node : ast.AST
    value_of : callable
        The values of an expression on the rows to be measured; missing ones are left out.
    """
    if isinstance(node, ast.Constant):
        return np.float64(node.value)  # type: ignore[arg-type, return-value]
    if isinstance(node, ast.Name | ast.Attribute):
        return np.float64(np.inf)  # type: ignore[return-value]
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        x = value_of(node.args[0])
        x = x[~np.isnan(x)]
        if not len(x):
            raise FormulaError(f"{short(ast.unparse(node))} has no values to be taken of.")
        rest = [numbers(a, value_of) for a in node.args[1:]]
        named = {str(k.arg): numbers(k.value, value_of) for k in node.keywords if k.arg == "probs"}
        try:
            return MEASURES[node.func.id](x, *rest, **named)
        except (TypeError, ValueError) as error:
            raise FormulaError(f"{short(ast.unparse(node))} failed: {error}") from None
    if isinstance(node, ast.UnaryOp):
        inner = numbers(node.operand, value_of)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        with np.errstate(all="ignore"):
            return _ARITHMETIC[type(node.op)](numbers(node.left, value_of), numbers(node.right, value_of))
    assert isinstance(node, ast.List | ast.Tuple)
    return np.concatenate([np.atleast_1d(numbers(e, value_of)) for e in node.elts]) if node.elts else np.empty(0)
