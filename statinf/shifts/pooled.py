"""What multilevel regression reads beside the columns of the first part: levels of the variables whose effects are pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError, InfeasibleError
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.coding import recode
from statinf.formula.design import Design, design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.recipe import Recipe
from statinf.formula.rows import Store
from statinf.formula.scale import check_sizes
from statinf.shifts.margin_cells import ONE
from statinf.shifts.margins import Margins
from statinf.shifts.reading import part_alone
from statinf.shifts.samples import Samples
from statinf.shifts.target import TargetRows, target_rows

_MOST_LEVELS = 5000
"""Of all pooled terms together: their covariance is held whole."""


@dataclass(frozen=True, repr=False)
class PooledTerm(Brief):
    """One term of the second part: an effect a level, or a combination of levels.

    Attributes
    ----------
    name : str
    levels : tuple of str
        As tables print them: those that the source has, then those of the target alone.
    seen : int
        How many of them the source has.
    source, target : ndarray of int, shape (n,) and (m,)
        Of the rows of either sample.
    """

    name: str
    levels: tuple[str, ...]
    seen: int
    source: np.ndarray
    target: np.ndarray


@dataclass(frozen=True, repr=False)
class PooledTerms(Brief):
    """The pooled terms, and groups of the target whose means are wanted.

    Attributes
    ----------
    terms : tuple of PooledTerm
    by : tuple of (str, tuple, ndarray of int) or None
        The grouping column, its levels and the code of each target row, -1 where it is missing.
    census : bool
        Whether the target's rows are the population, not a sample of it.
    """

    terms: tuple[PooledTerm, ...]
    by: tuple[str, tuple[Any, ...], np.ndarray] | None
    census: bool


def read_pooled(
    formula: str,
    source: Any,
    target: Any,
    *,
    by: str | None,
    census: bool,
    weights: Any,
    target_weights: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> tuple[Samples, PooledTerms]:
    """Read `outcome ~ covariates | pooled terms` against the source, and its columns of the target.

    Raises
    ------
    FormulaError
        If there is no second part, or one of its variables has no levels.
    DataError
        As `read_samples` does.
    """
    made = design(
        formula, source, roles=("covariates", "pooled"), weights=weights, na_action=na_action, context=context
    )
    check_sizes(made)
    if len(made.parts) < 2 or not made.parts[1].terms.keys() - {"Intercept"}:
        raise FormulaError(
            "method='mrp' needs the variables whose effects are pooled behind a bar: 'y ~ x | g1 + g2', or 'y ~ 1 | g1 + g2'."
        )
    recipe = made.recipe
    if isinstance(target, Margins):
        target, target_weights, census = *_cells_frame(target), True
    first = part_alone(made, 0, made.recipe.formula)
    rows = target_rows(first.recipe, target, target_weights, na_action)
    held = _held(rows, _columns(recipe), by)
    codes = {label: _codes(recipe, label, made.frame, held) for label in recipe.parts[1].factors}
    rows = _without_missing(rows, {label: both[1] for label, both in codes.items()})
    terms = tuple(
        _term(name, labels, codes, made, rows) for name, labels in _terms_of(recipe).items() if name != "Intercept"
    )
    if sum(len(t.levels) for t in terms) > _MOST_LEVELS:
        raise DataError(
            f"the pooled terms have {sum(len(t.levels) for t in terms):,} levels, more than {_MOST_LEVELS:,}: merge levels, or "
            "leave out an interaction."
        )
    group = None if by is None else _group(held, by, rows)
    return Samples(first, rows, first), PooledTerms(terms, group, census)


def _held(rows: TargetRows, columns: list[str], by: str | None) -> Frame:
    """The target's columns behind pooled terms and groups; a missing one is told to be the target's."""
    held = as_frame(rows.frame, [*columns, *([by] if by else [])])
    for what, names in (("target frame", columns), (f"by={by!r}: target frame", [by] if by else [])):
        for name in names:
            try:
                held.require(name)
            except DataError as error:
                raise DataError(f"{what}: {error}") from None
    return held


def _terms_of(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    return {block.term: block.factors for block in recipe.parts[1].layout.blocks} | {
        # A term whose coding is split into several blocks is one term here, of all its variables.
        name: tuple(name.split(":"))
        for name in recipe.parts[1].layout.terms
        if name != "Intercept" and all(f in recipe.factors for f in name.split(":"))
    }


def _columns(recipe: Recipe) -> list[str]:
    return [c for label in recipe.parts[1].factors for c in recipe.factors[label].columns]


def _codes(recipe: Recipe, label: str, source: Frame, target: Frame) -> tuple[Any, Any, tuple[Any, ...]]:
    """Codes of all rows of both frames, -1 where missing, and the levels; those of the target alone come last."""
    factor = recipe.factors[label]
    if factor.kind != "categorical":
        raise FormulaError(
            f"the pooled term '{label}' holds numbers, not levels; write C({label}) to pool an effect a level."
        )
    scope = ex.Scope(frozenset(recipe.columns), recipe.quoted, recipe.context)
    found = []
    for frame in (source, target):
        store = Store.of(frame, scope, states=recipe.learnt[label].states)
        found.append(fa.categories(factor, store.values(), store.categories))
    coding = recipe.learnt[label].coding
    assert coding is not None
    more = tuple(v for v in found[1].levels if v not in set(coding.levels))
    levels = (*coding.levels, *more)
    own, other = (recode(f.codes, f.levels, levels) for f in found)
    return own, other, levels


def _without_missing(rows: TargetRows, codes: Mapping[str, np.ndarray]) -> TargetRows:
    ok, dropped = np.ones(len(rows.rows), dtype=bool), dict(rows.dropped)
    for label, found in codes.items():
        lacking = ok & (found[rows.rows] < 0)
        if lacking.any():
            dropped[f"'{label}' is missing"] = int(lacking.sum())
        ok &= ~lacking
    if ok.all():
        return rows
    if not (rows.weights[ok] > 0).any():
        raise DataError("no row of the target frame has all variables of the pooled terms.")
    return replace(
        rows,
        parts={role: x[ok] for role, x in rows.parts.items()},
        weights=rows.weights[ok],
        rows=rows.rows[ok],
        dropped=dropped,
        offset=None if rows.offset is None else rows.offset[ok],
    )


def _term(name: str, labels: tuple[str, ...], codes: Mapping[str, Any], made: Design, rows: TargetRows) -> PooledTerm:
    """Numbers the combinations of levels that occur, those of the source's rows of positive weight first."""
    sizes = [len(codes[f][2]) for f in labels]
    own = np.asarray(np.ravel_multi_index([codes[f][0][made.rows] for f in labels], sizes))
    other = np.asarray(np.ravel_multi_index([codes[f][1][rows.rows] for f in labels], sizes))
    seen = np.unique(own[made.weights > 0])
    more = np.setdiff1d(other, seen)
    order = np.concatenate([seen, more])
    place = np.argsort(order)
    digits = np.unravel_index(order, sizes)
    text = tuple(
        ":".join(str(codes[f][2][d[i]]) for f, d in zip(labels, digits, strict=True)) for i in range(len(order))
    )

    def number(found: np.ndarray) -> np.ndarray:
        at = np.searchsorted(order[place], found)
        return place[np.minimum(at, len(order) - 1)]

    return PooledTerm(name, text, len(seen), number(own), number(other))


