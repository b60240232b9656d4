"""The pieces of a design: factors of outcomes, terms and offsets."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from statinf.errors import DataError, FormulaError
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.grammar import TermText
from statinf.formula.parse import PartText
from statinf.formula.rows import Store
from statinf.formula.scan import short


def outcome_factor(text: str, store: Store) -> fa.Factor:
    factor = fa.make_factor(text, store.scope, store.column, intercept=False)
    if factor.kind == "categorical":
        column = factor.columns[0]
        if fa.grouping_column(factor, store.scope) is None:
            raise DataError(
                f"the outcome '{factor.label}' holds categories; this method needs numbers, such as I({column} > 0), or "
                "as.numeric() of an ordered variable."
            )
        found = store.categories(column)
        levels = [v for i, v in enumerate(found.levels) if (found.codes == i).any()]
        last = levels[-1] if levels else "level"
        raise DataError(
            f"the outcome '{factor.label}' holds categories {levels[:6]}; this method needs numbers: "
            f"write I({column} == {last!r}) for a 0/1 outcome."
        )
    if factor.kind == "transform" and ex.call_name(factor.node) not in ("scale", "center", "standardize"):
        raise FormulaError(f"the outcome '{factor.label}' has several columns.")
    return factor


def read_parts(
    parts: Sequence[PartText], store: Store
) -> tuple[list[list[tuple[str, tuple[str, ...], float]]], dict[str, fa.Factor], list[fa.Factor]]:
    """Terms of each part by factor labels, the factors, and the offsets taken out of the first part."""
    factors: dict[str, fa.Factor] = {}
    offsets: dict[str, fa.Factor] = {}
    out = []
    for number, part in enumerate(parts):
        labels_of: dict[str, str] = {}
        terms = []
        seen: set[tuple[frozenset[str], float]] = set()
        for term in part.terms:
            inner = _offset_argument(term)
            if inner is not None:
                made = _offset(inner, number, store)
                offsets[made.label] = made
                continue
            texts = [t for text in term.factors for t in _of_indicators(text, store.scope)]
            for text in texts:
                if text not in labels_of:
                    labels_of[text] = _add_factor(text, part.intercept, factors, store)
            labels = tuple(dict.fromkeys(labels_of[text] for text in texts))
            key = (frozenset(labels), term.scale)
            if key not in seen:
                seen.add(key)
                name = ":".join(labels)
                terms.append((f"{term.scale:g}:{name}" if term.scale != 1.0 else name, labels, term.scale))
        # Texts that mean the same, such as x:x and x, can change a term's degree.
        terms.sort(key=lambda t: len(t[1]))
        out.append(terms)
    return out, factors, list(offsets.values())


def _of_indicators(text: str, scope: ex.Scope) -> tuple[str, ...]:
    """The factors that fixest's `i(g, x, ref="a")` is a product of; any other factor as it is."""
    if not re.match(r"\s*i\s*\(", text) or callable(scope.context.get(ex.INDICATORS)):
        return (text,)
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"{short(text)} cannot be read as a term of a formula.") from None
    usage = FormulaError(f"{short(text)}: write i(g, ref='a'), i(g, x) or i(g, x, ref='a').")
    if not isinstance(node, ast.Call) or ex.call_name(node) != ex.INDICATORS:
        return (text,)
    if not 1 <= len(node.args) <= 2 or not {k.arg for k in node.keywords} <= {"ref"}:
        raise usage
    first = ast.unparse(node.args[0])
    made = [f"i({first}, ref={ast.unparse(node.keywords[0].value)})" if node.keywords else f"C({first})"]
    if len(node.args) == 2:
        other = node.args[1]
        grouped = isinstance(other, ast.Attribute) and isinstance(other.value, ast.Name) and other.value.id == "i"
        made.append(f"C({other.attr})" if grouped and isinstance(other, ast.Attribute) else ast.unparse(other))
    return tuple(made)


def _add_factor(text: str, intercept: bool, factors: dict[str, fa.Factor], store: Store) -> str:
    made = fa.make_factor(text, store.scope, store.column, intercept)
    known = factors.setdefault(made.label, made)
    if known.node is not made.node and ast.unparse(known.node) != ast.unparse(made.node):
        raise FormulaError(
            f"'{made.label}' stands in a part with an intercept and in one without; write constraints='center' in both."
        )
    return made.label


def _offset_argument(term: TermText) -> str | None:
    """What stands in the `offset()` that a term is; None for any other term."""
    for text in term.factors:
        if not re.match(r"\s*offset\s*\(", text):
            continue
        try:
            node = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise FormulaError(f"{short(text)} cannot be read as a term of a formula.") from None
        if ex.call_name(node) != ex.OFFSET or not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
            raise FormulaError(f"{short(text)}: offset() takes one expression and stands by itself.")
        if len(term.factors) > 1 or term.scale != 1.0:
            raise FormulaError("offset() cannot take part in an interaction.")
        return ast.get_source_segment(text.strip(), node.args[0])
    return None


def _offset(text: str, number: int, store: Store) -> fa.Factor:
    if number:
        raise FormulaError("offset() belongs in the first part of the formula.")
    made = fa.make_factor(text, store.scope, store.column, intercept=True)
    if made.kind == "categorical":
        raise FormulaError(f"offset({made.label}) holds categories; an offset is a number.")
    return fa.Factor(f"offset({made.label})", made.node, made.kind, made.columns)
