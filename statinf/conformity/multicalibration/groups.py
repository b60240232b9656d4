"""The groups that the second part of a formula names: one set of them per term, cells where a term is an interaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.conformity.mondrian import Groups, label_of
from statinf.errors import OptionError
from statinf.formula.frame import Frame
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe

ROLE = "groups"
_MOST = 30
"""Distinct values from which a column of numbers is no group."""
_MOST_BY = 200


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
    layout = next(p.layout for p in recipe.parts if p.role == ROLE)
    blocks: dict[str, list] = {}
    for block in layout.blocks:
        blocks.setdefault(block.term, []).append(block)
    factors = {t: {f for b in blocks[t] for f in b.factors} for t in part.terms}
    found = []
    for term in part.terms:
        within = [t for t in part.terms if factors[t] <= factors[term]]
        columns = [j for t in within for j in range(part.terms[t].start, part.terms[t].stop)]
        distinct = np.unique(part.values[:, columns], axis=0) if columns else np.empty((0, 0))
        if not 1 < len(distinct) <= (_MOST if any(recipe.learnt[f].coding is None for f in factors[term]) else 10_000):
            continue
        names = [part.names[j] for j in columns]
        margins = [_reference(blocks[t][0], recipe) for t in within if len(factors[t]) == 1 and len(blocks[t]) == 1]
        mains = [_positions(part, t, columns) for t in within if len(factors[t]) == 1]
        distinct = np.array(sorted(distinct, key=lambda row: _place(row, mains, margins)))
        labels = tuple(_label(row, names, mains, margins) for row in distinct)
        found.append(GroupTerm(term, tuple(columns), Groups(distinct, labels)))
    return tuple(found)


def _positions(part: Matrix, term: str, columns: Sequence[int]) -> list[int]:
    where = part.terms[term]
    return [i for i, j in enumerate(columns) if where.start <= j < where.stop]


def _place(row: np.ndarray, mains: Sequence[list[int]], margins: Sequence[str]) -> tuple:
    """Where a group stands: by the levels of its factors, the one without a column first; then by its columns.

    Dummies of later levels make smaller rows when signs are turned; numbers go from small to large.
    """
    parts = []
    for at, reference in zip(mains, margins, strict=True):
        dummies = len(at) > 1 or reference
        parts.append((row[at].any(), *(-row[at] if dummies else row[at])))
    return (*parts, *(-row))


def _reference(block, recipe: Recipe) -> str:
    """What rows are called that are zero in all columns of a factor: its level without a column."""
    coding = recipe.learnt[block.factors[0]].coding
    marks = None if coding is None else coding.marked(block.reduced[0])
    if coding is None or marks is None or not (marks < 0).any():
        return ""
    level = coding.levels[int(np.argmax(marks < 0))]
    return label_of((f"{block.factors[0]}[{level}]",), np.ones(1))


def _label(row: np.ndarray, names: Sequence[str], mains: Sequence[list[int]], margins: Sequence[str]) -> str:
    """What a group is called: the levels of its factors where these have terms of their own."""
    said = []
    for at, reference in zip(mains, margins, strict=True):
        zero = not row[at].any()
        said.append(reference if zero and reference else label_of(tuple(names[i] for i in at), row[at]))
    return ", ".join(said) or label_of(tuple(names), row)


def by_columns(frame: Frame, by: str | Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the groups that columns of a frame make together, and the group number (n,) of each row, -1 if missing.

    Raises
    ------
    OptionError
        If they are more than can be shown.
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names or not all(isinstance(name, str) for name in names):
        raise OptionError(f"by={by!r}: give the name of a column, or a list of names.")
    found = [frame.categories(name) for name in names]
    codes = np.column_stack([c.codes for c in found])
    known = (codes >= 0).all(axis=1)
    distinct, where = np.unique(codes[known], axis=0, return_inverse=True)
    if len(distinct) > _MOST_BY:
        raise OptionError(
            f"by={by!r} makes {len(distinct)} groups; at most {_MOST_BY} can be told apart. Make a column of fewer values."
        )
    labels = tuple(
        ", ".join(f"{name} = {c.levels[v]}" for name, c, v in zip(names, found, row, strict=True)) for row in distinct
    )
    out = np.full(frame.n, -1)
    out[known] = where.reshape(-1)
    return labels, out
