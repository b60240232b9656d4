"""Blocks of a stream: checks of their columns, and counts of the rows that are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError, DroppedRowsWarning, issue_warning
from statinf.formula.native_rows import native_rows
from statinf.formula.recipe import NewRows, Recipe


def number_column(new: NewRows, name: str) -> np.ndarray:
    """A column of a block as floats."""
    column = new.frame.column(name)
    if not hasattr(column, "values"):
        raise DataError(f"column '{name}' holds categories; it must hold numbers.")
    return np.asarray(column.values, np.float64)  # type: ignore[union-attr]


def counted(recipe: Recipe, new: NewRows, absent: np.ndarray | None = None) -> dict[str, int]:
    """Rows whose covariates are missing, by column; of rows that are not absent, shape (n,) bool."""
    if new.ok.all():
        return {}
    if absent is None or not absent.any():
        return dict(new.causes)
    present = np.flatnonzero(~absent)
    roles = [p.role for p in recipe.parts]
    return dict(recipe.new_rows(native_rows(new.frame, present), roles=roles, warn=False).causes)


def refuse_infinite(recipe: Recipe, new: NewRows, response: np.ndarray, absent: np.ndarray | None = None) -> None:
    """Raise a `DataError` for the first infinite value of a block, as a table does, instead of taking it for missing.

    What absent rows hold, shape (n,) bool, does not matter.
    """
    found = {name: new.frame.column(name) for name in recipe.columns if name in new.frame.names}
    # The response of a recipe is NaN where its column is infinite: the column itself goes before it.
    columns: dict[str, Any] = {recipe.response[0]: response} if recipe.response else {}
    columns |= {name: getattr(c, "values", ()) for name, c in found.items()}
    for name, values in columns.items():
        numbers = np.asarray(values)
        if numbers.dtype.kind != "f" or len(numbers) != new.n:
            continue
        infinite = np.isinf(numbers)
        bad = np.flatnonzero(infinite if absent is None else infinite & ~absent)
        if len(bad):
            raise DataError(
                f"'{name}' is infinite in row {int(bad[0])} of the {new.n} rows that were read together: leave such rows out, "
                "or replace the values."
            )


def check_levels(recipe: Recipe, new: NewRows) -> None:
    """Raise a `DataError` if rows were lost to a category that the first block did not have."""
    if new.ok.all():
        return
    for factor in recipe.factors.values():
        coding = recipe.learnt[factor.label].coding if factor.label in recipe.learnt else None
        if coding is None or factor.label in recipe.response:
            continue
        found = new.frame.categories(factor.columns[0])
        present = {found.levels[c] for c in np.unique(found.codes[found.codes >= 0])}
        unseen = sorted(present - set(coding.levels), key=str)
        if unseen:
            raise DataError(
                f"'{factor.columns[0]}' has the level {unseen[0]!r}, which the rows that the formula was read on do not have. "
                f"Give all its levels at the fit: levels={{{factor.columns[0]!r}: [...]}}."
            )


def listed_causes(dropped: Mapping[str, int]) -> str:
    """Rows by cause, for messages."""
    return "; ".join(f"{count}: {cause}" for cause, count in dropped.items())


def add_counts(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Sums of two sets of counts."""
    return {
        cause: counts.get(cause, 0) + more.get(cause, 0) for cause in (*counts, *(c for c in more if c not in counts))
    }


def warn_dropped(dropped: Mapping[str, int], total: int, before: Mapping[str, int] | None = None) -> None:
    """One warning for a stream whose rows were partly unusable, less those counted before."""
    known = before or {}
    lost = {cause: count - known.get(cause, 0) for cause, count in dropped.items() if count > known.get(cause, 0)}
    if lost:
        listed = "; ".join(f"{count}: {cause}" for cause, count in lost.items())
        issue_warning(f"rows of {total} that are left out: {listed}.", DroppedRowsWarning)
