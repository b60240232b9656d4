"""A fitted level-set boosting: what it learnt, its predictions, its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.conformity.multicalibration.boosting import BoostPath
from statinf.conformity.multicalibration.groups import GroupTerm
from statinf.conformity.multicalibration.initial import Initial
from statinf.conformity.multicalibration.linear_levels import LinearLevels
from statinf.conformity.multicalibration.measuring import Measured
from statinf.conformity.multicalibration.predictor import LevelPredictor
from statinf.conformity.multicalibration.reading import LevelRows, rows_of_new
from statinf.errors import DataError
from statinf.results import Predictive, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BoostedFit(Predictive):
    """Level-set boosting that predicts.

    Attributes
    ----------
    predictor : LevelPredictor or None
        None in a file if a model of another library belongs to it.
    boost_path : BoostPath
    initial : Initial
        Where boosting started.
    groups : tuple of GroupTerm
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
    groups: tuple[GroupTerm, ...]
    columns: tuple[str, ...]
    learner: str
    min_rows: int
    two_valued: bool
    measured: Mapping[str, Measured]
    held_out: int
    own: LevelRows | None = field(default=None, metadata={"saved": False})

    # --- what was fitted ----------------------------------------------------------------------------------

    @property
    def rounds(self) -> int:
        """Number of rounds kept."""
        return self.boost_path.kept

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
        if self.predictor is None:
            raise DataError(
                f"this fit was saved without its models, which belong to another library (start {self.initial.name!r}, learner "
                f"{self.learner!r}); fit it again."
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
            assert rows.fitted is not None
            out[rows.rows] = predictor.low + predictor.unit * rows.fitted
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

    # --- files --------------------------------------------------------------------------------------------

    def lean(self) -> Self:
        """The same result without the rows of the fit."""
        return replace(self, own=None)

    def _stored(self) -> Self:
        predictor = self.predictor
        if predictor is not None and predictor.foreign:
            predictor = None
        return replace(self.lean(), predictor=predictor, initial=self.initial.stored())
