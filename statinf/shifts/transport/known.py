"""Known probabilities of the treated arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.columns import Numeric
from statinf.formula.frame import as_frame
from statinf.shifts.transport.trial import Trial


def known_propensity(trial: Trial, given: Any) -> np.ndarray | None:
    """Probability of the second arm on the trial's rows, shape (n,); None where it is to be estimated.

    Raises
    ------
    OptionError
        For more than two arms.
    DataError
        If a column holds what is no probability.
    """
    if given is None:
        return None
    if trial.k != 2:
        raise OptionError(
            f"propensity= is the probability of the treated arm of two; '{trial.treatment}' has {trial.k} arms."
        )
    rows = trial.design.rows
    if not isinstance(given, str):
        return np.full(len(rows), float(given))
    frame = as_frame(trial.design.frame.native, [given])
    frame.require(given)
    column = frame.column(given)
    if not isinstance(column, Numeric):
        raise DataError(f"propensity='{given}' holds categories; probabilities are numbers.")
    found = column.values[rows]
    wrong = ~((found > 0.0) & (found < 1.0))
    if wrong.any():
        raise DataError(
            f"propensity='{given}' is not strictly between 0 and 1 in {int(wrong.sum())} rows of the trial (first: row "
            f"{int(rows[np.argmax(wrong)])}, {found[np.argmax(wrong)]:g})."
        )
    return found
