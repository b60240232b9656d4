"""A formula read against the columns of a table, before anything is computed on its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statinf.errors import one_of
from statinf.formula import expression as ex
from statinf.formula.assemble import outcome_factor, read_parts
from statinf.formula.classes import class_factor
from statinf.formula.factors import Factor, Learnt
from statinf.formula.frame import Frame
from statinf.formula.layout import Layout, lay_out
from statinf.formula.mentioned import available_names
from statinf.formula.parse import FormulaText, parse
from statinf.formula.recipe import PartRecipe, Recipe
from statinf.formula.rows import Store
from statinf.formula.sides import Terms, check_apart, check_sides
from statinf.formula.smooths import check_smooths

RESPONSES = ("numeric", "matrix", "none", "any", "categories", "ordered")


@dataclass(frozen=True)
class Reading:
    """What a formula says, once the kinds of its columns are known.

    Attributes
    ----------
    text : FormulaText
    roles : tuple of str
        Names of the parts that the method takes.
    response : str
        What stands left of `~`, as `design` takes it.
    outcome : list of Factor
    parts : list of terms
    factors : mapping of str to Factor
        Those of the parts, by label.
    offsets : list of Factor
    scope : Scope
    context : mapping of str to object
    """

    text: FormulaText
    roles: tuple[str, ...]
    response: str
    outcome: list[Factor]
    parts: list[Terms]
    factors: Mapping[str, Factor]
    offsets: list[Factor]
    scope: ex.Scope
    context: Mapping[str, Any]

    @property
    def by_categories(self) -> bool:
        """Whether the outcome is one of categories."""
        return self.response in ("categories", "ordered")

    @property
    def measured(self) -> list[Factor]:
        """The factors of the right side: those of the parts, and the offsets."""
        return [*self.factors.values(), *self.offsets]

    @property
    def every(self) -> list[Factor]:
        """All factors, outcomes first."""
        return [*self.outcome, *self.measured]

    def layouts(self, learnt: Mapping[str, Learnt], n: int) -> list[Layout]:
        """The columns of each part, for n rows in memory."""
        pairs = zip(self.text.parts, self.parts, strict=True)
        return [lay_out(part.intercept, terms, self.factors, learnt, n) for part, terms in pairs]

    def recipe(self, layouts: Sequence[Layout], learnt: Mapping[str, Learnt]) -> Recipe:
        """What a fit remembers, from what all factors have learnt."""
        return Recipe(
            formula=self.text.text,
            parts=_part_recipes(self.roles, layouts, self.parts),
            response=tuple(f.label for f in self.outcome),
            offset=tuple(f.label for f in self.offsets),
            factors={**self.factors, **{f.label: f for f in (*self.outcome, *self.offsets)}},
            learnt=dict(learnt),
            quoted=self.text.quoted,
            context=dict(self.context),
        )


def read_formula(
    formula: str,
    frame: Frame,
    roles: Sequence[str],
    response: str,
    context: Mapping[str, Any] | None = None,
    smooth: Sequence[str] = (),
) -> tuple[Reading, Store]:
    """Read a formula against a table; see `design` for the arguments.

    Returns
    -------
    Reading
    Store
        The table's columns, of which some have been converted.

    Raises
    ------
    FormulaError, DataError
    """
    one_of("response", response, RESPONSES)
    text = parse(formula, available_names(frame, formula))
    check_sides(text, roles, response)
    scope = ex.Scope(frozenset(frame.names), text.quoted, dict(context or {}), smooth=bool(smooth))
    store = Store.of(frame, scope)
    classes = response in ("categories", "ordered")
    outcome = [(class_factor if classes else outcome_factor)(t, store) for t in text.response]
    parts, factors, offsets = read_parts(text.parts, store)
    check_apart(outcome, dict(zip(roles, parts, strict=False)), offsets, factors, scope)
    if smooth:
        check_smooths(dict(zip(roles, parts, strict=False)), [*outcome, *offsets], factors, smooth, scope)
    made = Reading(text, tuple(roles), response, outcome, list(parts), factors, offsets, scope, dict(context or {}))
    return made, store


def _part_recipes(roles: Sequence[str], layouts: Sequence[Layout], parts: Sequence[Terms]) -> tuple[PartRecipe, ...]:
    """What each part needs for new rows: its layout, and its factors once each."""
    return tuple(
        PartRecipe(role, layout, tuple(dict.fromkeys(f for _, factors, _ in terms for f in factors)))
        for role, layout, terms in zip(roles, layouts, parts, strict=False)
    )
