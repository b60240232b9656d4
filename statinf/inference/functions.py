"""Functions of coefficients: read from text, and differentiated for the delta method."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.inference.naming import parse, replace_names, restore, split_equations


def coefficient_function(text: str, names: Sequence[str]) -> Callable[[Mapping[str, float]], dict[str, float]]:
    """A function of coefficients from its text, such as `x / z` or `exp(x) - 1`.

    Parameters
    ----------
    text : str
        Coefficient names, numbers, + - * / **, parentheses, and exp, log, sqrt; several separated by commas.
    names : sequence of str

    Returns
    -------
    callable
        From a mapping of names to numbers to a mapping of each text to its value.

    Raises
    ------
    OptionError
        If the text holds anything else.
    """
    replaced, slots = replace_names(text, names)
    pieces = split_equations(replaced)
    labels = [re.sub(r"(?<=\() | (?=\))", "", restore(piece, slots, names)) for piece in pieces]
    trees = {label: parse(piece, text) for label, piece in zip(labels, pieces, strict=True)}
    for tree in trees.values():
        _value(tree, slots, dict.fromkeys(range(len(names)), 1.0), text)

    def evaluate(coefficients: Mapping[str, float]) -> dict[str, float]:
        given = dict(enumerate(coefficients.values()))
        return {label: _value(tree, slots, given, text) for label, tree in trees.items()}

    return evaluate


_FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}


def _value(node: ast.AST, slots: Mapping[str, int], given: Mapping[int, float], whole: str) -> float:
    """The value of an expression in coefficients."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in slots:
        return given[slots[node.id]]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _value(node.operand, slots, given, whole)
        return -inner if isinstance(node.op, ast.USub) else inner
    with np.errstate(all="ignore"):  # the caller refuses what is not finite
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = _value(node.left, slots, given, whole), _value(node.right, slots, given, whole)
            return float(_OPERATORS[type(node.op)](left, right))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FUNCTIONS
            and len(node.args) == 1
            and not node.keywords
        ):
            return float(_FUNCTIONS[node.func.id](_value(node.args[0], slots, given, whole)))
    if isinstance(node, ast.Name):
        raise OptionError(f"'{node.id}' in '{whole[:200]}' is not a coefficient of the fit.")
    raise OptionError(
        f"'{whole[:200]}' may hold coefficients, numbers, + - * / **, exp, log and sqrt; give a function of a mapping of "
        "coefficients for anything else."
    )


def delta_jacobian(function: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Jacobian of a smooth function by five-point central differences, shape (m, q).

    The step follows each coefficient's standard error, the range over which the delta method takes the
    function as linear; the stencil's error is of the order of 1e-12 relative.

    Parameters
    ----------
    function : callable
        From shape (q,) to shape (m,).
    theta, scale : ndarray, shape (q,)
    """
    base = np.atleast_1d(function(theta))
    step = np.finfo(float).eps ** 0.2 * np.where(scale > 0, scale, np.maximum(np.abs(theta), 1.0))
    out = np.empty((len(base), len(theta)))
    for j in range(len(theta)):
        shift = np.zeros_like(theta)
        shift[j] = step[j]
        near = np.atleast_1d(function(theta + shift)) - np.atleast_1d(function(theta - shift))
        far = np.atleast_1d(function(theta + 2 * shift)) - np.atleast_1d(function(theta - 2 * shift))
        out[:, j] = (8.0 * near - far) / (12.0 * step[j])
    return out
