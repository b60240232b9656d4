"""The pieces of a design: factors of outcomes, terms and offsets, and what they learn from the rows used."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.grammar import TermText
from statinf.formula.parse import PartText
from statinf.formula.rows import Store, take, usable_rows
from statinf.formula.scan import short


def outcome_factor(text: str, store: Store) -> fa.Factor:
    factor = fa.make_factor(text, store.scope, store.column, intercept=False)
    if factor.kind == "categorical":
        column = factor.columns[0]
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
            for text in term.factors:
                if text not in labels_of:
                    labels_of[text] = _add_factor(text, part.intercept, factors, store)
            labels = tuple(dict.fromkeys(labels_of[text] for text in term.factors))
            key = (frozenset(labels), term.scale)
            if key not in seen:
                seen.add(key)
                name = ":".join(labels)
                terms.append((f"{term.scale:g}:{name}" if term.scale != 1.0 else name, labels, term.scale))
        # Texts that mean the same, such as x:x and x, can change a term's degree.
        terms.sort(key=lambda t: len(t[1]))
        out.append(terms)
    return out, factors, list(offsets.values())


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


def learn_all(
    factors: Sequence[fa.Factor], store: Store, index: np.ndarray | None, n: int
) -> tuple[dict[str, fa.Learnt], dict[str, Any]]:
    learnt: dict[str, fa.Learnt] = {}
    values: dict[str, Any] = {}
    for factor in factors:
        found = None
        if factor.kind == "categorical":
            whole = fa.categories(factor, store.values(), store.categories)
            found = take(whole, index)
        ready = store.computed.get(ast.unparse(factor.node)) if factor.kind == "numeric" else None
        if ready is not None and ready.ndim == 1:
            learnt[factor.label], values[factor.label] = (
                fa.Learnt({}, logical=factor.logical),
                take(ready, index).reshape(n, 1),
            )
            continue
        own = _own_rows(factor, store) if index is not None and factor.kind != "categorical" else None
        if own is None:
            learnt[factor.label], values[factor.label] = fa.learn(factor, found, store.values(index), n)
        else:
            learnt[factor.label], _ = fa.learn(factor, None, store.values(own), len(own))
            values[factor.label] = fa.apply(factor, learnt[factor.label], store.values(index), n)
    return learnt, values


def _own_rows(factor: fa.Factor, store: Store) -> np.ndarray | None:
    """Rows that a transform learns from: as in R all on which its own columns are complete, used or not."""
    if not fa.stateful_calls(factor.node, store.scope):
        return None
    return np.flatnonzero(usable_rows(store, [factor]).ok)


def outcomes(
    factors: Sequence[fa.Factor], store: Store, index: np.ndarray | None, n: int
) -> tuple[np.ndarray | None, dict[str, fa.Learnt]]:
    if not factors:
        return None, {}
    learnt, values = learn_all(factors, store, index, n)
    made = [single(f, values[f.label]) for f in factors]
    # A copy: the outcome must not change with the caller's table.
    return (np.array(made[0]) if len(made) == 1 else np.column_stack(made)), learnt


def single(factor: fa.Factor, value: np.ndarray) -> np.ndarray:
    """The one column of a factor, shape (n,)."""
    if value.shape[1] != 1:
        raise FormulaError(f"'{factor.label}' has {value.shape[1]} columns; one is needed here.")
    return value[:, 0]
