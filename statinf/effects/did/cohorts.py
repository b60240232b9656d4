"""When each unit is first treated: from a column, or from a treatment that starts and stays on."""

from __future__ import annotations

import numpy as np

from statinf.errors import DataError

_NEVER = "0, infinity or a missing value for units never treated"


def shown(value: float) -> str:
    """A period as messages print it."""
    return f"{value:.10g}"


def check_constant(values: np.ndarray, unit: np.ndarray, holder: np.ndarray, label: str, what: str) -> np.ndarray:
    """The value of each unit, shape (U,), or a `DataError` that names a unit whose rows differ.

    Parameters
    ----------
    values : ndarray, shape (n,)
    unit : ndarray of int, shape (n,)
    holder : ndarray of int, shape (U,)
        A row of each unit.
    label, what : str
        The unit's column and the values', for the message.
    """
    each = values[holder]
    differs = each[unit] != values
    if differs.any():
        row = int(np.argmax(differs))
        raise DataError(
            f"{what} differs between the rows of one '{label}': {shown(float(each[unit[row]]))} and "
            f"{shown(float(values[row]))}; it must be the same at every period."
        )
    return each


def from_column(values: np.ndarray, times: np.ndarray, name: str) -> np.ndarray:
    """First treated period of each row, shape (n,), infinite for never, from a column's numbers.

    Raises
    ------
    DataError
        If 0 may be a period or stand for never.
    """
    zero = values == 0
    if zero.any() and times[0] < 0 <= times[-1]:
        raise DataError(
            f"cohort='{name}' holds 0 while periods run from {shown(times[0])} to {shown(times[-1])}: it may be the period 0 or "
            "stand for never treated. Count periods from 1, or write infinity for units never treated."
        )
    cohort = np.where(zero | np.isnan(values), np.inf, values)
    if np.isneginf(cohort).any() or float(cohort.min()) < 0 <= times[0]:
        raise DataError(
            f"cohort='{name}' holds {shown(float(cohort.min()))}: give the first treated period, and {_NEVER}."
        )
    return cohort


def from_treatment(
    d: np.ndarray, unit: np.ndarray, time: np.ndarray, units: int, name: str, label: str
) -> tuple[np.ndarray, np.ndarray]:
    """First period at which each unit (U,) is seen treated, infinite for never, and the first at which it is seen.

    Raises
    ------
    DataError
        If the treatment is not 0 or 1, or switches off.
    """
    if not np.isin(d, (0.0, 1.0)).all():
        other = d[~np.isin(d, (0.0, 1.0))][0]
        raise DataError(
            f"the treatment '{name}' holds {shown(float(other))}; without cohort= it must be 0 before and 1 from the first treated "
            f"period on. If it holds that period, write cohort={name!r}."
        )
    start, first = np.full(units, np.inf), np.full(units, np.inf)
    np.minimum.at(start, unit, np.where(d == 1.0, time, np.inf))
    np.minimum.at(first, unit, time)
    off = (d == 0.0) & (time > start[unit])
    if off.any():
        row = int(np.argmax(off))
        raise DataError(
            f"the treatment '{name}' switches off: a unit of '{label}' is treated at {shown(float(start[unit[row]]))} and not at "
            f"{shown(float(time[row]))}. Effects by cohort are of treatments that stay on once they have started."
        )
    return start, first


def check_treatment(d: np.ndarray, cohort: np.ndarray, time: np.ndarray, name: str, column: str) -> None:
    """Refuse a treatment (n,) that contradicts the cohort (n,) of each row: it marks treated units, or treated periods."""
    by_unit, by_period = np.isfinite(cohort), time >= cohort
    if not (np.array_equal(d == 1.0, by_unit) or np.array_equal(d == 1.0, by_period)) or not np.isin(d, (0, 1)).all():
        wrong = int(np.argmax((d == 1.0) != by_period))
        raise DataError(
            f"the treatment '{name}' does not agree with cohort='{column}': at {shown(float(time[wrong]))} it is "
            f"{shown(float(d[wrong]))} for the cohort {shown(float(cohort[wrong]))}. It must be 1 at treated periods, or at all "
            "periods of units that are treated at some time; or write 'outcome ~ 1 | covariates'."
        )