def _group(held: Frame, by: str, rows: TargetRows) -> tuple[str, tuple[Any, ...], np.ndarray]:
    found = held.categories(by)
    codes = found.codes[rows.rows]
    there = np.unique(codes[(codes >= 0) & (rows.weights > 0)])
    table = np.full(len(found.levels) + 1, -1)
    table[there] = np.arange(len(there))
    return by, tuple(found.levels[i] for i in there), table[codes]


def _cells_frame(margins: Margins) -> tuple[Any, np.ndarray]:
    """Known cells as rows of a table, with their shares or counts."""
    import pandas as pd

    entries = {k: v for k, v in margins.entries.items() if k not in ("Intercept", "(Intercept)")}
    if len(entries) != 1:
        raise DataError(
            "method='mrp' needs the cells of all the formula's variables together, not several margins: give one entry such as "
            "{'g1:g2': {...}}, or a table of cells as target with target_weights='count' and census=True."
        )
    ((key, given),) = entries.items()
    names = [piece.strip() for piece in key.split(":")]
    rows: list[tuple[Any, ...]] = []
    sizes: list[float] = []

    def walk(value: Any, at: tuple[Any, ...]) -> None:
        if isinstance(value, Mapping):
            for level, inside in value.items():
                step = level if isinstance(level, tuple) else (level,)
                if len(step) == 1 and isinstance(level, str) and ":" in level and len(at) + 1 < len(names):
                    step = tuple(level.split(":"))
                walk(inside, (*at, *step))
            return
        if len(at) != len(names) or np.ndim(value) or not np.isfinite(value) or value < 0:
            raise DataError(
                f"the cells of '{key}': {at} has {value!r}; give one number, at least 0, for each combination of levels."
            )
        rows.append(at)
        sizes.append(float(value))

    walk(given if isinstance(given, Mapping) else dict(given.items()), ())
    total = float(sum(sizes))
    if not margins.totals and abs(total - 1.0) > ONE:
        raise InfeasibleError(
            f"the shares of '{key}' sum to {total:.8g}, not to one; divide them by their sum, look for a combination left out, or "
            "give counts as totals=."
        )
    return pd.DataFrame(rows, columns=names), np.array(sizes)
