"""Functions and constants of R in the tree of an expression, turned into those that are computed here."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Mapping
from typing import Any

from statinf.errors import FormulaError
from statinf.formula.level_rules import NamedNodes, Rule, call, coded, contr, factor, matched, ordered, relevel
from statinf.formula.scan import short

_FOREIGN = re.compile(
    r"\b(?:TRUE|FALSE|T|F|factor|ordered|relevel|ifelse|if_else|fifelse|pmin|pmax|c|seq|log|round|signif|polym|C|as_\w+|"
    r"intercept|findInterval|and|or)\b"
)
_TRUTH = {"TRUE": True, "T": True, "FALSE": False, "F": False}
_MOST_IN_RANGE = 10_000


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
        if node.id in _TRUTH and node.id not in self._columns and node.id not in self._context:
            return ast.copy_location(ast.Constant(_TRUTH[node.id]), node)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """`&` and `|`, which Python's own precedence has been kept from."""
        values = [self.visit(v) for v in node.values]
        made = values[0]
        for value in values[1:]:
            made = ast.BinOp(made, ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr(), value)
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        rule = None if name in self._context else RULES.get(name)
        if rule is None:
            return node
        if any(k.arg is None for k in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args):
            return node  # refused where calls are checked
        try:
            options = {str(k.arg): k.value for k in node.keywords}
            if name == "C":
                node.args[1:] = [self._contrast(a) for a in node.args[1:]]
            return ast.fix_missing_locations(ast.copy_location(rule(node.args, options), node))
        except (ValueError, TypeError, LookupError, ArithmeticError):
            raise FormulaError(f"{short(self._source)}: {USAGE[name]}.") from None

    def _contrast(self, node: ast.expr) -> ast.expr:
        """R takes the contrasts `sum` and `contr.sum` alike."""
        if isinstance(node, ast.Name) and node.id in _CONTRASTS and node.id not in self._columns:
            return contr(node.id)
        return node


_CONTRASTS = ("treatment", "sum", "helmert", "poly", "SAS")


def _ifelse(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    names = {"condition": "test", "true": "yes", "false": "no"}
    found = matched(args, {names.get(k, k): v for k, v in options.items()}, "test", "yes", "no")
    return call("where", found["test"], found["yes"], found["no"])


def _pairwise(name: str) -> Rule:
    def made(args: list[ast.expr], options: NamedNodes) -> ast.expr:
        first, second, *rest = args
        if options:
            raise ValueError
        out = call(name, first, second)
        for other in rest:
            out = call(name, out, other)
        return out

    return made


def _number(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    (value,) = matched(args, options, "x").values()
    # The sign makes truth values numbers, as R's as.numeric() does.
    return call("I", ast.UnaryOp(ast.UAdd(), value))


def _whole(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    (value,) = matched(args, options, "x").values()
    return call("trunc", ast.UnaryOp(ast.UAdd(), value))


def _truth(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    (value,) = matched(args, options, "x").values()
    return ast.Compare(ast.UnaryOp(ast.UAdd(), value), [ast.NotEq()], [ast.Constant(0)])


def _list(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    if not args or options:
        raise ValueError
    return ast.List([e for a in args for e in (a.elts if isinstance(a, ast.List) else [a])], ast.Load())


def _seq(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    found = matched(args, {k.rstrip("_"): v for k, v in options.items()}, "from", "to", "by", "length_out")
    values = {k: ast.literal_eval(v) for k, v in found.items()}
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values.values()):
        raise ValueError
    start, end = values.get("from", 1), values["to"]
    count = values.get("length_out")
    step = values.get("by", 1 if end >= start else -1)
    if count is not None:
        step = (end - start) / (count - 1)
    size = int(count) if count is not None else int((end - start) / step + 1e-10) + 1
    if not 0 < size <= _MOST_IN_RANGE:
        raise ValueError
    return ast.List([_constant(start + i * step) for i in range(size)], ast.Load())


def _constant(value: Any) -> ast.expr:
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)


def _positional(name: str, *names: str) -> Rule:
    """A call whose arguments R lets have names, in order without them."""

    def made(args: list[ast.expr], options: NamedNodes) -> ast.expr:
        found = matched(args, options, *names)
        given = [n for n in names if n in found]
        if given != list(names[: len(given)]):
            raise ValueError
        return call(name, *(found[n] for n in given))

    return made


def _polym(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    options.setdefault("degree", ast.Constant(1))
    return call("poly", *args, **options)


def _spline(name: str) -> Rule:
    def made(args: list[ast.expr], options: NamedNodes) -> ast.expr:
        if "intercept" in options:
            options["include_intercept"] = options.pop("intercept")
        return call(name, *args, **options)

    return made


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("factor", "as_factor", "as_character"), factor),
    **dict.fromkeys(("ordered", "as_ordered"), ordered),
    **dict.fromkeys(("ifelse", "if_else", "fifelse"), _ifelse),
    **dict.fromkeys(("as_numeric", "as_double"), _number),
    "as_integer": _whole,
    "as_logical": _truth,
    "relevel": relevel,
    "C": coded,
    "pmin": _pairwise("minimum"),
    "pmax": _pairwise("maximum"),
    "c": _list,
    "seq": _seq,
    "log": _positional("log", "x", "base"),
    "round": _positional("round", "x", "digits"),
    "signif": _positional("signif", "x", "digits"),
    "findInterval": _positional("findInterval", "x", "vec"),
    "polym": _polym,
    "bs": _spline("bs"),
    "ns": _spline("ns"),
}
_LEVELS = "write factor(g), factor(g, levels=c('a', 'b')) or factor(g, levels=c(0, 1), labels=c('no', 'yes'))"
USAGE: Mapping[str, str] = {
    **dict.fromkeys(("factor", "as_factor", "as_character", "ordered", "as_ordered"), _LEVELS),
    **dict.fromkeys(("ifelse", "if_else", "fifelse"), "write ifelse(x > 0, 1, 0)"),
    "relevel": "write relevel(g, ref='b') for the reference level 'b'",
    "C": "C() takes a column, one contrast such as contr.sum, and levels=[...]",
    "pmin": "write pmin(x, z)",
    "pmax": "write pmax(x, z)",
    "as_numeric": "write as.numeric(x)",
    "as_double": "write as.numeric(x)",
    "as_integer": "write as.integer(x)",
    "as_logical": "write as.logical(x)",
    "c": "write a list, such as c(1, 2)",
    "seq": "write seq(0, 10, by=2), of at most 10,000 numbers",
    "log": "log() takes a column and a base: log(x, 2)",
    "round": "round() takes a column and a number of digits: round(x, 2)",
    "signif": "signif() takes a column and a number of digits: signif(x, 2)",
    "findInterval": "write findInterval(x, c(0, 1, 2))",
    "polym": "write poly(x, z, degree=2)",
    "bs": "write bs(x, df=5)",
    "ns": "write ns(x, df=3)",
}
