"""Thresholds that outcomes should pass: one number, a column, or one per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula.columns import Categorical
from statinf.formula.design import Design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.given import aligned
from statinf.formula.recipe import NewRows


@dataclass(frozen=True, repr=False)
class Thresholds(Brief):
    """Thresholds of both samples.

    Attributes
    ----------
    old : ndarray, shape (n,), or None
        Of the labelled rows used; None where only those of the new rows are known, and differ.
    new : ndarray, shape (rows of newdata,)
        NaN where missing.
    """

    old: np.ndarray | None
    new: np.ndarray


def check_threshold(given: Any) -> Any:
    """What `threshold=` may be, before any row is read.

    Raises
    ------
    OptionError
        For what is no number, name, array or pair.
    """
    number = isinstance(given, int | float | np.number) and not isinstance(given, bool)
    if number and not np.isfinite(float(given)):
        raise OptionError(f"threshold={given!r} must be finite.")
    if not (number or isinstance(given, str) or _is_pair(given) or _is_vector(given)):
        raise OptionError(
            f"threshold={given!r} must be a number, a column of both samples, one number per new row, or a pair (those of "
            "data, those of newdata)."
        )
    return given


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2


def _is_vector(given: Any) -> bool:
    try:
        return np.ndim(given) == 1 and np.size(given) > 0
    except ValueError:
        return False


def read_thresholds(given: Any, d: Design, new: NewRows, newdata: Any) -> Thresholds:
    """The thresholds of the labelled rows used and of all new rows.

    Raises
    ------
    DataError, OptionError
        If there are not as many as rows, or those of labelled rows are missing.
    """
    if isinstance(given, str):
        frame = as_frame(newdata, [given])
        return _checked(_column(given, d.frame, "data")[d.rows], _column(given, frame, "newdata"), d)
    if _is_pair(given):
        old = _per_row(given[0], d.frame, d.n_total, "data")
        return _checked(old[d.rows], _per_row(given[1], new.frame, new.n, "newdata"), d)
    if np.ndim(given) == 0:
        return Thresholds(np.full(d.n, float(given)), np.full(new.n, float(given)))
    if len(given) == d.n_total + new.n:
        both = _floats(given)
        return _checked(both[: d.n_total][d.rows], both[d.n_total :], d)
    found = _per_row(given, new.frame, new.n, "newdata")
    known = found[~np.isnan(found)]
    same = len(known) > 0 and (known == known[0]).all()
    return _checked(np.full(d.n, known[0]) if same else None, found, d)


def _checked(old: np.ndarray | None, new: np.ndarray, d: Design) -> Thresholds:
    for found in (new,) if old is None else (old, new):
        if np.isinf(found).any():
            raise DataError("threshold holds infinite values; give finite ones.")
    if old is not None and np.isnan(old).any():
        raise DataError(
            f"threshold is missing at {int(np.isnan(old).sum())} labelled rows (first: row {int(d.rows[np.isnan(old)][0])})."
        )
    return Thresholds(old, new)


def _column(name: str, frame: Frame, which: str) -> np.ndarray:
    try:
        frame.require(name)
    except DataError as error:
        raise DataError(f"threshold={name!r}, {which}: {error}") from None
    column = frame.column(name)
    if isinstance(column, Categorical):
        raise DataError(f"threshold={name!r} holds categories in {which}; thresholds are numbers.")
    return column.values


def _per_row(given: Any, frame: Frame, n: int, which: str) -> np.ndarray:
    if np.ndim(given) == 0:
        return np.full(n, float(_floats(given)))
    found = _floats(aligned(given, frame, "threshold"))
    if found.shape != (n,):
        raise OptionError(
            f"threshold has shape {found.shape}; give one per row of {which}, shape ({n},), or a pair (those of data, those "
            "of newdata)."
        )
    return found


def _floats(given: Any) -> np.ndarray:
    try:
        return np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise DataError("threshold holds values that are no numbers.") from None
