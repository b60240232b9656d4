"""R's ways to say the levels of a variable and their contrast, turned into the one `C()` that is read here."""

from __future__ import annotations

import ast
from collections.abc import Callable

NamedNodes = dict[str, ast.expr]
Rule = Callable[[list[ast.expr], NamedNodes], ast.expr]


def call(name: str, *args: ast.expr, **options: ast.expr) -> ast.Call:
    """A call by name."""
    return ast.Call(ast.Name(name, ast.Load()), list(args), [ast.keyword(k, v) for k, v in options.items()])


def contr(name: str) -> ast.expr:
    """The contrast `contr.NAME`."""
    return ast.Attribute(ast.Name("contr", ast.Load()), name, ast.Load())


def matched(args: list[ast.expr], options: NamedNodes, *names: str) -> NamedNodes:
    """Arguments by name, those without one in order, as R matches them; names may be shortened."""
    out: NamedNodes = {}
    for given, value in options.items():
        fits = [n for n in names if n == given] or [n for n in names if n.startswith(given)]
        if len(fits) != 1 or fits[0] in out:
            raise ValueError
        out[fits[0]] = value
    free = [n for n in names if n not in out]
    if len(args) > len(free):
        raise ValueError
    return out | dict(zip(free, args, strict=False))


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _true(options: NamedNodes, name: str, default: bool = False) -> bool:
    value = options.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, ast.Constant) or not isinstance(value.value, bool):
        raise ValueError
    return value.value


def _listed(node: ast.expr) -> ast.expr:
    """A single level as a list of it; `range` and arithmetic of lists are numbers by now."""
    return ast.List([node], ast.Load()) if isinstance(node, ast.Constant) else node


def _levels(column: ast.expr, contrast: ast.expr | None, options: NamedNodes) -> ast.expr:
    """`C()` around a column; of a `C()` inside what the outer one does not say is kept."""
    if _is_call(column, "C"):
        assert isinstance(column, ast.Call)
        inner = {str(k.arg): k.value for k in column.keywords}
        contrast = contrast or (column.args[1] if len(column.args) > 1 else None)
        if not ("levels" in options and "labels" in inner):
            options = inner | options
            column = column.args[0]
    return call("C", column, *([] if contrast is None else [contrast]), **options)


def factor(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    """`factor(x, levels, labels, ordered=)`."""
    found = matched(args, options, "x", "levels", "labels", "exclude", "ordered")
    column = found.pop("x")
    if "exclude" in found:
        raise ValueError
    in_order = _true(found, "ordered")
    return _levels(column, contr("poly") if in_order else None, {k: _listed(v) for k, v in found.items()})


def ordered(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    """`ordered(x, levels, labels)`: polynomial contrasts."""
    found = matched(args, options, "x", "levels", "labels")
    return _levels(found.pop("x"), contr("poly"), {k: _listed(v) for k, v in found.items()})


def relevel(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    """`relevel(x, ref)`, by the level or its place."""
    found = matched(args, options, "x", "ref")
    reference = found["ref"]
    if not isinstance(reference, ast.Constant):
        raise ValueError
    contrast = ast.Call(contr("treatment"), [], [])
    if isinstance(reference.value, str):
        contrast.args.append(reference)
    else:
        contrast.keywords.append(ast.keyword("base", reference))
    return _levels(found["x"], contrast, {})


def coded(args: list[ast.expr], options: NamedNodes) -> ast.expr:
    """`C(x, contr, ...)`: R's further arguments go to the contrast, whose own number of levels says nothing new."""
    column, *rest = args
    named = {k: options.pop(k) for k in ("contr", "contrasts") if k in options}
    contrast = rest[0] if rest else next(iter(named.values()), None)
    if len(rest) + len(named) > 1:
        raise ValueError
    if contrast is not None:
        extra = {k: options.pop(k) for k in ("base", "scores", "reference") if k in options}
        contrast = _without_count(contrast)
        if extra:
            kept = contrast if isinstance(contrast, ast.Call) else ast.Call(contrast, [], [])
            contrast = ast.Call(kept.func, kept.args, [*kept.keywords, *(ast.keyword(k, v) for k, v in extra.items())])
    if set(options) - {"levels", "labels"}:
        raise ValueError
    return _levels(column, contrast, {k: _listed(v) for k, v in options.items()})


def _without_count(contrast: ast.expr) -> ast.expr:
    """`contr.sum(3)` and `contr.treatment(3, base=2)` without the number of levels, which the data know."""
    if not isinstance(contrast, ast.Call) or not isinstance(contrast.func, ast.Attribute):
        return contrast
    keywords = [k for k in contrast.keywords if k.arg != "n"]
    args, first = contrast.args, contrast.args[0] if contrast.args else None
    counted = isinstance(first, ast.Constant) and isinstance(first.value, int)
    named = any(k.arg == "base" for k in keywords)
    if counted and (contrast.func.attr not in ("treatment", "poly") or named or len(args) > 1):
        args = args[1:]
    if contrast.func.attr == "poly" and counted and args and args[0] is first:
        args = args[1:]
    if contrast.func.attr == "treatment" and len(args) == 1 and len(contrast.args) == 2:
        args, keywords = [], [*keywords, ast.keyword("base", args[0])]
    return ast.Call(contrast.func, args, keywords) if args or keywords else contrast.func
