"""The rows that comparisons are made of: who has an untreated period, and who is left to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from statinf.brief import Brief
from statinf.effects.did.cohorts import shown
from statinf.errors import DataError, DroppedRowsWarning, NotIdentifiedError, issue_warning

_NO_COHORT = (
    "no unit is first treated after the first period and by the last, so that there is no effect to estimate; cohorts are first "
    "treated periods, in the units of time="
)


@dataclass(frozen=True, eq=False, repr=False)
class CohortRows(Brief):
    """Rows with their cohorts, as some are left out.

    Attributes
    ----------
    times : ndarray, shape (T,)
    period : ndarray of int, shape (n,)
        Place of each row's period in `times`.
    unit : ndarray of int, shape (n,)
    cohort : ndarray, shape (n,)
        Infinite for units that count as never treated.
    anticipation : float
    keep : ndarray of bool, shape (n,)
    causes : mapping of str to int
        Rows left out, by cause.
    """

    times: np.ndarray
    period: np.ndarray
    unit: np.ndarray
    cohort: np.ndarray
    anticipation: float
    keep: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    causes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.keep):
            object.__setattr__(self, "keep", np.ones(len(self.unit), bool))

    def _drop(self, gone: np.ndarray, cause: str, message: str = "") -> Self:
        gone = gone & self.keep
        if not gone.any():
            return self
        units, rows = len(np.unique(self.unit[gone])), int(gone.sum())
        issue_warning(
            message or f"{rows} rows of {units} unit{'s' * (units != 1)} are left out: {cause}.", DroppedRowsWarning
        )
        return replace(self, keep=self.keep & ~gone, causes={**self.causes, cause: rows})

    @property
    def periods(self) -> np.ndarray:
        """Periods of the rows kept."""
        return self.times[np.bincount(self.period, self.keep, len(self.times)) > 0]

    def without_early(self, seen_treated: np.ndarray | None) -> Self:
        """Without units treated, or anticipating it, at the first period or, where rows tell, when first seen."""
        first = self.periods[0]
        early = self.cohort <= first + self.anticipation
        told = f"treated by the first period, {shown(first)}" + (
            f", counting anticipation={self.anticipation:g}" if self.anticipation else ""
        )
        made = self._drop(early, told)
        return made if seen_treated is None else made._drop(seen_treated, "treated when first seen")

    def with_later_never(self) -> Self:
        """Units that are first treated after all periods count as never treated."""
        if not self.keep.any():
            return self
        later = self.cohort > self.periods[-1] + self.anticipation
        return replace(self, cohort=np.where(later, np.inf, self.cohort))

    def with_comparison(self) -> Self:
        """Where nobody stays untreated, only periods before the last cohort's, which is what others are compared with."""
        made = self.with_later_never()
        if not made.keep.any() or np.isinf(made.cohort[made.keep]).any():
            return made
        last = float(made.cohort[made.keep].max())
        if (made.cohort[made.keep] == last).all():
            raise NotIdentifiedError(
                f"all units are first treated at {shown(last)}, so that there is nobody to compare with."
            )
        start = last - self.anticipation
        made = made._drop(
            self.times[self.period] >= start,
            f"nobody is untreated from {shown(start)} on",
            f"no unit is never treated: the last cohort, {shown(last)}, is what others are compared with, at periods before "
            f"{shown(start)}.",
        )
        return replace(made, cohort=np.where(made.cohort == last, np.inf, made.cohort))

    def complete(self) -> Self:
        """Only units that are seen at every period."""
        count = np.bincount(self.unit[self.keep], minlength=int(self.unit.max()) + 1)
        return self._drop(count[self.unit] < len(self.periods), "units not seen at every period").with_comparison()

    def check(self) -> None:
        """Refuse what leaves nothing to estimate."""
        if not self.keep.any():
            raise DataError(
                "no row is left: every unit is treated by the first period, or none is seen at every period."
            )
        if len(self.periods) < 2:
            raise DataError(
                f"rows of one period are left ({shown(float(self.periods[0]))}); a difference needs at least two."
            )
        if not np.isfinite(self.cohort[self.keep]).any():
            raise NotIdentifiedError(f"{_NO_COHORT}.")
