"""Which comparisons there are: each cohort at each period, against which earlier period and which units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GroupTimeCell:
    """One cohort at one period.

    Attributes
    ----------
    cohort : float
        First treated period of the units whose effect it is.
    time, base : float
        The period, and the one that outcomes are compared with.
    threshold : float
        Units first treated after it are not yet treated, and do not yet anticipate, at either period.
    """

    cohort: float
    time: float
    base: float
    threshold: float

    @property
    def reference(self) -> bool:
        """Whether the period is compared with itself: an effect of zero by definition."""
        return self.time == self.base

    @property
    def earlier(self) -> float:
        """The earlier of the two periods, at which covariates and weights are read."""
        return min(self.time, self.base)

    @property
    def label(self) -> str:
        """As coefficients are named."""
        return f"ATT({self.cohort:.10g}, {self.time:.10g})"


def plan(cohorts: np.ndarray, times: np.ndarray, base_period: str, anticipation: float) -> tuple[GroupTimeCell, ...]:
    """The cells of cohorts (G,) over sorted periods (T,), cohort by cohort.

    A period at or after `cohort - anticipation` is compared with the last one before that; an earlier one with the period just
    before it ("varying"), or with that same last one ("universal").
    """
    made = []
    for cohort in cohorts.tolist():
        last = float(times[times + anticipation < cohort][-1])
        for place, time in enumerate(times.tolist()):
            base = last
            if base_period == "varying" and time < cohort - anticipation:
                if place == 0:
                    continue
                base = float(times[place - 1])
            made.append(GroupTimeCell(cohort, time, base, max(time, base) + anticipation))
    return tuple(made)


def controls_of(cell: GroupTimeCell, cohort: np.ndarray, control: str) -> np.ndarray:
    """Units (n,) that a cell is compared with, as booleans; `cohort` (n,) is infinite for those never treated."""
    if control == "never":
        return np.isinf(cohort)
    return (cohort > cell.threshold) & (cohort != cell.cohort)
