"""Linear restrictions of coefficients, from equations or from a matrix."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.inference.naming import compact, factors_of, parse, replace_names, restore, spelled, split_equations


def restrictions(
    hypothesis: Any, values: Any, names: Sequence[str], null: Any = None
) -> tuple[np.ndarray, np.ndarray, str]:
    """A hypothesis as a matrix, shape (m, q), its right-hand sides, shape (m,), and as text.

    Parameters
    ----------
    hypothesis : str, sequence of str, or array of shape (m, q)
    values : array, shape (m,), or None
        Right-hand sides of a matrix; zeros by default.
    names : sequence of str, length q
    null : float, or array of shape (m,), optional
        Right-hand sides of expressions without `=`, such as "x1 - x2".

    Raises
    ------
    OptionError
        If it cannot be read or has not q columns.
    """
    listed = isinstance(hypothesis, list | tuple) and all(isinstance(h, str) for h in hypothesis)
    if isinstance(hypothesis, str) or listed:
        if values is not None:
            raise OptionError("values= goes with a matrix; write the right-hand sides into the equations.")
        matrix, right = linear_restrictions(hypothesis, names)
        text = hypothesis if isinstance(hypothesis, str) else ", ".join(hypothesis)
        if null is None:
            return matrix, right, text
        if "=" in replace_names(text, names)[0]:
            raise OptionError(f"null={null!r} goes with expressions without '=', and '{text}' says its own value.")
        moved = _null_values(null, len(right))
        shown = moved[:1] if (moved == moved[0]).all() else moved
        return matrix, right + moved, f"{text} = {', '.join(f'{v:g}' for v in shown)}"
    if null is not None and values is not None:
        raise OptionError("values= and null= are the same for a matrix; give one of the two.")
    values = null if values is None else values
    matrix, right = restriction_matrix(hypothesis, values)
    if matrix.shape[1] != len(names):
        raise OptionError(f"the hypothesis has {matrix.shape[1]} columns, the fit {len(names)} coefficients.")
    return matrix, right, f"{len(matrix)} linear restrictions"


def _null_values(null: Any, count: int) -> np.ndarray:
    try:
        made = np.atleast_1d(np.asarray(null, dtype=np.float64))
    except (TypeError, ValueError):
        made = np.array([np.nan])
    if made.shape not in ((1,), (count,)) or not np.isfinite(made).all():
        raise OptionError(f"null={null!r} takes one finite number, or one for each of {count} restrictions.")
    return np.broadcast_to(made, (count,)).copy()


def linear_restrictions(hypothesis: str | Sequence[str], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read `x1 = x2, 2 * x3 + x4 = 1` into a matrix and its right-hand sides.

    Parameters
    ----------
    hypothesis : str or sequence of str
        Equations, separated by commas or as a list; a side without `=` is set to zero. Coefficient names are
        used as tables print them, `C(g)[T.b]` included. A term of several columns, such as `C(g)`, stands for
        all of its coefficients, each set to zero.
    names : sequence of str

    Returns
    -------
    restrictions : ndarray, shape (m, q)
    values : ndarray, shape (m,)

    Raises
    ------
    OptionError
        If a name is not a coefficient or an equation is not linear.
    """
    if not isinstance(hypothesis, str):
        read = [linear_restrictions(one, names) for one in hypothesis]
        if not read:
            raise OptionError("the list of hypotheses is empty; give equations such as 'x1 = x2'.")
        return np.concatenate([r[0] for r in read]), np.concatenate([r[1] for r in read])
    text, slots = replace_names(hypothesis, names)
    rows, values = [], []
    for equation in split_equations(text):
        term = columns_of_term(restore(equation, slots, names), names)
        if term:
            rows += list(np.eye(len(names))[term])
            values += [0.0] * len(term)
            continue
        sides = equation.split("=")
        if len(sides) > 2:
            raise OptionError(f"'{hypothesis}': write one '=' an equation.")
        left = _linear(parse(sides[0], hypothesis), slots, len(names), hypothesis)
        right = (
            _linear(parse(sides[1], hypothesis), slots, len(names), hypothesis)
            if len(sides) == 2
            else np.zeros(len(names) + 1)
        )
        total = left - right
        if not total[:-1].any():
            raise OptionError(f"'{hypothesis}': the equation '{restore(equation, slots, names)}' holds no coefficient.")
        rows.append(total[:-1])
        values.append(-total[-1])
    return np.array(rows), np.array(values)


def restriction_matrix(matrix: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """A matrix of restrictions, shape (m, q), and its right-hand sides, shape (m,), checked."""
    try:
        left = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
        right = np.zeros(len(left)) if values is None else np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(
            "a hypothesis is text such as 'x1 = x2, x3 = 0', a list of such equations, or a matrix of numbers."
        ) from None
    if left.ndim != 2 or right.shape != (len(left),) or not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise OptionError(
            f"a matrix of restrictions has one row per restriction and finite numbers; it has shape {left.shape}, its "
            f"values {right.shape}."
        )
    return left, right


def columns_of_term(equation: str, names: Sequence[str]) -> list[int]:
    """The coefficients of a term of several columns, if that is what the equation is: C(g), or C(g) = 0."""
    term = compact(spelled(re.sub(r"=\s*0(\.0*)?\s*$", "", equation)))
    if not term or term in map(compact, names):
        return []
    return [i for i, name in enumerate(names) if factors_of(name) == term]


def _linear(node: ast.AST, slots: dict[str, int], q: int, whole: str) -> np.ndarray:
    """Coefficients and constant of a linear expression, shape (q + 1,)."""
    out = np.zeros(q + 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        out[-1] = float(node.value)
        return out
    if isinstance(node, ast.Name) and node.id in slots:
        out[slots[node.id]] = 1.0
        return out
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _linear(node.operand, slots, q, whole)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _linear(node.left, slots, q, whole), _linear(node.right, slots, q, whole)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult) and not (left[:-1].any() and right[:-1].any()):
            return left * right[-1] if left[:-1].any() else right * left[-1]
        if isinstance(node.op, ast.Div) and not right[:-1].any() and right[-1] != 0:
            return left / right[-1]
        raise OptionError(f"the hypothesis '{whole}' is not linear in the coefficients; use fit.transform for others.")
    if isinstance(node, ast.Name):
        raise OptionError(f"'{node.id}' in the hypothesis '{whole}' is not a coefficient of the fit.")
    raise OptionError(f"the hypothesis '{whole[:200]}' may hold coefficients, numbers, + - * / and =.")
