"""Operators that Python binds otherwise than R: comparisons beside `~` and `in`, and remainders of products."""

from __future__ import annotations

import ast
import re

from statinf.errors import FormulaError
from statinf.formula.scan import short

_LOOSE = re.compile(r"[<>%]|[!=]=|\bin\b|//")
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def check_precedence(tree: ast.AST, source: str) -> None:
    """Refuse what needs parentheses to mean the same in both languages.

    In Python `~x > 0` compares `~x`, `a > 0 == b` is `a > 0 and 0 == b`, and `2 * x % 3` is `(2 * x) % 3`.

    Raises
    ------
    FormulaError
        If an operand of a comparison is a `~` without parentheses, a chain mixes kinds of comparison, or a remainder is taken
        of a product without parentheses.
    """
    if not _LOOSE.search(source):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            _check_compare(node, source)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.FloorDiv):
            product = isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Mult | ast.Div)
            if product and not _in_parentheses(node.left, source):
                raise FormulaError(
                    f"{short(source)}: R takes a remainder before a product, and Python after it; put parentheses, as in "
                    "I(x * (k %% 2))."
                )


def _check_compare(node: ast.Compare, source: str) -> None:
    for operand in (node.left, *node.comparators):
        loose = isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.BitAnd | ast.BitOr)
        loose = loose or (isinstance(operand, ast.UnaryOp) and isinstance(operand.op, ast.Invert))
        if loose and not _in_parentheses(operand, source):
            raise FormulaError(
                f"{short(source)}: put each comparison in parentheses, as in I((x > 0) & (z < 2)); without them Python "
                "takes &, | and ~ before the comparison."
            )
    if len(node.ops) > 1 and not (
        all(isinstance(op, _ORDER) for op in node.ops) or all(isinstance(op, ast.Eq) for op in node.ops)
    ):
        raise FormulaError(f"{short(source)} compares several things in a row; put each comparison in parentheses.")
    if (
        isinstance(node.ops[0], ast.In | ast.NotIn)
        and isinstance(node.left, ast.BinOp)
        and not _in_parentheses(node.left, source)
    ):
        raise FormulaError(f"{short(source)}: put what stands before 'in' in parentheses, as in I((x + 1) in [1, 2]).")


def _in_parentheses(node: ast.expr, source: str) -> bool:
    """Whether the characters around an operand of a comparison are a pair of parentheses."""
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: (node.end_lineno or node.lineno) - 1])) + (node.end_col_offset or 0)
    text = b"".join(lines)
    return text[:start].rstrip().endswith(b"(") and text[end:].lstrip().startswith(b")")
