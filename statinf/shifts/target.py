"""The target sample: its rows by the recipe of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula.columns import Numeric
from statinf.formula.frame import as_frame
from statinf.formula.given import aligned
from statinf.formula.identity import RowIdentity
from statinf.formula.recipe import NewRows, Recipe, warn_rows
from statinf.formula.scale import SQUARES, check_columns
from statinf.shifts.margins import KnownMeans, Margins, known_means


@dataclass(frozen=True, repr=False)
class TargetRows(Brief):
    """The target's columns, made by the recipe of the source.

    Attributes
    ----------
    parts : mapping of str to ndarray, shape (m, p)
        Columns of each part of the formula by role, the constant included where the part has one.
    weights : ndarray, shape (m,)
        Row weights; ones if none were given.
    rows : ndarray of int, shape (m,)
        Row numbers in the target frame.
    n_total : int
        Rows of the target frame.
    dropped : mapping of str to int
    frame : object
        The caller's frame, by reference.
    identity : RowIdentity or None
        All rows of that frame, as what was made for them finds them again.
    offset : ndarray, shape (m,), or None
    known : KnownMeans or None
        Margins that stand for the rows: one row that holds the means, which no sampling moves.
    """

    parts: Mapping[str, np.ndarray]
    weights: np.ndarray
    rows: np.ndarray
    n_total: int
    dropped: Mapping[str, int]
    frame: Any
    identity: RowIdentity | None
    offset: np.ndarray | None = None
    known: KnownMeans | None = None

    @property
    def x(self) -> np.ndarray:
        """Columns of the first part, shape (m, p)."""
        return self.parts["covariates"]

    @property
    def nobs(self) -> int:
        """Rows of positive weight; none where margins stand for them."""
        return 0 if self.known is not None else int(np.count_nonzero(self.weights))


def known_target(recipe: Recipe, margins: Margins) -> TargetRows:
    """Known margins as the one row of a target.

    Raises
    ------
    DataError, InfeasibleError
        As `known_means` does.
    """
    known = known_means(recipe, margins)
    return TargetRows(known, np.ones(1), np.zeros(1, dtype=np.intp), 1, {}, None, None, known=known)


def target_rows(recipe: Recipe, target: Any, weights: Any = None, na_action: str = "drop") -> TargetRows:
    """The usable rows of the target frame.

    Raises
    ------
    DataError
        If the frame lacks a column, has infinite values or levels that the source does not have, or no usable row.
    """
    found = some_target_rows(recipe, target, weights)
    check_target(found.dropped, found.n_total, len(found.rows), found.nobs, na_action)
    return found


def some_target_rows(recipe: Recipe, target: Any, weights: Any = None) -> TargetRows:
    """The usable rows of a part of the target, of which there may be none.

    Raises
    ------
    DataError
        If it lacks a column, or has infinite values or levels that the source does not have.
    """
    try:
        rows = recipe.new_rows(target, warn=False)
    except DataError as error:
        raise DataError(f"target frame: {error}") from None
    _refuse_rows(rows)
    given = _weights_of(weights, rows)
    dropped = dict(rows.causes)
    ok = rows.ok & ~np.isnan(given)
    if (rows.ok & ~ok).any():
        dropped["its weight is missing"] = int((rows.ok & ~ok).sum())
    kept = np.flatnonzero(ok)
    # Each column stays in one piece, as it does where all rows are kept.
    parts = {role: m.values if ok.all() else m.values.T[:, kept].T for role, m in rows.parts.items()}
    present = given[kept] > 0.0
    for role, matrix in rows.parts.items():
        check_columns(replace(matrix, values=parts[role] if present.all() else parts[role][present]), *SQUARES)
    offset = None if rows.offset is None else rows.offset[kept]
    identity = RowIdentity(rows.n, read_columns(recipe), rows.frame)
    return TargetRows(parts, given[kept], kept, rows.n, dropped, rows.frame.native, identity, offset)


def check_target(dropped: Mapping[str, int], total: int, used: int, positive: int, na_action: str) -> None:
    """Refuse a target of which nothing can be used, and rows without a value where the caller wants none.

    Parameters
    ----------
    dropped : mapping of str to int
        Rows left out, by cause.
    total, used, positive : int
        Rows in all, those used, and those of positive weight.
    na_action : {"drop", "raise"}
    """
    gaps = {cause: count for cause, count in dropped.items() if cause != "its weight is missing"}
    if na_action == "raise" and gaps:
        listed = "; ".join(f"{count} rows: {cause}" for cause, count in gaps.items())
        raise DataError(f"na_action='raise' and rows of the target frame cannot be used: {listed}.")
    warn_rows({c: k for c, k in gaps.items() if c.endswith("is not finite")}, total, "are dropped")
    if not used:
        listed = "; ".join(f"{count}: {cause}" for cause, count in dropped.items())
        raise DataError(f"no row of the target frame can be used ({listed or 'it is empty'}).")
    if not positive:
        raise DataError("all target weights are zero; at least some must be positive.")


def read_columns(recipe: Recipe) -> tuple[str, ...]:
    """The data columns that are read from the target: all but the outcome's own."""
    labels = [label for part in recipe.parts for label in part.factors] + list(recipe.offset)
    return tuple(dict.fromkeys(c for label in labels for c in recipe.factors[label].columns))


def _refuse_rows(rows: NewRows) -> None:
    unseen = [cause for cause in rows.causes if "unseen level" in cause]
    if unseen:
        raise DataError(
            f"target frame: {'; '.join(unseen)}. The source has no such row, so nothing can be said about these; leave "
            "them out of the target or merge the levels in both frames."
        )
    infinite = {cause: count for cause, count in rows.causes.items() if cause.endswith("is infinite")}
    if infinite:
        listed = "; ".join(f"{count} rows: {cause}" for cause, count in infinite.items())
        raise DataError(
            f"target frame: {listed} (first at row {_first_infinite(rows, infinite)}); replace infinite values by missing "
            "ones or remove these rows."
        )


def _first_infinite(rows: NewRows, causes: Mapping[str, int]) -> int:
    columns = [rows.frame.column(cause.removesuffix(" is infinite")) for cause in causes]
    return min(int(np.argmax(np.isinf(c.values))) for c in columns if isinstance(c, Numeric))


def _weights_of(weights: Any, rows: NewRows) -> np.ndarray:
    if weights is None:
        return np.ones(rows.n)
    name = "target_weights"
    if isinstance(weights, str):
        frame = as_frame(rows.frame.native, [weights])
        frame.require(weights)
        column = frame.column(weights)
        name = f"target_weights '{weights}'"
        if not isinstance(column, Numeric):
            raise DataError(f"{name} holds categories; weights are numbers.")
        values = column.values
    else:
        try:
            values = np.asarray(aligned(weights, rows.frame, name), dtype=np.float64)
        except (TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{name} holds values that are no numbers.") from None
    if values.shape != (rows.n,):
        raise DataError(
            f"{name} has shape {values.shape}; give one weight per row of the target frame, shape ({rows.n},)."
        )
    if (values < 0).any() or np.isinf(values).any():
        raise DataError(f"{name} holds negative or infinite values; weights are finite and at least 0.")
    return values
