"""Rows of the fit and new rows as one kind of record, so that tables and errors are made alike from both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.multicalibration import groups, initial
from statinf.conformity.multicalibration.initial import CalledFunction, Initial
from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.given import aligned, weights_of
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import NewRows, Recipe, warn_rows


@dataclass(frozen=True, repr=False)
class LevelRows(Brief):
    """Rows that can be predicted.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        Covariates and groups, without a constant.
    groups : ndarray, shape (n, k), or None
        The group part alone.
    initial : ndarray, shape (n,), or None
        Initial predictions that do not come from the columns.
    y, w : ndarray, shape (n,), or None
    rows : ndarray of int, shape (n,)
        Their numbers in the frame.
    frame : Frame
    held_out : ndarray of bool, shape (n,), or None
        Of the rows of the fit.
    fitted : ndarray, shape (n,), or None
        Of the rows of the fit: their predictions in [0, 1].
    """

    X: np.ndarray
    groups: np.ndarray | None
    initial: np.ndarray | None
    y: np.ndarray | None
    w: np.ndarray | None
    rows: np.ndarray
    frame: Frame
    held_out: np.ndarray | None = None
    fitted: np.ndarray | None = None

    def only(self, which: np.ndarray) -> LevelRows:
        """Some of the rows (n,) bool."""
        if which.all():
            return self
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "frame"}
        return replace(self, **{k: v[which] for k, v in kept.items() if v is not None})


def rows_of_design(design: Design, start: Initial) -> LevelRows:
    """The rows of the fit that have weight and an initial prediction."""
    parts = dict(zip(design.roles, design.parts, strict=False))
    found = _predictions(start, parts, design.frame, design.rows)
    X, by = _columns(parts)
    made = LevelRows(X, by, found, design.y, design.weights, design.rows, design.frame)
    keep = design.weights > 0.0
    return made.only(keep if found is None else keep & np.isfinite(found))


def rows_of_new(
    recipe: Recipe,
    newdata: Any,
    start: Initial,
    *,
    response: bool = False,
    weights: Any = None,
    by: Iterable[str] = (),
) -> tuple[NewRows, LevelRows]:
    """All new rows, and those of them that can be predicted, with an outcome and weight where these are asked for.

    Raises
    ------
    DataError
        If a column is missing, or no row has an outcome.
    """
    read = {*recipe.columns, *by, *([weights] if isinstance(weights, str) else [])}
    # A function may read any column.
    every = isinstance(start.model, CalledFunction)
    frame = as_frame(newdata) if every else as_frame(newdata, read | set(start_columns(start)))
    new = recipe.new_rows(frame, response=response)
    found = _predictions(start, new.parts, new.frame, None)
    X, by_group = _columns(new.parts)
    w = np.ones(new.n) if weights is None else weights_of(aligned(weights, frame, "weights"), frame)[0]
    outcome = None if new.response is None else np.asarray(new.response, np.float64)
    made = LevelRows(X, by_group, found, outcome, w, np.arange(new.n), new.frame)
    keep = new.ok if found is None else new.ok & np.isfinite(found)
    if lost := int((new.ok & ~keep).sum()):
        warn_rows({no_start(start): lost}, new.n, "cannot be predicted and are NaN")
    if response:
        assert outcome is not None and w is not None
        keep = keep & np.isfinite(outcome) & (w > 0.0)
        if not keep.any():
            raise DataError("no row has a prediction and a recorded outcome.")
    return new, made.only(keep)


def no_start(start: Initial) -> str:
    """Why a row without an initial prediction is left out."""
    return f"init '{start.name}' predicts no number"


def start_columns(start: Initial) -> tuple[str, ...]:
    """Columns that a fitted initial model reads by name."""
    return () if start.model is None else tuple(start.model.columns)


def _predictions(
    start: Initial, parts: Mapping[str, Matrix], frame: Frame, rows: np.ndarray | None
) -> np.ndarray | None:
    """Initial predictions of a column or a fitted model, NaN where there are none."""
    if start.column is not None:
        part = parts[initial.ROLE].without_intercept()
        if part.p != 1:
            raise DataError(f"init='{start.column}' holds categories; a column of numbers is needed.")
        return np.array(part.values[:, 0])
    if start.model is None:
        return None
    X = parts["covariates"].without_intercept().values
    if rows is not None:
        wide = np.full((frame.n, X.shape[1]), np.nan)
        wide[rows] = X
        X = wide
    found = start.model.predict(frame, np.ascontiguousarray(X))
    return found if rows is None else found[rows]


def _columns(parts: Mapping[str, Matrix]) -> tuple[np.ndarray, np.ndarray | None]:
    """Columns of covariates and groups together, and those of groups alone."""
    first = parts["covariates"].without_intercept().values
    part = parts.get(groups.ROLE)
    if part is None:
        return np.ascontiguousarray(first), None
    second = part.without_intercept().values
    return np.ascontiguousarray(np.column_stack([first, second])), second
