"""What `si.multicalibrate` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.conformity.multicalibration.fitted import BoostedFit
from statinf.conformity.multicalibration.groups import read_by
from statinf.conformity.multicalibration.measuring import error_rows, function_values, group_rows
from statinf.conformity.multicalibration.reading import LevelRows
from statinf.errors import OptionError, StatinfWarning, check_level, issue_warning, one_of
from statinf.plotting import multicalibration as figures
from statinf.results import Table, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Multicalibrated(BoostedFit):
    """Predictions that are calibrated on level sets and in groups.

    Attributes are those of `BoostedFit`.
    """

    beside = ("table", "error", "k2", "path", "coefficients", "rounds")

    # --- how well calibrated ------------------------------------------------------------------------------

    def table(
        self,
        newdata: Any = None,
        *,
        by: str | Sequence[str] | None = None,
        per_level: bool = True,
        of: str = "fitted",
        level: float = 0.95,
        weights: Any = None,
    ) -> Any:
        """Mean errors by group and level set, with standard errors.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with outcomes that the fit has not seen; by default the rows that it held out.
        by : str or sequence of str, optional
            Columns whose values together make the groups; by default all rows, then the groups of the formula's second part.
        per_level : bool
            Whether groups are split by level set.
        of : {"fitted", "initial"}
            Whose predictions; initial ones are rounded to the grid.
        level : float
            Confidence.
        weights : str or array, optional
            Weights of the new rows.

        Returns
        -------
        data frame
            `group`, `level`, `n`, `predicted` and `outcome` (means), `error` (outcome less predicted), `std_error`,
            `conf_low`, `conf_high` (by the t law), `p_value`.
        """
        import pandas as pd

        level = check_level(level)
        one_of("of", of, ("fitted", "initial"))
        names = read_by(by)
        rows = self._measured_rows(newdata, weights, names)
        columns = group_rows(self._predictor(), rows, self.groups, names, per_level, of, level, self.two_valued)
        return to_caller(pd.DataFrame(columns), rows.frame.kind)

    def error(self, newdata: Any = None, *, min_rows: int = 20, weights: Any = None) -> Any:
        """Squared error, calibration error, and K2 of every group and column, with standard errors and tests.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with outcomes that the fit has not seen; by default the rows that it held out. These chose the number of
            rounds and of levels, which leaves little trace.
        min_rows : int
            Level sets with fewer rows are left out of the tests.
        weights : str or array, optional
            Weights of the new rows.

        Returns
        -------
        data frame
            One row for the mean squared error ("mse"), one for the mean squared calibration error ("msce"), and one for K2
            of each `function`: the indicator of a group, a column of numbers in standard units. `initial` and `estimate`
            are plug-in values before and after, `corrected` is the latter less the noise of its means, `std_error` is of
            both, `statistic`, `df`, `p_value` test that errors are zero on every level set; where errors are skewed and level
            sets small the test rejects too often, which larger `min_rows` mends.
        """
        import pandas as pd

        rows = self._measured_rows(newdata, weights)
        _check_rows(min_rows)
        found = error_rows(self._predictor(), rows, self.groups, self.columns, int(min_rows), self.two_valued)
        return to_caller(pd.DataFrame([one.row() for one in found]), rows.frame.kind)

    def k2(self, function: Any, newdata: Any = None, *, min_rows: int = 20, weights: Any = None) -> Any:
        """K2 of one function of the row, as `error` has it: the weighted sum over levels of squared means of h times the error.

        Parameters
        ----------
        function : str or callable
            A column of numbers, as it is; or a function of a data frame, one number per row.
        newdata : data frame, optional
        min_rows : int
        weights : str or array, optional

        Returns
        -------
        data frame
            One row.
        """
        import pandas as pd

        _check_rows(min_rows)
        rows = self._measured_rows(newdata, weights, (function,) if isinstance(function, str) else ())
        name, h = function_values(function, rows)
        found = error_rows(self._predictor(), rows, (), (), int(min_rows), self.two_valued, {name: h})
        return to_caller(pd.DataFrame([found[-1].row()]), rows.frame.kind)

    def _measured_rows(self, newdata: Any, weights: Any = None, by: Sequence[str] = ()) -> LevelRows:
        """Rows with outcomes: new ones, or those of the fit that were held out."""
        if newdata is not None:
            return self._new(newdata, response=True, weights=weights, by=by)[1]
        if weights is not None:
            raise OptionError("weights= are those of newdata; the rows of the fit have their own.")
        own = self._own()
        assert own.held_out is not None
        if own.held_out.any():
            return own.only(own.held_out)
        issue_warning(
            "no rows were held out, so errors are those of the rows that the fit was made from, and too small: give newdata, or "
            "valid= at the fit.",
            StatinfWarning,
        )
        return own

    # --- showing ------------------------------------------------------------------------------------------

    def glance(self) -> Any:
        """Rows, rounds, levels, and errors of the rows held out, or of all without them; one row."""
        import pandas as pd

        one = {
            "nobs": self.nobs,
            "method": self.method,
            "rounds": self.rounds,
            "mse_initial": self.measured["mse"].initial,
            "mse": self.measured["mse"].estimate,
            "msce_initial": self.measured["msce"].initial,
            "msce": self.measured["msce"].estimate,
        }
        return to_caller(pd.DataFrame({name: [v] for name, v in one.items()}), self.kind)

    def summary(self) -> Table:
        """How boosting went, and errors before and after it."""
        kept = self.rounds
        facts = [("Formula", self.formula), ("Rows", str(self.nobs)), ("Held out", str(self.held_out))]
        facts += [("Start", self.initial.name), ("Learner", self.learner), ("Rounds", str(kept))]
        if self.predictor is not None:
            facts.append(("Levels", str(self.predictor.boosted.grid.size)))
        rows = [
            (name.upper(), m.initial, m.estimate, m.std_error, m.p_value if name == "msce" else None)
            for name, m in self.measured.items()
        ]
        where = "rows held out" if self.held_out else "the rows of the fit, and too small"
        notes = [
            f"Errors of {where}, initial predictions rounded; p is of the test that errors are zero on every level set."
        ]
        if self.boost_path.small[: kept + 1].any():
            notes.append(f"Level sets of {self.min_rows} rows or fewer kept their value.")
        if self.boost_path.deficient[: kept + 1].any():
            notes.append("Columns are collinear on some level sets; slopes of least norm were taken there.")
        if self.dropped:
            notes.append(self.dropped_note())
        notes.append(f"Method: {self.citation}.")
        return Table.of(
            ("error", "initial", "fitted", "std. error", "p"),
            rows,
            title="Multicalibration",
            facts=tuple(facts),
            notes=tuple(notes),
        )

    def plot(
        self,
        kind: str = "groups",
        *,
        newdata: Any = None,
        by: str | Sequence[str] | None = None,
        level: float = 0.95,
        ax: Any = None,
    ) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"groups", "calibration", "path"}
            Mean error of each group before and after, with intervals; mean outcomes over predictions by group; errors over
            rounds.
        newdata : data frame, optional
            By default the rows held out.
        by : str or sequence of str, optional
            Columns that make the groups.
        level : float
        ax : matplotlib axes, optional
        """
        if kind == "path":
            found = self.boost_path
            return figures.plot_path(found.train, found.held_out, self.rounds, ax=ax)
        if kind not in ("groups", "calibration"):
            raise OptionError(
                f"plot kind={kind!r} is not known for multicalibration; choose 'groups', 'calibration' or 'path'."
            )
        names = read_by(by)
        rows, level = self._measured_rows(newdata, None, names), check_level(level)

        def made(of: str, per_level: bool) -> dict[str, np.ndarray]:
            return group_rows(self._predictor(), rows, self.groups, names, per_level, of, level, self.two_valued)

        if kind == "groups":
            return figures.plot_groups(made("initial", False), made("fitted", False), outcome=self.outcome, ax=ax)
        return figures.plot_calibration(made("fitted", True), outcome=self.outcome, ax=ax)


def _check_rows(min_rows: Any) -> None:
    if isinstance(min_rows, bool) or not isinstance(min_rows, int | np.integer) or min_rows < 2:
        raise OptionError(f"min_rows={min_rows!r} is a number of rows; it must be a whole number from 2.")
