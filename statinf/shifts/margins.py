"""Known margins of a target population in place of its rows: means or totals of a formula's terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, InfeasibleError, OptionError
from statinf.formula.frame import as_frame
from statinf.formula.recipe import Recipe
from statinf.shifts.margin_cells import MarginCells, cells_of, leveled, spelled

AGREE = 1e-6
"""Largest difference of shares that count as the same: published shares are rounded."""
_SIZE = ("Intercept", "(Intercept)")


@dataclass(frozen=True)
class Margins:
    """Margins as given.

    Attributes
    ----------
    entries : mapping of str to object
        By term: a number, numbers by level, or numbers by the levels of crossed variables.
    totals : bool
        Whether they are totals; means otherwise.
    more : bool
        Whether some may be of terms that the formula lacks, as where weights that meet them are given.
    """

    entries: Mapping[str, Any]
    totals: bool
    more: bool = False


def read_margins(target: Any, totals: Any = None, target_weights: Any = None) -> Margins | None:
    """The margins that a caller gave in place of a target sample; None for a sample.

    Raises
    ------
    OptionError
        If there is neither a target nor totals, or both.
    """
    if target is not None and totals is not None:
        raise OptionError("target= and totals= exclude each other: give rows or means as target, or totals alone.")
    if target is None and totals is None:
        raise OptionError("no target: give its rows, the means of the formula's terms as a mapping, or totals={...}.")
    given = target if totals is None else totals
    found = _entries(given)
    if found is None:
        if totals is not None:
            raise OptionError("totals= is a mapping from the formula's terms to totals, or a table term, level, total.")
        return None
    if target_weights is not None:
        raise OptionError("target_weights= weights the rows of a target sample; known margins have none. Leave it out.")
    entries, as_totals = found
    if not entries:
        raise OptionError("the margins are empty: give a mean or shares for every term of the formula.")
    return Margins(entries, as_totals or totals is not None)


def _entries(given: Any) -> tuple[dict[str, Any], bool] | None:
    if isinstance(given, Mapping):
        # A mapping of columns is a frame.
        return ({str(k): v for k, v in given.items()}, False) if any(map(_is_margin, given.values())) else None
    if hasattr(given, "items") and hasattr(given, "index") and np.ndim(given) == 1:
        return {str(k): v for k, v in given.items()}, False
    return _table(given)


def _is_margin(value: Any) -> bool:
    """Whether an entry of a mapping is a margin rather than a column: a number, or numbers by level."""
    labels = getattr(getattr(value, "index", None), "inferred_type", "integer")
    return isinstance(value, Mapping) or np.ndim(value) == 0 or labels in ("string", "mixed", "categorical", "boolean")


def _table(given: Any) -> tuple[dict[str, Any], bool] | None:
    if hasattr(given, "collect_schema"):  # a polars query tells its columns only so
        listed = given.collect_schema().names()
    else:
        listed = getattr(given, "columns", getattr(given, "column_names", ()))
    names = {str(c) for c in listed}
    value = names & {"mean", "share", "total"}
    if "term" not in names or len(value) != 1 or names - {"term", "level", *value}:
        return None
    (what,) = value
    frame = as_frame(given)
    terms = frame.categories("term")
    levels = frame.categories("level") if "level" in names else None
    numbers = frame.column(what)
    entries: dict[str, Any] = {}
    for row in range(frame.n):
        term = str(terms.levels[terms.codes[row]])
        number = float(getattr(numbers, "values", np.full(frame.n, np.nan))[row])
        if levels is None or levels.codes[row] < 0:
            entries[term] = number
        else:
            entries.setdefault(term, {})[levels.levels[levels.codes[row]]] = number
    return entries, what == "total"


@dataclass(frozen=True, repr=False)
class KnownMeans(Brief, Mapping[str, np.ndarray]):
    """Means of the columns of each part of a formula, made when they are asked for: shape (1, p) by role.

    Attributes
    ----------
    recipe : Recipe
    tables : tuple of MarginCells
        Means by term.
    single : mapping of str to float
        Means by the name of a column.
    size : float or None
        Of the population, where the margins are totals.
    """

    recipe: Recipe
    tables: tuple[MarginCells, ...]
    single: Mapping[str, float]
    size: float | None = None

    def __iter__(self) -> Iterator[str]:
        return (part.role for part in self.recipe.parts)

    def __len__(self) -> int:
        return len(self.recipe.parts)

    def __getitem__(self, role: str) -> np.ndarray:
        layout = next(part.layout for part in self.recipe.parts if part.role == role)
        out = [1.0] if layout.intercept else []
        for block in layout.blocks:
            found = next((m for t in self.tables if (m := t.column_means(block, self.recipe.learnt)) is not None), None)
            width = int(
                np.prod([self.recipe.learnt[f].columns(r) for f, r in zip(block.factors, block.reduced, strict=True)])
            )
            out += [np.nan] * width if found is None else list(found)
        means = np.array([self.single.get(name, mean) for name, mean in zip(layout.names, out, strict=True)])
        lacking = [name for name, mean in zip(layout.names, means, strict=True) if np.isnan(mean)]
        if lacking:
            raise DataError(
                f"the margins say nothing of {', '.join(map(repr, lacking[:5]))}: give the mean of every term (shares by level "
                "for categories), or leave the term out of the formula."
            )
        return means[None, :]


def known_means(recipe: Recipe, margins: Margins) -> KnownMeans:
    """Margins read against the formula.

    Raises
    ------
    DataError
        If a margin is no term of the formula, lacks a level, or holds what is no number.
    InfeasibleError
        If shares do not sum to one, or margins contradict one another.
    """
    factors = list(dict.fromkeys(f for part in recipe.parts for f in part.factors))
    columns = [name for part in recipe.parts for name in part.layout.names]
    entries = {k: v for k, v in margins.entries.items() if k not in _SIZE}
    placed = {key: spelled(key, factors) for key in entries}
    size = _size(margins, entries, placed, recipe) if margins.totals else None
    tables, single = [], {}
    for key, given in entries.items():
        labels = placed[key]
        if labels is not None:
            tables.append(cells_of(key, given, labels, recipe.learnt, size))
        elif key in columns and np.ndim(given) == 0 and np.isfinite(given):
            single[key] = float(given) / (size or 1.0)
        elif not margins.more:
            raise DataError(
                f"the margin '{key}' is no term of the formula; its terms are made of {', '.join(map(repr, factors))}. Add "
                "the term to the formula or leave the margin out."
            )
    _check_agreement(tables)
    # Those with few variables first: a term's own margin speaks for it.
    return KnownMeans(recipe, tuple(sorted(tables, key=lambda t: len(t.factors))), single, size)


def _size(
    margins: Margins, entries: Mapping[str, Any], placed: Mapping[str, tuple[str, ...] | None], recipe: Recipe
) -> float:
    """The population's size that totals belong to: as given, or the sum over a variable's levels."""
    given = [margins.entries[name] for name in _SIZE if name in margins.entries]
    found: dict[str, float] = {}
    if given:
        found["Intercept"] = float(given[0]) if np.ndim(given[0]) == 0 else np.nan
    for key, value in entries.items():
        labels = placed[key]
        by_level = isinstance(value, Mapping) or np.ndim(value) != 0
        if labels is not None and by_level and all(leveled(recipe.learnt[f]) for f in labels):
            found[key] = float(np.sum(cells_of(key, value, labels, recipe.learnt, None, check=False).values))
    if not found:
        raise DataError(
            "totals need the population's size: add 'Intercept' to them, or the counts of a variable's levels."
        )
    first, size = next(iter(found.items()))
    if not np.isfinite(size) or size <= 0:
        raise DataError(f"the population's size by '{first}' is {size:g}; it must be positive.")
    for other, value in found.items():
        if abs(value - size) > AGREE * size:
            raise InfeasibleError(
                f"totals contradict one another: the population has {size:g} units by '{first}' and {value:g} by '{other}'."
            )
    return size


def _check_agreement(tables: list[MarginCells]) -> None:
    for a in tables:
        for b in tables:
            if a is b or a.numeric != b.numeric or not set(a.factors) <= set(b.factors):
                continue
            implied = b.over(a.factors)
            scale = max(1.0, float(np.abs(a.values).max()))
            if np.abs(implied - a.values).max() > AGREE * scale:
                raise InfeasibleError(
                    f"margins contradict one another: those of '{b.term}' sum to {_list(implied)} over '{a.term}', whose own "
                    f"are {_list(a.values)}."
                )


def _list(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:.6g}" for v in values.ravel()[:6]) + (", ...)" if values.size > 6 else ")")
