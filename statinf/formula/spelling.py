"""Spellings of R and other packages: what is plain is translated, and for the rest the spelling that works is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Mapping
from typing import Any

from statinf.errors import FormulaError
from statinf.formula.scan import CLOSERS, outside, short

_QUOTED = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""")
_DOTTED = re.compile(r"\b(as|is)\.(\w+)(?=\s*\()")
_BARRED = re.compile(r"\(\s*[^()|]*\|\s*[^()|]+\)")
_DOUBLE = re.compile(r"\|\s*\|")
_COMPARED = re.compile(r"[<>=]")
_ADVICE_ON_TEXT = (
    (re.compile(r"\$"), "'$'", "name the column alone, without the data frame before it: y ~ x"),
    (re.compile(r"&&"), "'&&'", "write & inside I( ), each comparison in parentheses: I((x > 0) & (z < 1))"),
    (re.compile(r"%%"), "'%%'", "write % inside I( ), such as I(x % 2)"),
    (re.compile(r"%/%"), "'%/%'", "write // inside I( ), such as I(x // 2)"),
    (re.compile(r"!(?!=)"), "'!'", "write not, such as I(not x > 0), or compare: I(x == 0)"),
)


def advise(text: str) -> None:
    """Refuse operators that only other languages have, with the spelling that works.

    Raises
    ------
    FormulaError
        If the text holds one outside quotes.
    """
    if not any(c in text for c in "$&%!<>=|"):
        return
    plain = "".join(_QUOTED.split(text)[::2])
    for pattern, name, advice in _ADVICE_ON_TEXT:
        if pattern.search(plain):
            raise FormulaError(f"{name} in {short(text)} is no operator of a formula; {advice}.")
    outer = _without_calls(plain)
    if _DOUBLE.search(plain):
        raise FormulaError(
            f"{short(text)} has '||'; write | inside I( ), each comparison in parentheses, as in I((x > 0) | (z < 1)), or one "
            "'|' between two parts."
        )
    bars = _BARRED.search(outer)
    if bars:
        raise FormulaError(
            f"{short(bars.group())}: random effects are not fitted; write C(g) for one coefficient per level of g, and give "
            "cluster='g' for standard errors that allow for groups."
        )
    if "~" in outer and _COMPARED.search(outer):
        raise FormulaError(f"{short(text)} compares outside a function; write a comparison as I(x > 0) or I(g == 'a').")


def _without_calls(text: str) -> str:
    """The text without what stands in the brackets of calls and in braces."""
    if "(" not in text and "{" not in text:
        return text
    kept, calls, before = [], [False], ""
    for char in text:
        if char in CLOSERS:
            calls.append(calls[-1] or char == "{" or (char == "(" and (before.isalnum() or before in "_.")))
        if not calls[-1]:
            kept.append(char)
        if char in ")]}" and len(calls) > 1:
            calls.pop()
        before = char if not char.isspace() else before
    return "".join(kept)


def in_python(text: str) -> str:
    """The text with R's power, `%in%` and dotted functions inside calls as Python writes them."""
    if not ("^" in text or "%in%" in text or _DOTTED.search(text)):
        return text
    cuts, calls, before, start = [], [False], "", 0
    for i, char in outside(text):
        if char in CLOSERS:
            calls.append(calls[-1] or char == "{" or (char == "(" and (before.isalnum() or before == "_")))
        elif char in ")]}" and len(calls) > 1:
            calls.pop()
        elif char == "^" and calls[-1]:
            cuts += [text[start:i], "**"]
            start = i + 1
        elif char == "%" and calls[-1] and text.startswith("%in%", i):
            cuts += [text[start:i], " in "]
            start = i + 4
        before = char if not char.isspace() else before
    pieces = _QUOTED.split("".join([*cuts, text[start:]]))
    pieces[::2] = [_DOTTED.sub(r"\1_\2", piece) for piece in pieces[::2]]
    return "".join(pieces)


_FOREIGN = re.compile(r"\b(?:TRUE|FALSE|factor|ordered|relevel|ifelse|pmin|pmax|c|base|as_\w+)\b")


def translate(tree: ast.expr, source: str, columns: Container[str], context: Container[str]) -> ast.expr:
    """The tree with the functions and constants of R that have a plain counterpart in its place.

    Parameters
    ----------
    tree : ast.expr
    source : str
        What it was read from.
    columns, context : containers of str
        Names of the data and of the caller, which keep their meaning.
    """
    if not _FOREIGN.search(source):
        return tree
    return _Translation(source, columns, context).visit(tree)


