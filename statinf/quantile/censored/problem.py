"""Rows of a censored quantile regression, in the coordinates and the direction that it is solved in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError
from statinf.formula.design import Design, design, kind_of_outcome
from statinf.formula.scale import check_columns, check_scale
from statinf.models import regression as common
from statinf.quantile.solve import kept_columns
from statinf.quantile.working import WorkingRows, working_rows


@dataclass(frozen=True, repr=False)
class CensoredProblem(Brief):
    """Rows of positive weight; outcomes that are censored from the left are mirrored, and their levels too.

    Attributes
    ----------
    design : Design
        Its outcome is the time alone.
    levels : ndarray, shape (k,)
        As asked for, increasing.
    side : {"right", "left"}
    rows : WorkingRows
    event : ndarray, shape (n,), or None
        1 where the outcome was seen; None where the formula does not say.
    kept : ndarray of bool, shape (all columns,)
    aliases : ndarray, shape (p, all columns - p)
    seed : int
    """

    design: Design
    levels: np.ndarray
    side: str
    rows: WorkingRows
    event: np.ndarray | None
    kept: np.ndarray
    aliases: np.ndarray
    seed: int

    @property
    def sign(self) -> float:
        return 1.0 if self.side == "right" else -1.0

    @property
    def y(self) -> np.ndarray:
        """Outcomes, shape (n,), censored from the right."""
        return self.sign * self.rows.y

    @property
    def taus(self) -> np.ndarray:
        """Levels of `y`, increasing, shape (k,)."""
        # Rounded, so that 1 - .7 is .3 to the last digit.
        return self.levels if self.side == "right" else np.round(1.0 - self.levels[::-1], 12)

    def in_order(self, values: np.ndarray, axis: int = 0) -> np.ndarray:
        """Values by level of `y`, of coefficients, errors or influence, as by level of the outcome itself."""
        return values if self.side == "right" else -np.flip(values, axis)

    def carried(self, inner: np.ndarray) -> np.ndarray:
        """Coefficients of the regressors at the levels asked for, shape (..., k, p), from those at `taus`."""
        return self.rows.carried(self.in_order(inner, -2))

    @property
    def unit(self) -> str:
        """How messages name the outcome."""
        return f"the outcome '{self.design.response_names[0]}'"


def censored_problem(
    formula: str,
    data: Any,
    levels: np.ndarray,
    *,
    side: str,
    weights: Any,
    clusters: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
    seed: int,
) -> CensoredProblem:
    """The problem of a formula.

    Raises
    ------
    FormulaError, DataError
        For an outcome that is neither a number nor `cbind(time, event)`, or events other than 0 and 1.
    """
    kind = kind_of_outcome(formula, data, context=context)
    if kind == "categories":
        raise DataError(f"the outcome of {formula!r} is made of categories; a quantile regression needs numbers.")
    response = "matrix" if kind == "several" else "numeric"
    made = design(
        formula,
        data,
        weights=weights,
        cluster=clusters,
        na_action=na_action,
        context=context,
        response=response,
    )
    matrix = made.parts[0]
    common.check_has_columns(matrix.p)
    event, made = _events(made)
    check_columns(matrix)
    kept, aliases = kept_columns(made)
    rows = working_rows(made, np.where(kept, 0.0, np.nan)[None])
    n, p = rows.Z.shape
    common.check_size(n, p, matrix.names)
    common.check_outcome(made.y, made.weights, made.response_names[0])
    check_scale(float(np.abs(rows.y).max()), f"the outcome '{made.response_names[0]}'")
    seen = None if event is None else event[rows.used]
    if seen is not None and np.count_nonzero(seen) < p:
        raise DataError(
            f"{int(seen.sum())} outcomes were seen among the rows used; {p} coefficients need at least as many."
        )
    return CensoredProblem(made, levels, side, rows, seen, kept, aliases, seed)


def _events(made: Design) -> tuple[np.ndarray | None, Design]:
    """Whether each outcome was seen, and the design with the time as its outcome."""
    response = made.response
    assert response is not None
    if response.ndim == 1:
        return None, made
    if response.shape[1] != 2:
        raise FormulaError(
            f"cbind() holds {response.shape[1]} columns; a censored outcome is cbind(time, event), with event 1 where the "
            "time was seen."
        )
    time, event = np.ascontiguousarray(response.T, dtype=np.float64)
    other = (event != 0) & (event != 1)
    if other.any():
        raise DataError(
            f"'{made.response_names[1]}' must be 1 where the outcome was seen and 0 where it is censored; "
            f"{int(other.sum())} rows are neither, such as {event[np.argmax(other)]:g}."
        )
    return event, replace(made, response=time)
