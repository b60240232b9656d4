"""What a factor of a formula may contain, and its value: an interpreter of an allow-list, no Python evaluation.

An expression is parsed to a syntax tree, checked node by node, and computed on float64 arrays. Numbers
are floats throughout, so nothing overflows as an integer; functions are looked up in a fixed table or in
what the caller hands over.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula.precedence import check_precedence
from statinf.formula.quiet import quiet
from statinf.formula.scan import short
from statinf.formula.spelling import ADVICE, translate, written


@dataclass(frozen=True)
class Known:
    """A function of the table with the number of arguments that it takes, by position only.

    NumPy's own functions would write into a further argument; the count keeps the caller's data safe.
    """

    call: Callable[..., Any]
    least: int = 1
    most: int = 1


def _round(x: Any, decimals: Any = 0.0) -> Any:
    return np.round(x, int(decimals))


def _log(x: Any, base: Any = None) -> Any:
    if base is None:
        return np.log(x)
    if np.ndim(base) or not (base > 0.0 and base != 1.0):
        raise ValueError("the base of a logarithm is one positive number other than 1")
    return {2.0: np.log2, 10.0: np.log10}[float(base)](x) if base in (2.0, 10.0) else np.log(x) / np.log(base)


_ONE = "log2 log10 log1p exp exp2 expm1 sqrt abs sign floor ceil sin cos tan arcsin arccos arctan sinh cosh tanh"
FUNCTIONS: Mapping[str, Known] = {
    "I": Known(lambda x: x),
    "log": Known(_log, 1, 2),
    "round": Known(_round, 1, 2),
    "minimum": Known(np.minimum, 2, 2),
    "maximum": Known(np.maximum, 2, 2),
    "where": Known(np.where, 3, 3),
    **{name: Known(getattr(np, name)) for name in _ONE.split()},
}
STATEFUL = ("poly", "bs", "cr", "cs", "cc", "scale", "center", "standardize")
SMOOTH = "s"
"""Penalised splines, where a method takes them."""
CATEGORICAL = "C"
OFFSET = "offset"
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.BitAnd, ast.BitOr)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_MAX_NODES = 2_000
_MAX_NESTING = 80
_MAX_SOURCE = 20_000


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


def read(source: str, scope: Scope) -> ast.expr:
    """Parse one factor and check every node against the allow-list.

    Raises
    ------
    FormulaError
        If the text is no expression or holds anything that is not allowed.
    """
    source = source.strip()
    if len(source) > _MAX_SOURCE:
        raise FormulaError(f"the term {short(source, 60)} is too long; compute it in the data first.")
    try:
        with quiet(source):
            tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if keyword.iskeyword(source):
            hint = f"'{source}' is a word of Python; if it is a column of the data, put it in `backticks`."
            raise FormulaError(hint) from None
        raise FormulaError(f"{short(source)} cannot be read as a term of a formula.") from None
    _check_size(tree, source)
    check_precedence(tree, source)
    tree = translate(tree, source, scope.columns, scope.context)
    _check(tree, scope, source)
    return tree


def _check_size(tree: ast.AST, source: str) -> None:
    level, count, depth = [tree], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > _MAX_NODES or depth > _MAX_NESTING:
            raise FormulaError(f"the term {short(source, 60)} is too long or too deep; compute it in the data first.")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def label(node: ast.AST, scope: Scope) -> str:
    """The text of a node as tables show it."""
    text = ast.unparse(node)
    for placeholder, name in scope.quoted.items():
        text = text.replace(placeholder, name)
    return text


def columns_of(node: ast.AST, scope: Scope) -> tuple[str, ...]:
    """Names of the columns that an expression uses, in order of appearance."""
    nodes = list(_data_nodes(node))
    called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
    found = [column_name(n, scope) for n in nodes if id(n) not in called]
    return tuple(dict.fromkeys(c for c in found if c is not None))


def _data_nodes(node: ast.AST) -> Iterator[ast.AST]:
    # The contrast and levels of C() are no data, whatever the data's columns are called.
    yield node
    categorical = isinstance(node, ast.Call) and call_name(node) == CATEGORICAL
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


def _check(node: ast.AST, scope: Scope, source: str) -> None:
    if isinstance(node, ast.Constant):
        _check_constant(node.value, source)
        return
    if isinstance(node, ast.Name):
        _check_name(node.id, scope)
        return
    if isinstance(node, ast.Call):
        _check_call(node, scope, source)
        return
    allowed = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.List, ast.Tuple, ast.Dict)
    operators = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context)
    if isinstance(node, ast.BinOp) and not isinstance(node.op, OPERATORS):
        raise FormulaError(f"the operator in '{ast.unparse(node)}' is not allowed in a formula.")
    if isinstance(node, ast.Compare) and not all(isinstance(o, COMPARISONS) for o in node.ops):
        raise FormulaError(f"the comparison '{ast.unparse(node)}' is not allowed in a formula.")
    if not isinstance(node, (*allowed, *operators)):
        raise FormulaError(
            f"{short(source)} is not allowed in a formula ({type(node).__name__}); formulas hold columns, arithmetic, "
            f"and the functions {', '.join(sorted((*FUNCTIONS, *STATEFUL, CATEGORICAL)))}. Hand others over in context={{'f': f}}."
        )
    for child in ast.iter_child_nodes(node):
        _check(child, scope, source)


def _check_constant(value: Any, source: str) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if not isinstance(value, int | float):
        raise FormulaError(f"the constant {value!r} in {short(source)} is not allowed in a formula.")
    try:
        finite = bool(np.isfinite(float(value)))
    except OverflowError:
        finite = False
    if not finite:
        raise FormulaError(f"{short(source)} holds a number that float64 cannot hold.")


def _check_name(name: str, scope: Scope) -> None:
    resolved = scope.resolve(name)
    if resolved in scope.columns:
        return
    if name in scope.context:
        _check_context(name, scope.context[name])
        return
    if name.startswith("_"):
        raise FormulaError(f"the name '{name[:60]}' is not a column of the data and may not be used in a formula.")
    if any(str(c) == resolved for c in scope.columns if not isinstance(c, str)):
        raise FormulaError(
            f"the column named {resolved} is not a string: rename it, for example with data.columns.astype(str)."
        )
    close = get_close_matches(resolved[:60], [c for c in scope.columns if isinstance(c, str)], n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    raise FormulaError(f"{short(resolved, 60)} is not a column of the data.{hint}")


def _check_context(name: str, value: Any) -> None:
    if callable(value):
        raise FormulaError(f"'{name}' is a function from context=; call it on columns: {name}(x).")
    if not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
        raise FormulaError(
            f"'{name}' in context= is a {type(value).__name__}; formulas take functions and finite numbers."
        )


def _check_call(node: ast.Call, scope: Scope, source: str) -> None:
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        raise FormulaError(f"{short(source)}: * and ** arguments are not allowed in a formula.")
    name = call_name(node)
    known = (*STATEFUL, *((SMOOTH,) if scope.smooth else ()), CATEGORICAL, OFFSET, "Q")
    if name is None or not (name in known or scope.function(name) is not None):
        what = (name or ast.unparse(node.func))[:60]
        if what in ADVICE:
            raise FormulaError(f"'{written(what)}' is not a function that a formula may call; {ADVICE[what]}.")
        given = (k for k, v in scope.context.items() if callable(v))
        names = sorted((*FUNCTIONS, *known[:-1], *given))
        raise FormulaError(
            f"'{written(what)}' is not a function that a formula may call. Known: {', '.join(names)}. "
            "Hand your own over by name in context={'f': f}."
        )
    if name == "Q":
        if len(node.args) != 1 or node.keywords or not _is_text(node.args[0]):
            raise FormulaError('Q() takes one column name in quotes: Q("my column").')
        _check_name(str(column_name(node, scope)), scope)
        return
    if name in FUNCTIONS and not callable(scope.context.get(name)):
        _check_arguments(node, name, FUNCTIONS[name])
    for argument in (*node.args, *(k.value for k in node.keywords)):
        if name == CATEGORICAL and is_contrast(argument):
            continue
        _check(argument, scope, source)


def _check_arguments(node: ast.Call, name: str, known: Known) -> None:
    if node.keywords or not known.least <= len(node.args) <= known.most:
        count = str(known.least) if known.least == known.most else f"{known.least} or {known.most}"
        raise FormulaError(f"{short(ast.unparse(node))}: {name}() takes {count} argument(s), without names.")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


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
