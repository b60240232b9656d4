"""Wald tests of linear hypotheses, and the delta method."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.distributions import chi2_sf, f_sf
from statinf.inference.roots import matrix_root
from statinf.inference.sandwich import Covariance


@dataclass(frozen=True)
class WaldTest:
    """A joint test of `restrictions @ theta = values`.

    Attributes
    ----------
    hypothesis : str
    statistic : float
        F (Wald chi-square over its degrees of freedom), or chi-square where the reference is normal.
    df : int
        Number of restrictions.
    df_denominator : float
        Infinite for a chi-square test.
    p_value : float
    """

    hypothesis: str
    statistic: float
    df: int
    df_denominator: float
    p_value: float

    def __str__(self) -> str:
        if np.isfinite(self.df_denominator):
            return f"{self.hypothesis}: F({self.df}, {self.df_denominator:g}) = {self.statistic:.6g}, p = {self.p_value:.4g}"
        return f"{self.hypothesis}: chi2({self.df}) = {self.statistic:.6g}, p = {self.p_value:.4g}"


def wald(
    theta: np.ndarray,
    covariance: Covariance | np.ndarray,
    restrictions: np.ndarray,
    values: np.ndarray,
    df: float,
    hypothesis: str,
) -> WaldTest:
    """Test `restrictions @ theta = values`.

    Parameters
    ----------
    theta : ndarray, shape (q,)
    covariance : Covariance, or ndarray of shape (q, q)
        Of the estimates; a `Covariance` keeps more digits of differences between large coefficients.
    restrictions : ndarray, shape (m, q)
    values : ndarray, shape (m,)
    df : float
        Residual degrees of freedom; infinite for a chi-square test.

    Raises
    ------
    NotIdentifiedError
        If the restrictions repeat each other, or the covariance is singular along them.
    """
    gap = restrictions @ theta - values
    root = matrix_root(covariance) if isinstance(covariance, np.ndarray) else covariance.root
    half = restrictions @ root
    if not np.isfinite(half).all():
        raise NotIdentifiedError(f"the hypothesis '{hypothesis}' cannot be tested: the fit has no standard errors.")
    scale = 1.0 / np.maximum(np.linalg.norm(half, axis=1), np.finfo(float).tiny)
    left, singular, _ = np.linalg.svd(half * scale[:, None], full_matrices=False)
    m = len(values)
    if len(singular) < m or not singular[-1] > 1e-5:
        raise NotIdentifiedError(
            f"the hypothesis '{hypothesis}' repeats a restriction, or cannot be tested with this covariance."
        )
    chi2 = float((((gap * scale) @ left / singular) ** 2).sum())
    if np.isfinite(df):
        return WaldTest(hypothesis, chi2 / m, m, df, f_sf(chi2 / m, m, df))
    return WaldTest(hypothesis, chi2, m, np.inf, chi2_sf(chi2, m))


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
    text, slots = _replace_names(hypothesis, names)
    rows, values = [], []
    for equation in _split_equations(text):
        term = _columns_of_term(_restore(equation, slots, names), names)
        if term:
            rows += list(np.eye(len(names))[term])
            values += [0.0] * len(term)
            continue
        sides = equation.split("=")
        if len(sides) > 2:
            raise OptionError(f"'{hypothesis}': write one '=' an equation.")
        left = _linear(_parse(sides[0], hypothesis), slots, len(names), hypothesis)
        right = (
            _linear(_parse(sides[1], hypothesis), slots, len(names), hypothesis)
            if len(sides) == 2
            else np.zeros(len(names) + 1)
        )
        total = left - right
        if not total[:-1].any():
            raise OptionError(
                f"'{hypothesis}': the equation '{_restore(equation, slots, names)}' holds no coefficient."
            )
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


def _replace_names(text: str, names: Sequence[str]) -> tuple[str, dict[str, int]]:
    slots: dict[str, int] = {}
    for i in sorted(range(len(names)), key=lambda i: -len(names[i])):
        # A name may not be part of a longer identifier on either side.
        pattern = r"(?<![\w.])`?" + re.escape(names[i]) + r"`?(?![\w.\[(:])"
        text, count = re.subn(pattern, f" _{i}_ ", text)
        if count:
            slots[f"_{i}_"] = i
    return text.replace("==", "="), slots


def _columns_of_term(equation: str, names: Sequence[str]) -> list[int]:
    """The coefficients of a term of several columns, if that is what the equation is: C(g), or C(g) = 0."""
    term = _compact(re.sub(r"=\s*0(\.0*)?\s*$", "", equation))
    if not term or term in map(_compact, names):
        return []
    return [i for i, name in enumerate(names) if _compact(re.sub(r"\[[^\]]*\]", "", name)) == term]


def _compact(text: str) -> str:
    return re.sub(r"[\s`]", "", text)


def _split_equations(text: str) -> list[str]:
    """Equations between the commas that stand outside of parentheses."""
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    parts = [p.strip() for p in parts]
    if not all(parts):
        raise OptionError("a hypothesis is a list of equations such as 'x1 = x2, x3 = 0'.")
    return parts


def _restore(text: str, slots: dict[str, int], names: Sequence[str]) -> str:
    for slot, i in slots.items():
        text = text.replace(slot, names[i])
    return " ".join(text.split())


def _parse(text: str, whole: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OptionError(
            f"the hypothesis '{whole[:200]}' cannot be read; write equations such as 'x1 = x2, x3 = 0'."
        ) from None


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
    replaced, slots = _replace_names(text, names)
    pieces = _split_equations(replaced)
    labels = [re.sub(r"(?<=\() | (?=\))", "", _restore(piece, slots, names)) for piece in pieces]
    trees = {label: _parse(piece, text) for label, piece in zip(labels, pieces, strict=True)}
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
