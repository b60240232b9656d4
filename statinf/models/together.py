"""Several outcomes on the same columns: one design, and in least squares one factorisation.

While `outcomes_together` is open, the first of its formulas makes the design; another that has the same right side and loses
the same rows takes over its columns. A formula for which this is not plain to see is read by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import StatinfError, silent_warnings
from statinf.formula.design import Design, design
from statinf.formula.scan import halves
from statinf.numerics.linear.least_squares import LeastSquaresSolution, solve


@dataclass
class Companions:
    """Formulas that differ in their outcomes only, and what has been made of them."""

    formulas: tuple[str, ...]
    given: Mapping[str, Any] = field(default_factory=dict)
    designs: dict[str, Design | None] = field(default_factory=dict)
    solutions: dict[int, LeastSquaresSolution] = field(default_factory=dict)


_OPEN: ContextVar[Companions | None] = ContextVar("companions", default=None)


@contextmanager
def outcomes_together(formulas: Sequence[str]) -> Iterator[None]:
    """A block in which fits of these formulas, which differ in their left sides only, share what they can."""
    token = _OPEN.set(Companions(tuple(formulas)) if len(formulas) > 1 else None)
    try:
        yield
    finally:
        _OPEN.reset(token)


def shared_design(formula: str, data: Any, **given: Any) -> Design:
    """The design of a formula, with the columns of its companions where they have the same; see `design`."""
    group = _OPEN.get()
    lone = hasattr(given.get("weights"), "used") or given.get("response", "numeric") != "numeric"
    if group is None or formula not in group.formulas or lone:
        return design(formula, data, **given)
    now = {"data": data, **given}
    if not group.designs:
        made = design(formula, data, **given)
        group.given = now
        group.designs = {formula: made} | _alike(made, formula, group.formulas, now)
        return made
    held = group.designs.get(formula) if _same(now, group.given) else None
    return held if held is not None else design(formula, data, **given)


def _same(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return now.keys() == before.keys() and all(
        now[k] is before[k] or (isinstance(now[k], str | tuple | list) and now[k] == before[k]) for k in now
    )


def _alike(first: Design, formula: str, formulas: Sequence[str], given: Mapping[str, Any]) -> dict[str, Design | None]:
    """The designs of the other formulas that have the rows and columns of the first; None for those that have not."""
    if first.recipe.quoted:
        return {}
    lone = {f: _outcome_alone(f, given) for f in formulas}
    base, out = lone[formula], {}
    if base is None:
        return {}
    outcome = first.recipe.response[0]
    right = {k: v for k, v in first.recipe.factors.items() if k != outcome}
    used = {column for factor in right.values() for column in factor.columns}
    for other, own in lone.items():
        if own is None or other == formula:
            continue
        label = own.recipe.response[0]
        factor = own.recipe.factors[label]
        alike = not own.recipe.quoted and np.array_equal(own.rows, base.rows) and own.dropped == base.dropped
        if not alike or used & set(factor.columns) or label in right:
            continue
        learnt = {k: v for k, v in first.recipe.learnt.items() if k in right} | {label: own.recipe.learnt[label]}
        factors = dict((label, factor) if k == outcome else (k, v) for k, v in first.recipe.factors.items())
        recipe = replace(first.recipe, formula=other, response=(label,), factors=factors, learnt=learnt)
        at = np.searchsorted(own.rows, first.rows)
        out[other] = replace(first, response=own.y[at], response_names=own.response_names, recipe=recipe)
    return out


def _outcome_alone(formula: str, given: Mapping[str, Any]) -> Design | None:
    """The design of an outcome without terms: the rows that the outcome and the weights leave; None if there is a fault."""
    kept = {k: given[k] for k in ("data", "weights", "context") if k in given}
    try:
        with silent_warnings():
            return design(f"{halves(formula)[0]} ~ 1", **kept)
    except StatinfError:
        return None  # its own fit says what is wrong


def shared_solution(
    made: Design, outcome: np.ndarray, weights: np.ndarray | None, tolerance: float
) -> LeastSquaresSolution:
    """Least squares of a design's outcome, from one factorisation for all companions; see `solve`."""
    group = _OPEN.get()
    held = [d for d in group.designs.values() if d is not None] if group is not None else []
    if group is None or len(held) < 2 or not any(d is made for d in held):
        return solve(made.parts[0].values, outcome, weights, tolerance=tolerance)
    if not group.solutions:
        shift = 0.0 if made.offset is None else made.offset[:, None]
        together = np.column_stack([d.y for d in held]) - shift
        found = solve(made.parts[0].values, together, weights, tolerance=tolerance)
        rss = np.asarray(found.rss)
        group.solutions = {id(d): replace(found, coef=found.coef[:, j], rss=float(rss[j])) for j, d in enumerate(held)}
    return group.solutions[id(made)]
