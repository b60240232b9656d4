"""The spells between visits, and the past that each begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError, StatinfWarning, issue_warning
from statinf.formula.frame import Frame
from statinf.formula.native_rows import pandas_rows

if TYPE_CHECKING:
    import pandas as pd

_LAG = re.compile(r"(?<![\w.])lag\(\s*(`[^`]+`|[A-Za-z_][\w.]*)\s*\)")
_NAME = re.compile(r"`([^`]+)`|[A-Za-z_][\w.]*")


@dataclass(frozen=True, eq=False, repr=False)
class Spells(Brief):
    """One row per spell from one visit to the next, or to the end of follow-up.

    Attributes
    ----------
    frame : pandas DataFrame, m rows
        The caller's columns at the spell's end (those of the last visit for the end of follow-up), and a column `lag(x)` for each x
        asked for: the last value of x that was recorded before.
    start, stop : ndarray, shape (m,)
    event : ndarray, shape (m,)
        1 for a visit, 0 for the end of follow-up.
    row : ndarray of int, shape (m,)
        The visit's row in the caller's frame; of the end of follow-up that of the last visit.
    at_risk : ndarray of bool, shape (m,)
        False for first visits that are by design.
    """

    frame: pd.DataFrame
    start: np.ndarray
    stop: np.ndarray
    event: np.ndarray
    row: np.ndarray
    at_risk: np.ndarray


def lagged_columns(formula: str) -> tuple[str, tuple[str, ...]]:
    """The formula with each `lag(x)` as a column of that name, and the x."""
    names: list[str] = []

    def column(match: re.Match[str]) -> str:
        name = match.group(1).strip("`")
        if name not in names:
            names.append(name)
        return f"`lag({name})`"

    made = _LAG.sub(column, formula)
    if re.search(r"(?<![\w.])lag\(", re.sub(r"`[^`]*`", "", made)):
        raise FormulaError(
            f"{formula!r}: lag() takes the name of a column, such as lag(y); transform around it: log(lag(y))."
        )
    return made, tuple(names)


def check_past(formula: str, outcome: str, what: str) -> None:
    """Refuse a model of visits that looks at the outcome of the visit itself."""
    plain = _LAG.sub("", formula)
    inside = {m.group(1) or m.group(0) for m in _NAME.finditer(outcome)}
    named = {m.group(1) or m.group(0) for m in _NAME.finditer(plain)}
    if inside & named:
        name = sorted(inside & named)[0]
        raise FormulaError(
            f"{what} {formula!r} uses '{name}' of the visit itself, which nobody knew before: write lag({name}), its last value."
        )


def make_spells(
    frame: Frame, keep: np.ndarray, lags: tuple[str, ...], *, unit: str, time: str, end: Any, first: bool
) -> Spells:
    """The spells of the rows `keep`.

    Parameters
    ----------
    frame : Frame
    keep : ndarray of bool, shape (n,)
        Rows of positive weight.
    lags : tuple of str
    unit, time : str
        Columns.
    end : float or str, optional
        End of follow-up, of all or a column; the last time of all by default.
    first : bool

    Raises
    ------
    DataError
        If a unit has two rows of one time, or a row after its end.
    """
    codes, at = _unit_and_time(frame, unit, time)
    number = np.flatnonzero(keep)
    number = number[np.lexsort((at[number], codes[number]))]
    who, when = codes[number], at[number]
    new = np.concatenate([[True], who[1:] != who[:-1]])
    same = np.flatnonzero(~new & (np.diff(when, prepend=np.nan) == 0))
    if len(same):
        raise DataError(
            f"rows {int(number[same[0] - 1])} and {int(number[same[0]])} are of one '{unit}' at one '{time}': a unit has one "
            "row per visit."
        )
    last = np.flatnonzero(np.append(new[1:], True))
    until = _ends(frame, end, number, when, last, time)
    goes_on = until > when[last]
    data = pandas_rows(frame)
    order = np.concatenate([number, number[last][goes_on]])
    spells = data.iloc[order].reset_index(drop=True)
    stop = np.concatenate([when, until[goes_on]])
    spells[time] = stop
    event = np.concatenate([np.ones(len(number)), np.zeros(int(goes_on.sum()))])
    place = np.lexsort((stop, codes[order]))
    spells, stop, event, order = spells.iloc[place].reset_index(drop=True), stop[place], event[place], order[place]
    who = codes[order]
    new = np.concatenate([[True], who[1:] != who[:-1]])
    for name in lags:
        frame.require(name)
        known = spells[name].where(event == 1)
        spells[f"lag({name})"] = known.groupby(who).ffill().groupby(who).shift(1)
    start = np.where(new, 0.0, np.concatenate([[0.0], stop[:-1]]))
    if not first and (early := new & (stop <= 0)).any():
        raise DataError(
            f"row {int(order[np.argmax(early)])} is a visit at '{time}' = {stop[np.argmax(early)]:g}; with first=False units are "
            "at risk from time 0, so that visits come later."
        )
    return Spells(spells, start, stop, event, order, ~new if first else np.ones(len(stop), bool))


def warn_varying(spells: Spells, names: tuple[str, ...], unit: str, time: str) -> None:
    """Say which columns of the visit itself vary within units: they ought to be known before it."""
    groups = spells.frame.groupby(unit, observed=True)
    for name in names:
        if name != time and not name.startswith("lag(") and name in spells.frame and (groups[name].nunique() > 1).any():
            issue_warning(
                f"the visits depend on '{name}' as it is at the visit itself, and it varies within '{unit}': if it is not known "
                f"before the visit, write lag({name}).",
                StatinfWarning,
            )


def _unit_and_time(frame: Frame, unit: str, time: str) -> tuple[np.ndarray, np.ndarray]:
    for option, name in (("id", unit), ("time", time)):
        if not isinstance(name, str):
            raise DataError(f"{option}={name!r} is not the name of a column.")
        frame.require(name)
    codes = frame.categories(unit).codes
    column = frame.column(time)
    values = getattr(column, "values", None)
    if values is None:
        raise DataError(f"time='{time}' holds labels; give numbers, such as days since the start.")
    at = np.asarray(values, np.float64)
    for name, lost in ((unit, codes < 0), (time, ~np.isfinite(at))):
        if lost.any():
            raise DataError(
                f"column '{name}' is missing in {int(lost.sum())} rows (first: row {int(np.argmax(lost))})."
            )
    return codes, at


def _ends(frame: Frame, end: Any, number: np.ndarray, when: np.ndarray, last: np.ndarray, time: str) -> np.ndarray:
    """End of follow-up of each unit, in the order of their last visits."""
    if end is None:
        return np.full(len(last), when.max())
    if isinstance(end, str):
        values = np.asarray(getattr(frame.column(end), "values", np.full(frame.n, np.nan)), np.float64)
        until = values[number[last]]
        if not np.isfinite(until).all():
            raise DataError(f"end='{end}' is no number in row {int(number[last][np.argmin(np.isfinite(until))])}.")
    else:
        try:
            until = np.full(len(last), float(end))
        except (TypeError, ValueError, OverflowError):
            until = np.array([np.nan])
        if not np.isfinite(until).all():
            raise DataError(f"end={end!r} is not a finite number or the name of a column.")
    if (late := when[last] > until).any():
        k = int(np.argmax(late))
        raise DataError(
            f"row {int(number[last][k])} is a visit at '{time}' = {when[last][k]:g}, after the end of follow-up at {until[k]:g}."
        )
    return until
