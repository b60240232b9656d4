"""What the names and calls of an expression mean: columns, functions of the table, functions that the caller hands over."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from statinf.formula.functions import FUNCTIONS

STATEFUL = ("poly", "bs", "ns", "cr", "cs", "cc", "scale", "center", "standardize")
SMOOTH = "s"
"""Penalised splines, where a method takes them."""
CATEGORICAL = "C"
INDICATORS = "i"
"""Dummies of a column less its references, whatever else the model spans, as in fixest."""
GROUPING = ("cut", "interaction")
"""Functions whose values are categories."""
CONSTANTS = {"pi": math.pi, "NA": math.nan}
OFFSET = "offset"
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.BitAnd, ast.BitOr)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)


@dataclass(frozen=True)
class Scope:
    """What names mean in a formula.

    Attributes
    ----------
    columns : tuple of str
        Names of the data's columns; they come before functions of the same name.
    quoted : mapping
        Placeholders of names in backticks.
    context : mapping
        Functions and numbers that the caller hands over.
    smooth : bool
        Whether penalised splines are known.
    """

    columns: frozenset[str]
    quoted: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    smooth: bool = False

    def resolve(self, name: str) -> str:
        return self.quoted.get(name, name)

    def function(self, name: str) -> Callable[..., Any] | None:
        """The function of that name, the caller's before the table's."""
        given = self.context.get(name)
        if callable(given):
            return given
        return FUNCTIONS[name].call if name in FUNCTIONS else None

    def is_stateful(self, name: str | None) -> bool:
        """Whether a call of that name learns from the rows of the fit; the caller's own function comes first."""
        known = name in STATEFUL or (self.smooth and name == SMOOTH)
        return known and self.function(str(name)) is None

    def is_categorical(self, node: ast.AST) -> bool:
        """Whether a node is a call of `C()`, or of `i()` where no function of the caller's has that name."""
        name = call_name(node)
        return name == CATEGORICAL or (name == INDICATORS and self.function(INDICATORS) is None)

    def is_grouping(self, node: ast.AST) -> bool:
        """Whether a node calls a function whose values are categories."""
        name = call_name(node)
        return name in GROUPING and self.function(str(name)) is None

    def constant(self, name: str) -> float | None:
        """The constant of that name, where no column is called so."""
        return None if self.resolve(name) in self.columns or name in self.context else CONSTANTS.get(name)

    def admits_missing(self, node: ast.AST) -> bool:
        """Whether an expression may have a value where a column that it uses has none, as `is.na(x)` has."""
        return not isinstance(node, ast.Name) and any(
            isinstance(n, ast.BoolOp | ast.BitAnd | ast.BitOr)
            or (isinstance(n, ast.Compare) and isinstance(n.ops[0], ast.In | ast.NotIn))
            or call_name(n) in ("where", "is_na")
            for n in ast.walk(node)
        )


def label(node: ast.AST, scope: Scope) -> str:
    """The text of a node as tables show it."""
    text = ast.unparse(node)
    for placeholder, name in scope.quoted.items():
        text = text.replace(placeholder, name)
    return text


def columns_of(node: ast.AST, scope: Scope) -> tuple[str, ...]:
    """Names of the columns that an expression uses, in order of appearance."""
    if isinstance(node, ast.Name):  # as most are
        name = column_name(node, scope)
        return () if name is None else (name,)
    nodes = list(_data_nodes(node))
    called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
    found = [column_name(n, scope) for n in nodes if id(n) not in called]
    return tuple(dict.fromkeys(c for c in found if c is not None))


def _data_nodes(node: ast.AST) -> Iterator[ast.AST]:
    # The contrast and levels of C() are no data, whatever the data's columns are called.
    yield node
    categorical = isinstance(node, ast.Call) and call_name(node) in (CATEGORICAL, INDICATORS)
    children = node.args[:1] if categorical and isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for child in children:
        yield from _data_nodes(child)


def column_name(node: ast.AST, scope: Scope) -> str | None:
    """The column that a name or `Q("...")` means; None for anything else."""
    if isinstance(node, ast.Name):
        name = scope.resolve(node.id)
        return name if name in scope.columns else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Q":
        argument = node.args[0]
        return str(argument.value) if isinstance(argument, ast.Constant) else None
    return None


def call_name(node: ast.AST) -> str | None:
    """The name that a call calls, `np.log` read as `log`; None for anything but a plain name."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        owner, attribute = node.func.value.id, node.func.attr
        if owner in ("np", "numpy") and attribute in FUNCTIONS and attribute != "I":
            return attribute
    return None


def is_contrast(node: ast.AST) -> bool:
    """Whether an argument of `C()` names a coding, such as `contr.sum` or `Treatment("b")`."""
    if isinstance(node, ast.Call):
        literal = all(_is_literal(a) for a in (*node.args, *(k.value for k in node.keywords)))
        return literal and is_contrast(node.func)
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "contr" and not node.attr.startswith("_")
    return isinstance(node, ast.Name) and node.id in ("Treatment", "Sum", "Helmert", "Poly", "Diff")


def _is_literal(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
