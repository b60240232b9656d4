"""What every method of `did` gets: units, periods and cohorts as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.design import Design


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DidProblem(Brief):
    """Rows of units at periods.

    Attributes
    ----------
    design : Design
        The rows used.
    y, w : ndarray, shape (n,)
    x : ndarray, shape (n, p)
        Covariates without an intercept.
    unit : ndarray of int, shape (n,)
        Code of each row's unit; each row's own number in repeated cross-sections.
    period : ndarray of int, shape (n,)
        Place of each row's period in `times`.
    times : ndarray, shape (T,)
    cohort : ndarray, shape (U,)
        First treated period of each unit; infinite for units never treated.
    id : str
        Column of units; empty in repeated cross-sections.
    paired : bool
        Whether units are compared with themselves at another period; else rows of either period are.
    treatment : str
        What is shown for the treatment.
    control, base_period : str
    anticipation : float
    notes : mapping of str to object
        What the summary says of units.
    """

    design: Design
    y: np.ndarray
    x: np.ndarray
    w: np.ndarray
    unit: np.ndarray
    period: np.ndarray
    times: np.ndarray
    cohort: np.ndarray
    id: str
    paired: bool
    treatment: str
    control: str
    base_period: str
    anticipation: float
    notes: Mapping[str, Any]

    @property
    def units(self) -> int:
        return len(self.cohort)

    @cached_property
    def cohorts(self) -> np.ndarray:
        """First treated periods that occur, shape (G,)."""
        return np.unique(self.cohort[np.isfinite(self.cohort)])

    @cached_property
    def holder(self) -> np.ndarray:
        """The first row of each unit, shape (U,): it holds the unit's influence where there is one value per row."""
        out = np.empty(self.units, np.intp)
        out[self.unit[::-1]] = np.arange(len(self.unit))[::-1]
        return out

    @cached_property
    def unit_weight(self) -> np.ndarray:
        """Weight of each unit in shares of cohorts, shape (U,): at the first period, or the mean of its rows if some miss."""
        if self.id and len(self.y) == self.units * len(self.times):
            first = self.period == 0
            return np.bincount(self.unit[first], self.w[first], self.units)
        return np.bincount(self.unit, self.w, self.units) / np.bincount(self.unit, minlength=self.units)


@dataclass(frozen=True, eq=False, repr=False)
class Panel(Brief):
    """Outcomes, covariates and weights of units by period.

    Attributes
    ----------
    y : ndarray, shape (T, U)
        NaN where a unit was not seen.
    x : ndarray, shape (T, U, p) or (1, U, p)
        One period stands for all where covariates do not change.
    w : ndarray, shape (T, U) or (1, U)
    seen : ndarray of bool, shape (T, U), or None
        None where every unit is seen at every period.
    """

    y: np.ndarray
    x: np.ndarray
    w: np.ndarray
    seen: np.ndarray | None

    @classmethod
    def of(cls, problem: DidProblem) -> Panel:
        """Units side by side."""
        shape = (len(problem.times), problem.units)
        place = (problem.period, problem.unit)
        y = np.full(shape, np.nan)
        y[place] = problem.y
        complete = len(problem.y) == shape[0] * shape[1]
        seen = None if complete else np.isfinite(y)
        return cls(y, _by_period(problem, problem.x, shape), _by_period(problem, problem.w, shape), seen)


def _by_period(problem: DidProblem, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Values (n, ...) by period and unit; one period for all where no unit's change."""
    first = values[problem.holder]
    if np.array_equal(first[problem.unit], values):
        return first[None]
    out = np.zeros((*shape, *values.shape[1:]))
    out[problem.period, problem.unit] = values
    return out
