"""What `si.multicalibrate` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.conformity.multicalibration.boosting import BoostPath
from statinf.conformity.multicalibration.groups import GroupTerm
from statinf.conformity.multicalibration.initial import Initial
from statinf.conformity.multicalibration.linear_levels import LinearLevels
from statinf.conformity.multicalibration.measuring import Measured, error_rows, function_values, group_rows
from statinf.conformity.multicalibration.predictor import LevelPredictor
from statinf.conformity.multicalibration.reading import LevelRows, rows_of_new
from statinf.errors import DataError, OptionError, StatinfWarning, check_level, issue_warning, one_of
from statinf.plotting import multicalibration as figures
from statinf.results import Predictive, Table, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Multicalibrated(Predictive):
    """Predictions that are calibrated on level sets and in groups.

    Attributes
    ----------
    predictor : LevelPredictor or None
        None in a file if a model of another library belongs to it.
    boost_path : BoostPath
    initial : Initial
        Where boosting started.
    terms : tuple of GroupTerm
        Groups of the formula's second part.
    columns : tuple of str
        Columns of the functions, without the constant.
    learner : str
    min_rows : int
        Level sets with so many rows or fewer kept their value.
    two_valued : bool
        Whether the outcome is 0 or 1.
    measured : mapping of str to Measured
        "mse" and "msce" of held-out rows, or of all without them.
    held_out : int
        Number of rows held out.
    own : LevelRows
        The rows of the fit; not saved.
    """

    predictor: LevelPredictor | None
    boost_path: BoostPath
    initial: Initial
    terms: tuple[GroupTerm, ...]
    columns: tuple[str, ...]
    learner: str
    min_rows: int
    two_valued: bool
    measured: Mapping[str, Measured]
    held_out: int
    own: LevelRows | None = field(default=None, metadata={"saved": False})

    beside = ("table", "error", "k2", "path", "coefficients", "rounds")

    # --- what was fitted ----------------------------------------------------------------------------------

    @property
    def rounds(self) -> int:
        """Number of rounds kept."""
        return len(self._predictor().boosted.rounds)

    @property
    def path(self) -> Any:
        """One row per round, the one that was discarded included: round, train, held_out, levels, small, kept.

        `train` and `held_out` are mean squared errors, `levels` counts level sets with a fit, `small` those with too few
        rows.
        """
        import pandas as pd

        found = self.boost_path
        number = np.arange(len(found.train))
        columns = {
            "round": number,
            "train": found.train,
            "held_out": found.held_out,
            "levels": found.levels,
            "small": found.small,
            "kept": number <= self.rounds,
        }
        return to_caller(pd.DataFrame(columns), self.kind)

    @property
    def coefficients(self) -> Any:
        """One row per round, level and term of least squares on level sets, in the units of the data.

        Raises
        ------
        NotIdentifiedError
            For another learner.
        """
        import pandas as pd

        predictor = self._predictor()
        frames = []
        for i, one in enumerate(predictor.boosted.rounds, start=1):
            if not isinstance(one.fits, LinearLevels):
                self.refuse("coefficients of level sets", f"the learner is {self.learner!r}")
            slopes = predictor.unit * one.fits.coef[one.active, 1:] / predictor.scale
            intercept = predictor.low + predictor.unit * one.fits.coef[one.active, 0] - slopes @ predictor.centre
            values = np.column_stack([intercept, slopes])
            where = predictor.low + predictor.unit * predictor.boosted.grid.centres[one.active]
            terms = ["Intercept", *self.columns]
            frames.append(
                pd.DataFrame(
                    {
                        "round": i,
                        "level": np.repeat(where, len(terms)),
                        "term": terms * len(where),
                        "estimate": values.ravel(),
                    }
                )
            )
        empty = pd.DataFrame({"round": [], "level": [], "term": [], "estimate": []})
        return to_caller(pd.concat(frames, ignore_index=True) if frames else empty, self.kind)

    def _predictor(self) -> LevelPredictor:
        lost = self.initial.name if self.predictor is not None else self.learner
        if self.predictor is None:
            raise DataError(
                f"this fit was saved without its model '{lost}', which belongs to another library; fit it again."
            )
        return self.predictor

    # --- new rows -----------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, interval: str | None = None) -> Any:
        """Multicalibrated predictions.

        Parameters
        ----------
        newdata : data frame, optional
            The rows of the fit by default. Holds the columns of the formula and what `init=` needs.
        interval : None
            There is none; prediction intervals come from `si.conformal`.

        Returns
        -------
        data frame
            `estimate`, with the index of the rows; NaN for rows that cannot be predicted.
        """
        import pandas as pd

        if interval is not None:
            self.refuse(f"interval={interval!r}", "prediction intervals come from si.conformal")
        predictor = self._predictor()
        if newdata is None:
            rows = self._own()
            out = np.full(rows.frame.n, np.nan)
            out[rows.rows] = predictor.predict(rows.X, rows.initial)
            return to_caller(pd.DataFrame({"estimate": out}), self.kind, rows.frame.index)
        new, rows = self._new(newdata)
        out = np.full(new.n, np.nan)
        out[rows.rows] = predictor.predict(rows.X, rows.initial)
        return prediction_frame(new, {"estimate": out})

    def _new(self, newdata: Any, **options: Any) -> tuple[Any, LevelRows]:
        if self.recipe is None:
            raise DataError("this fit was made from arrays; it cannot predict from a data frame.")
        if self.initial.lost:
            raise DataError(
                f"this fit was saved without its initial model '{self.initial.name}', which belongs to another library; fit it "
                "again."
            )
        return rows_of_new(self.recipe, newdata, self.initial, **options)

    def _own(self) -> LevelRows:
        if self.own is None:
            raise DataError("this fit holds no rows, as one that was saved or made lean; give newdata.")
        return self.own

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
        names = () if by is None else (by,) if isinstance(by, str) else tuple(by)
        rows = self._measured_rows(newdata, weights, names)
        columns = group_rows(self._predictor(), rows, self.terms, names, per_level, of, level, self.two_valued)
        return to_caller(pd.DataFrame(columns), self.kind)

    def error(self, newdata: Any = None, *, min_rows: int = 20, weights: Any = None) -> Any:
        """Squared error, calibration error, and K2 of every group and column, with standard errors and tests.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with outcomes that the fit has not seen; by default the rows that it held out. These chose the number of
            rounds, which leaves little trace.
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
            both, `statistic`, `df`, `p_value` test that errors are zero on every level set.
        """
        import pandas as pd

        rows = self._measured_rows(newdata, weights)
        _check_rows(min_rows)
        found = error_rows(self._predictor(), rows, self.terms, self.columns, int(min_rows), self.two_valued)
        return to_caller(pd.DataFrame([one.row() for one in found]), self.kind)

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
        return to_caller(pd.DataFrame([found[-1].row()]), self.kind)

    # --- files and showing --------------------------------------------------------------------------------

    def lean(self) -> Self:
        """The same result without the rows of the fit."""
        return replace(self, own=None)

    def _stored(self) -> Self:
        predictor = self.predictor
        if predictor is not None and predictor.foreign:
            predictor = None
        return replace(self.lean(), predictor=predictor, initial=self.initial.stored())

    def glance(self) -> Any:
        """Rows, rounds, levels, and errors of the rows held out, or of all without them; one row."""
        import pandas as pd

        predictor = self.predictor
        one = {
            "nobs": self.nobs,
            "method": self.method,
            "rounds": np.nan if predictor is None else len(predictor.boosted.rounds),
            "mse_initial": self.measured["mse"].initial,
            "mse": self.measured["mse"].estimate,
            "msce_initial": self.measured["msce"].initial,
            "msce": self.measured["msce"].estimate,
        }
        return to_caller(pd.DataFrame({name: [v] for name, v in one.items()}), self.kind)

    def summary(self) -> Table:
        """How boosting went, and errors before and after it."""
        kept = 0 if self.predictor is None else len(self.predictor.boosted.rounds)
        facts = [("Formula", self.formula), ("Rows", str(self.nobs)), ("Held out", str(self.held_out))]
        facts += [("Start", self.initial.name), ("Learner", self.learner)]
        if self.predictor is not None:
            facts += [("Rounds", str(kept)), ("Levels", str(self.predictor.boosted.grid.size))]
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
        names = () if by is None else (by,) if isinstance(by, str) else tuple(by)
        level = check_level(level)
        rows = self._measured_rows(newdata, None, names)
        made = {
            of: group_rows(
                self._predictor(), rows, self.terms, names, kind == "calibration", of, level, self.two_valued
            )
            for of in ("initial", "fitted")
        }
        draw = figures.plot_groups if kind == "groups" else figures.plot_calibration
        return draw(made["initial"] if kind == "groups" else None, made["fitted"], outcome=self.outcome, ax=ax)


def _check_rows(min_rows: Any) -> None:
    if isinstance(min_rows, bool) or not isinstance(min_rows, int | np.integer) or min_rows < 2:
        raise OptionError(f"min_rows={min_rows!r} is a number of rows; it must be a whole number from 2.")
