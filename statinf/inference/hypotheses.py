"""Wald tests of linear hypotheses, and the delta method."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.distributions import chi2_sf, f_sf


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
    theta: np.ndarray, covariance: np.ndarray, restrictions: np.ndarray, values: np.ndarray, df: float, hypothesis: str
) -> WaldTest:
    """Test `restrictions @ theta = values`.

    Parameters
    ----------
    theta : ndarray, shape (q,)
    covariance : ndarray, shape (q, q)
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
    spread = restrictions @ covariance @ restrictions.T
    scale = 1.0 / np.sqrt(np.maximum(np.diag(spread), np.finfo(float).tiny))
    scaled = spread * scale[:, None] * scale
    m = len(values)
    if np.linalg.matrix_rank(scaled, tol=1e-10) < m:
        raise NotIdentifiedError(
            f"the hypothesis '{hypothesis}' repeats a restriction, or cannot be tested with this covariance."
        )
    chi2 = float((gap * scale) @ np.linalg.solve(scaled, gap * scale))
    if np.isfinite(df):
        return WaldTest(hypothesis, chi2 / m, m, df, f_sf(chi2 / m, m, df))
    return WaldTest(hypothesis, chi2, m, np.inf, chi2_sf(chi2, m))


def linear_restrictions(hypothesis: str, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read `x1 = x2, 2 * x3 + x4 = 1` into a matrix and its right-hand sides.

    Parameters
    ----------
    hypothesis : str
        Equations separated by commas; a side without `=` is set to zero. Coefficient names are used as
        tables print them, `C(g)[T.b]` included.
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
    text, slots = _replace_names(hypothesis, names)
    rows, values = [], []
    for equation in _split_equations(text):
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


def _replace_names(text: str, names: Sequence[str]) -> tuple[str, dict[str, int]]:
    slots: dict[str, int] = {}
    for i in sorted(range(len(names)), key=lambda i: -len(names[i])):
        # A name may not be part of a longer identifier on either side.
        pattern = r"(?<![\w.])`?" + re.escape(names[i]) + r"`?(?![\w.\[(:])"
        text, count = re.subn(pattern, f" _{i}_ ", text)
        if count:
            slots[f"_{i}_"] = i
    return text.replace("==", "="), slots


def _split_equations(text: str) -> list[str]:
    parts = [p.strip() for p in text.split(",")]
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
