"""Limits of a censored outcome: numbers or columns, and what they say of each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.columns import Numeric
from statinf.formula.frame import Frame
from statinf.numerics.limited.tobit import ABOVE, BELOW, SEEN


def check_limit(name: str, given: Any) -> Any:
    """A limit as asked for in normal form: None, a float, or the name of a column."""
    if given is None or isinstance(given, str):
        return given
    number = isinstance(given, int | float | np.number) and not isinstance(given, bool)
    if not number or given != given:
        raise OptionError(f"{name}={given!r} is not a number, the name of a column, or None for no limit.")
    return float(given) if -np.inf < given < np.inf else None


def check_limits(lower: Any, upper: Any) -> None:
    """Refuse two limits that leave nothing between, and none at all."""
    if lower is None and upper is None:
        raise OptionError("a tobit needs a limit: give lower=, upper= or both; without one it is si.lm.")
    if isinstance(lower, float) and isinstance(upper, float) and not lower < upper:
        raise OptionError(f"lower={lower:g} is not below upper={upper:g}.")


def limit_values(frame: Frame, given: Any, option: str, rows: np.ndarray) -> np.ndarray:
    """The limit of some rows of a frame, shape (n,); infinite where there is none.

    Raises
    ------
    DataError
        If its column is not there, is no number or is missing.
    """
    if not isinstance(given, str):
        none = -np.inf if option == "lower" else np.inf
        return np.full(len(rows), none if given is None else given)
    frame.require(given)
    column = frame.column(given)
    if not isinstance(column, Numeric):
        raise DataError(f"{option}='{given}' is a column of categories; a limit is a number.")
    values = column.values[rows]
    gone = np.isnan(values)
    if gone.any():
        raise DataError(
            f"{option}='{given}' is missing in {int(gone.sum())} rows, such as row {int(rows[np.argmax(gone)])}; write infinity "
            "where a row has no limit, or leave the rows out."
        )
    return values


def sides(y: np.ndarray, lower: np.ndarray, upper: np.ndarray, name: str, rows: np.ndarray) -> np.ndarray:
    """Whether each outcome lies at its lower limit, between the limits, or at its upper one, shape (n,) int.

    Raises
    ------
    DataError
        That names the first row of those whose outcome lies beyond a limit, or whose limits leave nothing between.
    """
    crossed = lower >= upper
    if crossed.any():
        at = int(np.argmax(crossed))
        raise DataError(f"row {int(rows[at])} has lower={lower[at]:g}, which is not below upper={upper[at]:g}.")
    for beyond, limit, word in ((y < lower, lower, "below"), (y > upper, upper, "above")):
        if beyond.any():
            at = int(np.argmax(beyond))
            raise DataError(
                f"the outcome '{name}' lies {word} its limit in {int(beyond.sum())} rows, such as row {int(rows[at])} "
                f"({y[at]:g}, limit {limit[at]:g}): a censored outcome is recorded as the limit itself."
            )
    return np.where(y <= lower, BELOW, np.where(y >= upper, ABOVE, SEEN))
