"""The groups that the second part of a formula names: one set of them per term, cells where a term is an interaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.mondrian import Groups, label_of
from statinf.errors import OptionError
from statinf.formula.factors import Learnt
from statinf.formula.frame import Frame
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe

ROLE = "groups"
_MOST = 30
"""Distinct values from which a column of numbers is no group."""
_MOST_CELLS, _MOST_BY = 10_000, 200


@dataclass(frozen=True, repr=False)
class GroupTerm(Brief):
    """The groups of one term.

    Attributes
    ----------
    name : str
    columns : tuple of int
        Columns of the part, without the constant, that tell them apart.
    groups : Groups
    """

    name: str
    columns: tuple[int, ...]
    groups: Groups

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Group numbers (n,) of rows of the part (n, k); -1 where the group is new."""
        return self.groups.codes(values[:, list(self.columns)])


def group_terms(part: Matrix | None, recipe: Recipe) -> tuple[GroupTerm, ...]:
    """The groups of each term of a part; terms with many distinct values have none.

    The cells of an interaction are told apart by the columns of all terms of its factors.
    """
    if part is None:
        return ()
    part = part.without_intercept()
    blocks = _blocks(part, recipe)
    factors = {term: {f for b in blocks if b.term == term for f in b.factors} for term in part.terms}
    found = []
    for term in part.terms:
        within = [b for b in blocks if set(b.factors) <= factors[term]]
        columns = [j for b in within for j in b.columns]
        distinct = np.unique(part.values[:, columns], axis=0) if columns else np.empty((0, 0))
        numbers = any(f.coding is None and not f.logical for f in map(recipe.learnt.__getitem__, factors[term]))
        if not 1 < len(distinct) <= (_MOST if numbers else _MOST_CELLS):
            continue
        names, cells = tuple(part.names[j] for j in columns), []
        for row in distinct:
            values = dict(zip(columns, row, strict=True))
            known = [_level(f, within, values, recipe) for f in sorted(factors[term], key=_first(within))]
            label = ", ".join(text for _, text in known if text) if all(text for _, text in known) else ""
            cells.append(([place for place, _ in known], label or label_of(names, row), row))
        cells.sort(key=lambda cell: (cell[0], tuple(-cell[2])))
        groups = Groups(np.array([row for *_, row in cells]), tuple(label for _, label, _ in cells))
        found.append(GroupTerm(term, tuple(columns), groups))
    return tuple(found)


@dataclass(frozen=True)
class _Block:
    """Columns of a term under one coding of its factors; `widths` and `reduced` are those of the factors."""

    term: str
    factors: tuple[str, ...]
    reduced: tuple[bool, ...]
    widths: tuple[int, ...]
    columns: tuple[int, ...]


def _blocks(part: Matrix, recipe: Recipe) -> list[_Block]:
    layout = next(p.layout for p in recipe.parts if p.role == ROLE)
    out, at = [], 0
    for block in layout.blocks:
        widths = tuple(_width(recipe.learnt[f], r) for f, r in zip(block.factors, block.reduced, strict=True))
        if 0 in widths:  # a spline or the like has as many columns as the term
            where = part.terms[block.term]
            widths = (where.stop - where.start,) if len(block.factors) == 1 else ()
        size = int(np.prod(widths)) if widths else part.terms[block.term].stop - at
        out.append(_Block(block.term, block.factors, block.reduced, widths, tuple(range(at, at + size))))
        at += size
    return out


def _width(learnt: Learnt, reduced: bool) -> int:
    """Columns of a factor; 0 where its coding does not tell."""
    if learnt.coding is not None:
        return learnt.coding.columns(reduced)
    return 2 if learnt.logical and not reduced else 1 if learnt.logical else 0


def _first(blocks: Sequence[_Block]) -> Callable[[str], int]:
    """Where a factor is first written."""
    order = list(dict.fromkeys(f for b in blocks for f in b.factors))
    return order.index


def _level(factor: str, blocks: Sequence[_Block], values: Mapping[int, float], recipe: Recipe) -> tuple[float, str]:
    """Where the level of a factor stands among its levels, and what it is called; no name where columns do not tell it."""
    learnt = recipe.learnt[factor]
    for block in sorted((b for b in blocks if factor in b.factors), key=lambda b: len(b.factors)):
        i = block.factors.index(factor)
        others = [r for k, r in enumerate(block.reduced) if k != i]
        if len(block.widths) != len(block.factors) or any(others):
            continue
        row = np.array([values[j] for j in block.columns])
        if learnt.coding is None and not learnt.logical:
            return (float(row[0]), label_of((factor,), row)) if len(row) == 1 else (0.0, "")
        hit = np.flatnonzero(row)
        if len(hit) > 1 or (len(hit) == 0 and not block.reduced[i]):
            continue
        # The first factor of a block runs fastest.
        column = -1 if not len(hit) else int(hit[0]) // int(np.prod(block.widths[:i])) % block.widths[i]
        if learnt.coding is None:
            true = column >= 0 if block.reduced[i] else column == 1
            return float(true), label_of((f"{factor}[{true}]",), np.ones(1))
        marks = learnt.coding.marked(block.reduced[i])
        if marks is None or not (marks == column).any():
            continue
        level = int(np.argmax(marks == column))
        return float(level), label_of((f"{factor}[{learnt.coding.levels[level]}]",), np.ones(1))
    return 0.0, ""


def read_by(by: Any) -> tuple[str, ...]:
    """The names of the columns that make groups; none for None.

    Raises
    ------
    OptionError
        If they are no names.
    """
    if by is None:
        return ()
    names = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise OptionError(f"by={by!r}: give the name of a column, or a list of names.")
    return names


def by_columns(frame: Frame, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the groups that columns of a frame make together, and the group number (n,) of each row, -1 if missing.

    Raises
    ------
    OptionError
        If they are more than can be shown.
    """
    found = [frame.categories(name) for name in names]
    codes = np.column_stack([c.codes for c in found])
    known = (codes >= 0).all(axis=1)
    distinct, where = np.unique(codes[known], axis=0, return_inverse=True)
    if len(distinct) > _MOST_BY:
        raise OptionError(
            f"by={', '.join(names)} makes {len(distinct)} groups; at most {_MOST_BY} are shown; make a column of "
            "fewer values."
        )
    labels = tuple(
        ", ".join(f"{name} = {c.levels[v]}" for name, c, v in zip(names, found, row, strict=True)) for row in distinct
    )
    out = np.full(frame.n, -1)
    out[known] = where.reshape(-1)
    return labels, out
