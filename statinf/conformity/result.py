"""What `si.conformal` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.conformity.exchangeability import Exchangeability, martingale_of, warn_if_broken
from statinf.conformity.few_rows import warn_endless
from statinf.conformity.new_rows import (
    Ready,
    covariates,
    coverage_parts,
    members,
    ready_rows,
    recorded_p_values,
    recorded_scores,
)
from statinf.conformity.procedure import PerRow, Split
from statinf.conformity.sets_result import ConformalSets
from statinf.conformity.tables import coverage_table, summary_table
from statinf.errors import DataError, OptionError, check_level
from statinf.formula.recipe import NewRows
from statinf.internal import internal
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import Table, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Conformal(ConformalSets):
    """Prediction sets of numbers: intervals, or unions of them.

    Attributes
    ----------
    level, groups, ratio, seed, data
        As in `ConformalSets`.
    procedure : Split, LeaveOut, Full, Conditional or Localized
        Scores, residuals or rows that sets are made from.
    unions : bool
        Whether sets can be unions of intervals.
    """

    unions: bool = False

    calibrated = (Split, PerRow)
    with_p_values = "'split', 'cps' or 'localized'"
    beside = ("predict_set", "contains", "p_values", "coverage", "exchangeability")
    endless = "infinite"

    # --- sets ---------------------------------------------------------------------------------------------

    @internal
    def sets(self, newdata: Any, level: float | None = None) -> IntervalSets:
        """Sets of new rows as arrays; rows that cannot be predicted have the empty set."""
        return self._sets(newdata, level)[1]

    def _sets(
        self, newdata: Any, level: float | None, response: bool = False, warn: bool = True
    ) -> tuple[NewRows, IntervalSets, np.ndarray]:
        return self._sets_of(ready_rows(self, newdata, response=response, warn=warn), level, warn)

    def _sets_of(
        self, ready: Ready, level: float | None, warn: bool = True
    ) -> tuple[NewRows, IntervalSets, np.ndarray]:
        """New rows, their sets, and which of them have one (rows,) bool."""
        level = self.level if level is None else check_level(level)
        new, ok, ratio = ready.new, ready.ok, ready.ratio
        made = self.procedure.sets(ready.X, level, ratio, ready.groups)
        if warn and (ratio is not None or self.procedure.per_row):
            warn_endless(int((np.isneginf(made.lower) & np.isposinf(made.upper)).sum()), len(ok), level)
        if len(ok) == new.n:
            return new, made, np.ones(new.n, bool)
        able = np.zeros(new.n, bool)
        able[ok] = True
        return new, IntervalSets(made.lower, made.upper, ok[made.row], new.n), able

    def predict(self, newdata: Any = None, *, level: float | None = None, interval: str | None = None) -> Any:
        """Prediction sets, one row per row of the new data.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default; those rows were used, so their sets cover more often than new ones.
        level : float, optional
            That of the fit by default. Scores stay those of the fit: with quantile and density models another level
            keeps its coverage, but adapts less well to the row.
        interval : {None, "prediction"}
            Sets hold outcomes, not parameters: there is no other interval.

        Returns
        -------
        data frame
            `estimate` (where the model has a mean), `lower`, `upper`: the ends of the smallest interval that holds the
            set. Methods whose sets can be unions add `pieces`, `length` and `set`, a list of [lower, upper]. Empty sets
            have pieces 0 and no ends; rows that cannot be predicted are NaN.

        Examples
        --------
        >>> import statinf as si
        >>> cars = si.datasets.load("mtcars")
        >>> fit = si.conformal("mpg ~ wt", cars, method="full", model="ridge")
        >>> fit.predict(cars.head(1))[["lower", "upper"]].round(2)
           lower  upper
        0  17.39  29.09
        """
        import pandas as pd

        if interval not in (None, "prediction"):
            raise OptionError(f"interval={interval!r}: '{self.method}' has prediction sets only; leave interval= out.")
        data = self._data(newdata)
        new, sets, able = self._sets(data, level, warn=newdata is not None)
        lower, upper = sets.hull()
        columns: dict[str, Any] = {}
        centre = self._centre(new)
        if centre is not None:
            columns["estimate"] = centre
        columns |= {"lower": lower, "upper": upper}
        if self.unions:
            columns["pieces"] = np.where(able, sets.pieces, 0)
            columns["length"] = np.where(able, sets.length(), np.nan)
            ends = np.column_stack([sets.lower, sets.upper]).tolist()
            cuts = np.searchsorted(sets.row, np.arange(new.n + 1))
            columns["set"] = pd.Series([ends[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)], dtype=object)
        return prediction_frame(new, columns)

    def _centre(self, new: NewRows) -> np.ndarray | None:
        rows = np.flatnonzero(new.ok)
        found = self.procedure.predict(np.ascontiguousarray(covariates(new)[rows]))
        if found is None:
            return None
        out = np.full(new.n, np.nan)
        out[rows] = found
        return out

    def predict_set(self, newdata: Any = None, *, level: float | None = None) -> Any:
        """Prediction sets as a long table, one row per piece.

        Returns
        -------
        data frame
            `row` (number in the new data, from 0), `piece` (from 0, left to right), `lower`, `upper`. Rows with the empty
            set, and rows that cannot be predicted, do not occur.
        """
        import pandas as pd

        new, sets, _ = self._sets(self._data(newdata), level, warn=newdata is not None)
        first = np.flatnonzero(np.diff(sets.row, prepend=-1))
        piece = np.arange(len(sets.row)) - np.repeat(first, np.diff(np.append(first, len(sets.row))))
        return to_caller(
            pd.DataFrame({"row": sets.row, "piece": piece, "lower": sets.lower, "upper": sets.upper}), new.kind
        )

    def contains(self, newdata: Any, *, level: float | None = None) -> np.ndarray:
        """Whether each row's recorded outcome lies in its set (rows,) bool; False where either is missing."""
        new, sets, _ = self._sets(newdata, level, response=True)
        assert new.response is not None
        return sets.contains(new.response)

    def p_values(self, newdata: Any, *, seed: int | None = None) -> np.ndarray:
        """Conformal p-value of each row's recorded outcome: it lies in the set at every level below one minus that.

        Parameters
        ----------
        newdata : data frame
            Holds the outcome.
        seed : int, optional
            Draws how far the ties, the row's own score among them, count, which makes p-values of exchangeable rows
            exactly uniform where the score has one tail. Without it they are conservative.

        Returns
        -------
        ndarray, shape (rows,)
            NaN where a row has no outcome or cannot be predicted; one in groups without calibration rows. Those of
            `"localized"` compare a row with the calibration rows near it.

        Raises
        ------
        OptionError
            If the method has no p-values: it compares no scores with those of held-out rows, or finds thresholds otherwise.
        """
        return recorded_p_values(self._with_p_values(), ready_rows(self, newdata, response=True), seed)

    # --- how often they cover -----------------------------------------------------------------------------

    def coverage(
        self,
        newdata: Any,
        *,
        by: str | None = None,
        level: float | None = None,
        confidence: float = 0.95,
        slab: float | None = 0.1,
    ) -> Any:
        """Coverage of recorded outcomes that the fit has not seen, with binomial intervals.

        Parameters
        ----------
        newdata : data frame
            Holds the outcome; rows where it is missing are left out.
        by : str, optional
            A column: one row of the table per value. The groups of the fit by default, if it has any.
        level : float, optional
            Of the sets; that of the fit by default.
        confidence : float
            Of the intervals (Clopper-Pearson).
        slab : float, optional
            Smallest share of rows in the worst slab of covariate space (Cauchois, Gupta and Duchi, 2021, arXiv
            2004.10181), found on a quarter of the rows and measured on the others; None leaves it out.

        Returns
        -------
        data frame
            `part` ("all", "group" or "worst slab"), `label`, `n`, `covered`, `coverage`, `conf_low`, `conf_high`, and
            `length`, the mean length of the sets. Where the formula's second part spans a class of functions its 0/1
            columns are the groups, which may overlap.
        """
        ready = ready_rows(self, newdata, response=True)
        new, sets, able = self._sets_of(ready, level)
        assert new.response is not None
        use = able & np.isfinite(new.response)
        if not use.any():
            raise DataError("No row has both a set and a recorded outcome.")
        covered, length = sets.contains(new.response)[use], sets.length()[use]
        parts = coverage_parts(self, newdata, new, use, by, slab)
        if isinstance(self.procedure, self.calibrated) and self.ratio is None:
            warn_if_broken(self._martingale(ready, self.seed))
        held = {} if by is not None else {name: inside[use] for name, inside in members(self, new).items()}
        frame = coverage_table(covered, length, confidence=confidence, members=held, **parts)
        return to_caller(frame, new.kind)

    def _martingale(self, ready: Ready, seed: int) -> Exchangeability | None:
        split = self._held_out().split
        known, scores = recorded_scores(split, ready)
        # Columns of the formula's second part are no groups with bags of their own.
        groups = None if ready.groups is None or self.procedure.takes_columns else ready.groups[known]
        return martingale_of(self, split.calibration, ready.ok[known], scores[:, -1], groups, ready.new.n, seed)

    # --- showing ------------------------------------------------------------------------------------------

    def summary(self) -> Table:
        """Thresholds, what they guarantee, and what coverage to expect after this calibration."""
        return summary_table(self)

    def plot(
        self, kind: str = "band", *, newdata: Any = None, x: str | None = None, ax: Any = None, **options: Any
    ) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"band", "size", "coverage"}
            Sets over a covariate, with the outcomes where they are recorded; a histogram of set sizes; coverage in bins of
            a covariate with binomial intervals.
        newdata : data frame, optional
            The data of the fit by default. For honest coverage give rows that the fit has not seen.
        x : str, optional
            A numeric column; the first of the formula by default.
        ax : matplotlib axes, optional
        """
        from statinf.conformity.figures import draw

        if kind not in ("band", "size", "coverage"):
            raise OptionError(
                f"plot kind={kind!r} is not known for '{self.method}'; choose 'band', 'size' or 'coverage'."
            )
        return draw(self, kind, self._data(newdata), x, ax, **options)
