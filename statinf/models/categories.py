"""Outcomes that are categories: checks of their levels, and names of what belongs to a level or to two neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design


def check_levels(name: str, levels: tuple[Any, ...]) -> None:
    """Refuse fewer than three ordered categories, and such as look the same."""
    if len(levels) == 2:
        raise DataError(
            f"the outcome '{name}' has two categories; use logistic regression, si.glm(..., family='binomial')."
        )
    if len(levels) < 2:
        only = f"only the category {levels[0]!r}" if levels else "no category"
        raise DataError(f"the outcome '{name}' has {only} in the rows used; at least three are needed.")
    check_distinct(name, levels)


def check_distinct(name: str, levels: tuple[Any, ...]) -> None:
    """Refuse categories that cannot be told apart in tables."""
    if len(set(map(str, levels))) < len(levels):
        raise DataError(
            f"categories of the outcome '{name}' look the same when they are written out: {', '.join(map(repr, levels))}."
        )


def ordered_levels(made: Design, *, reverse: bool = False) -> tuple[tuple[Any, ...], np.ndarray]:
    """Levels in their order, and codes of the rows of positive weight, of a design read with `response="ordered"`.

    Raises
    ------
    DataError
        If there are fewer than three categories, or one has no row.
    """
    assert made.levels is not None
    name, levels = made.response_names[0], made.levels
    codes = np.asarray(made.response, np.intp)[made.weights > 0]
    if reverse:
        levels, codes = levels[::-1], len(levels) - 1 - codes
    check_levels(name, levels)
    counts = np.bincount(codes, minlength=len(levels))
    if not counts.all():
        raise DataError(
            f"no row has the category {levels[int(np.argmin(counts))]!r} of '{name}'; drop it from the column's categories "
            "(remove_unused_categories() in pandas), or join it to a neighbour."
        )
    return tuple(levels), codes


def boundary_names(levels: tuple[Any, ...]) -> tuple[str, ...]:
    """Names of the boundaries between neighbouring categories, such as "low|mid"."""
    return tuple(f"{below}|{above}" for below, above in zip(levels[:-1], levels[1:], strict=True))


def check_terms(terms: tuple[str, ...]) -> None:
    """Refuse names of coefficients that occur twice."""
    twice = next((t for i, t in enumerate(terms) if t in terms[:i]), None)
    if twice is not None:
        raise DataError(f"two coefficients would be named {twice!r}; rename a column or a category.")