class _Translation(ast.NodeTransformer):
    def __init__(self, source: str, columns: Container[str], context: Container[str]) -> None:
        self._source = source
        self._columns = columns
        self._context = context

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in ("TRUE", "FALSE") and node.id not in self._columns and node.id not in self._context:
            return ast.copy_location(ast.Constant(node.id == "TRUE"), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        rule = None if name in self._context else _RULES.get(name)
        if rule is None:
            return node
        try:
            return ast.fix_missing_locations(ast.copy_location(rule(node.args, _named(node)), node))
        except (ValueError, TypeError):
            raise FormulaError(f"{short(self._source)}: {_USAGE[name]}.") from None


def _named(node: ast.Call) -> dict[str, ast.expr]:
    return {str(k.arg): k.value for k in node.keywords}


def _call(name: str, *args: ast.expr, **options: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [ast.keyword(k, v) for k, v in options.items()])


def _factor(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    column, *levels = args
    options = dict(named)
    if levels:
        (options["levels"],) = levels
    if set(options) - {"levels"}:
        raise ValueError
    return _call("C", column, **options)


def _ordered(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    made = _factor(args, named)
    assert isinstance(made, ast.Call)
    made.args.append(ast.Attribute(ast.Name("contr", ast.Load()), "poly", ast.Load()))
    return made


def _relevel(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    column, reference = [*args, *named.values()]
    if set(named) - {"ref"} or not isinstance(reference, ast.Constant):
        raise ValueError
    if isinstance(column, ast.Call) and isinstance(column.func, ast.Name) and column.func.id == "C":
        (column,) = column.args
    contrast = ast.Attribute(ast.Name("contr", ast.Load()), "treatment", ast.Load())
    return _call("C", column, ast.Call(contrast, [reference], []))


def _ifelse(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    test, yes, no = [*args, *(named.pop(k) for k in ("test", "yes", "no") if k in named)]
    if named:
        raise ValueError
    return _call("where", test, yes, no)


def _pairwise(name: str) -> Callable[[list[ast.expr], dict[str, ast.expr]], ast.expr]:
    def made(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
        first, second, *rest = args
        if named:
            raise ValueError
        out = _call(name, first, second)
        for other in rest:
            out = _call(name, out, other)
        return out

    return made


def _number(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    (value,) = args
    if named:
        raise ValueError
    # The sign makes truth values numbers, as R's as.numeric() does.
    return _call("I", ast.UnaryOp(ast.UAdd(), value))


def _list(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    if named:
        raise ValueError
    return ast.List(args, ast.Load())


def _log(args: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
    if set(named) - {"base"}:
        raise ValueError
    return _call("log", *args, *named.values())


_RULES: Mapping[str, Callable[[list[ast.expr], dict[str, ast.expr]], Any]] = {
    "factor": _factor,
    "as_factor": _factor,
    "as_character": _factor,
    "ordered": _ordered,
    "as_ordered": _ordered,
    "relevel": _relevel,
    "ifelse": _ifelse,
    "pmin": _pairwise("minimum"),
    "pmax": _pairwise("maximum"),
    "as_numeric": _number,
    "as_double": _number,
    "c": _list,
    "log": _log,
}
_CATEGORIES = "write C(g), or C(g, levels=['a', 'b'])"
_USAGE: Mapping[str, str] = {
    "factor": _CATEGORIES,
    "as_factor": _CATEGORIES,
    "as_character": _CATEGORIES,
    "ordered": "write C(g, contr.poly, levels=['low', 'high'])",
    "as_ordered": "write C(g, contr.poly, levels=['low', 'high'])",
    "relevel": "write C(g, contr.treatment('b')) for the reference level 'b'",
    "ifelse": "write where(x > 0, 1, 0)",
    "pmin": "write minimum(x, z)",
    "pmax": "write maximum(x, z)",
    "as_numeric": "write I(+x)",
    "as_double": "write I(+x)",
    "c": "write a list, such as [1, 2]",
    "log": "log() takes a column and a base: log(x, 2)",
}
_SMOOTH = "write cr(x, df=3) for a natural cubic spline, or bs(x, df=5) for a B-spline"
_LAGGED = "make the lagged or differenced column in the data first, within each unit"
_LOGICAL = "make the column in the data first, or compare inside I( ): I(x == 0)"
_CELLS = "write g:h for one column per pair of levels, or g * h"
_GROUPS = "write C(g) for one coefficient per level, and give cluster='g' for standard errors by group"
ADVICE: Mapping[str, str] = {
    "s": f"{_SMOOTH}; a penalised spline s(x) stands in the second part of si.heterogeneous_shift",
    **dict.fromkeys(("ns", "rcs", "te", "ti", "lo", "smooth_spline", "pspline"), _SMOOTH),
    "cut": "make the groups in the data first (pandas.cut), or write C(x > 0) for two groups",
    "findInterval": "make the groups in the data first (pandas.cut)",
    "interaction": _CELLS,
    "as_integer": "write floor(x), or I(x > 0) for a column of 0 and 1",
    **dict.fromkeys(("as_logical", "is_na", "isnull", "is_null"), _LOGICAL),
    **dict.fromkeys(("lag", "lead", "diff", "shift", "L", "D"), _LAGGED),
    "mean": "write center(x) for x minus its mean",
    "sd": "write scale(x) for x in standard deviations from its mean",
    "std": "write scale(x) for x in standard deviations from its mean",
    **dict.fromkeys(("i", "fe", "fixed", "category", "categorical", "dummy"), "write C(g)"),
    **dict.fromkeys(("cluster", "strata", "random", "re", "Error"), _GROUPS),
    **dict.fromkeys(("square", "power", "pow"), "write I(x**2)"),
    **dict.fromkeys(("min", "max"), "write minimum(x, z) or maximum(x, z)"),
}


def written(name: str) -> str:
    """The name of a function as its language writes it."""
    return re.sub(r"^(as|is)_", r"\1.", name)
