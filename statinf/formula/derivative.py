"""Derivatives of a formula's expressions in a column of the data, by the chain rule on their syntax trees.

Arithmetic and the known functions are differentiated exactly. Stateful transforms (splines, polynomials, scales) keep what
they learnt at the fit; see `statinf.formula.basis_slopes`. A function of the caller's is differentiated by five-point
differences at two steps, and a warning says so where the two do not agree.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import FormulaError, NumericalWarning, issue_warning
from statinf.formula import evaluate as ev
from statinf.formula.basis_slopes import basis_slopes, product_slopes
from statinf.formula.expression import call_name, column_name, label
from statinf.formula.functions import FUNCTIONS
from statinf.formula.options import variables_of

_STEP = 1e-3
_AGREE = 1e-6

_SLOPES: Mapping[str, Callable[[Any], Any]] = {
    "log2": lambda x: 1.0 / (x * np.log(2.0)),
    "log10": lambda x: 1.0 / (x * np.log(10.0)),
    "log1p": lambda x: 1.0 / (1.0 + x),
    "exp": np.exp,
    "exp2": lambda x: np.exp2(x) * np.log(2.0),
    "expm1": np.exp,
    "sqrt": lambda x: 0.5 / np.sqrt(x),
    "abs": np.sign,
    "sin": np.cos,
    "cos": lambda x: -np.sin(x),
    "tan": lambda x: 1.0 / np.cos(x) ** 2,
    "arcsin": lambda x: 1.0 / np.sqrt(1.0 - x * x),
    "arccos": lambda x: -1.0 / np.sqrt(1.0 - x * x),
    "arctan": lambda x: 1.0 / (1.0 + x * x),
    "sinh": np.cosh,
    "cosh": np.sinh,
    "tanh": lambda x: 1.0 / np.cosh(x) ** 2,
    "asinh": lambda x: 1.0 / np.sqrt(1.0 + x * x),
    "acosh": lambda x: 1.0 / np.sqrt(x * x - 1.0),
    "atanh": lambda x: 1.0 / (1.0 - x * x),
    "sinpi": lambda x: np.pi * FUNCTIONS["cospi"].call(x),
    "cospi": lambda x: -np.pi * FUNCTIONS["sinpi"].call(x),
    "plogis": lambda x: FUNCTIONS["plogis"].call(x) * FUNCTIONS["plogis"].call(-x),
    "qlogis": lambda x: 1.0 / (x * (1.0 - x)),
    "dnorm": lambda x: -x * FUNCTIONS["dnorm"].call(x),
    "pnorm": FUNCTIONS["dnorm"].call,
    "qnorm": lambda x: 1.0 / FUNCTIONS["dnorm"].call(FUNCTIONS["qnorm"].call(x)),
    "gamma": lambda x: FUNCTIONS["gamma"].call(x) * FUNCTIONS["digamma"].call(x),
    "factorial": lambda x: FUNCTIONS["factorial"].call(x) * FUNCTIONS["digamma"].call(x + 1.0),
    "lgamma": FUNCTIONS["digamma"].call,
    "I": lambda x: 1.0,
}
_SAME = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_FLAT = ("sign", "floor", "ceil", "ceiling", "trunc", "round", "signif", "cut", "findInterval", "is_na")

Slope = Any
"""A derivative on rows: an array (n,) or (n, width), a number that is the same on all rows, or None for zero."""


@dataclass(frozen=True)
class SlopeIn:
    """What is differentiated in.

    Attributes
    ----------
    name : str
        The column.
    values : Values
        How expressions find their columns on the rows.
    states : mapping of str to mapping
        What stateful calls learnt at the fit, by their text.
    """

    name: str
    values: ev.Values
    states: Mapping[str, dict[str, Any]]

    def value(self, node: ast.AST) -> Any:
        """The value of an expression without stateful calls above it, as floats."""
        found = ev.evaluate(node, self.values)
        return found.astype(np.float64) if isinstance(found, np.ndarray) and found.dtype == bool else found

    def slope(self, node: ast.AST) -> Slope:
        """The derivative of an expression."""
        with np.errstate(all="ignore"):
            return _slope(node, self)


def _slope(node: ast.AST, at: SlopeIn) -> Slope:
    name = column_name(node, at.values.scope)
    if name is not None:
        return 1.0 if name == at.name else None
    if isinstance(node, ast.BinOp):
        return _operation(node, at)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _slope(node.operand, at)
        return -inner if inner is not None and isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call):
        return _call(node, at)
    return None  # constants, names from context, comparisons: steps have no slope where they have one at all


def _operation(node: ast.BinOp, at: SlopeIn) -> Slope:
    left, right = _slope(node.left, at), _slope(node.right, at)
    if left is None and right is None:
        return None
    if isinstance(node.op, ast.Add):
        return _sum(left, right)
    if isinstance(node.op, ast.Sub):
        return _sum(left, None if right is None else -right)
    if not isinstance(node.op, ast.Mult | ast.Div | ast.Pow | ast.Mod):
        return None
    a, b = at.value(node.left), at.value(node.right)
    if isinstance(node.op, ast.Mult):
        return _sum(None if left is None else left * b, None if right is None else a * right)
    if isinstance(node.op, ast.Div):
        return _sum(None if left is None else left / b, None if right is None else -a * right / (b * b))
    if isinstance(node.op, ast.Mod):
        return _sum(left, None if right is None else -np.floor(a / b) * right)
    base = None if left is None else np.where(b == 0.0, 0.0, b * np.power(a, b - 1.0)) * left
    base = base[()] if isinstance(base, np.ndarray) and base.ndim == 0 else base
    return _sum(base, None if right is None else np.power(a, b) * np.log(a) * right)


def _sum(left: Slope, right: Slope) -> Slope:
    if left is None or right is None:
        return right if left is None else left
    return left + right


def _call(node: ast.Call, at: SlopeIn) -> Slope:
    name, scope = str(call_name(node)), at.values.scope
    if scope.is_stateful(name):
        variables = variables_of(node)
        if len(variables) > 1:
            inner = [_slope(v, at) for v in variables]
            values = [at.value(v) for v in variables]
            return product_slopes(node, values, inner, at.states.get(ast.unparse(node), {}))
        inner = _slope(node.args[0], at)
        if inner is None:
            return None
        made = basis_slopes(node, at.value(node.args[0]), at.states.get(ast.unparse(node), {}))
        inner = inner[:, None] if np.ndim(inner) == 1 else inner
        made = made * inner
        return made if np.ndim(made) != 2 or made.shape[1] > 1 else made[:, 0]
    arguments = [_slope(a, at) for a in node.args]
    if all(a is None for a in arguments):
        return None
    if not callable(scope.context.get(name)):
        if name in _FLAT:
            return None
        name = _SAME.get(name, name)
        if name in _SLOPES:
            inner = arguments[0]
            return inner if name == "I" else _SLOPES[name](at.value(node.args[0])) * inner
        known = _several(name, node, arguments, at)
        if known is not None:
            return known
    return _differences(node, at)


def _several(name: str, node: ast.Call, slopes: list[Slope], at: SlopeIn) -> Slope:
    """Functions of more than one argument."""
    zero = [0.0 if s is None else s for s in slopes]
    if name == "log":
        inner = zero[0] / at.value(node.args[0])
        return inner if len(node.args) == 1 else inner / np.log(at.value(node.args[1]))
    if name == "atan2":
        y, x = (at.value(a) for a in node.args)
        return (x * zero[0] - y * zero[1]) / (x * x + y * y)
    if name in ("minimum", "maximum"):
        left, right = (at.value(a) for a in node.args)
        first = left <= right if name == "minimum" else left >= right
        return np.where(first, zero[0], zero[1])
    if name == "where":
        return np.where(np.asarray(at.value(node.args[0])) != 0, zero[1], zero[2])
    return None


def _differences(node: ast.Call, at: SlopeIn) -> np.ndarray:
    """The derivative of a function that is known by its values only."""
    from dataclasses import replace

    column = at.values.column(at.name)
    x = np.asarray(getattr(column, "values", np.empty(0)), dtype=np.float64)
    scale = float(np.ptp(x)) if len(x) and np.ptp(x) > 0 else max(1.0, float(np.abs(x).max(initial=0.0)))

    def moved(step: float) -> np.ndarray:
        def shifted(name: str) -> Any:
            found = at.values.column(name)
            return type(found)(found.values + step) if name == at.name else found  # type: ignore[union-attr, call-arg]

        return ev.as_floats(ev.evaluate(node, replace(at.values, column=shifted)), ast.unparse(node))

    def stencil(step: float) -> np.ndarray:
        near, far = moved(step) - moved(-step), moved(2 * step) - moved(-2 * step)
        return (8.0 * near - far) / (12.0 * step)

    wide, narrow = stencil(_STEP * scale), stencil(0.25 * _STEP * scale)
    size = float(np.nanmax(np.abs(narrow), initial=0.0))
    text = label(node, at.values.scope)
    if not np.isfinite(narrow).any():
        raise FormulaError(f"'{text}' has no derivative in '{at.name}' that can be computed by differences.")
    gap = float(np.nanmax(np.abs(wide - narrow), initial=0.0))
    if gap > _AGREE * size:
        issue_warning(
            f"the derivative of '{text}' in '{at.name}' is computed by differences, which agree to {gap / size:.1g} of its "
            "largest value only; give comparisons() with a step of your own for numbers that need no derivative.",
            NumericalWarning,
        )
    return narrow
