"""`QuantileEnsemble`: what a fitted ensemble of quantile models predicts, how it scores, and how it is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.frame import Frame
from statinf.formula.given import aligned
from statinf.inference.levels import positions
from statinf.quantile.ensemble_calibration import CrossCalibration, SplitCalibration
from statinf.quantile.ensemble_core import EnsembleCore
from statinf.quantile.scores import QuantileScores, score_quantiles
from statinf.results import Predictive, Table, prediction_frame, to_caller
from statinf.results.reach import footer


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileEnsemble(Predictive):
    """A fitted ensemble of quantile models.

    Attributes
    ----------
    tau : ndarray, shape (m,)
    models : tuple of str
        Names of the base models.
    resolution : {"coarse", "medium", "fine"}
    local : bool
    noncrossing, calibrate : str or None
    out_of_fold_loss : dict of str to float
        Weighted mean pinball loss of each base model's out-of-fold predictions, of their average and their median.
    core : EnsembleCore
        Base models, aggregation weights and the scales of features and outcome.
    given : ndarray
        Levels in the order in which `tau` was given: that of the columns of base predictions handed in and out.
    calibration : SplitCalibration, CrossCalibration or None
    """

    beside: ClassVar[tuple[str, ...]] = ("score", "compare", "weights", "base_predictions")

    tau: np.ndarray
    models: tuple[str, ...]
    resolution: str
    local: bool
    noncrossing: str | None
    calibrate: str | None
    out_of_fold_loss: dict[str, float]
    core: EnsembleCore
    given: np.ndarray
    calibration: SplitCalibration | CrossCalibration | None = None

    @property
    def certified_as(self) -> tuple[str, ...]:
        return (self.calibrate or "not calibrated",)

    def _rows(
        self, newdata: Any, predictions: Any, response: bool = False
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        rows = self.new_rows(newdata, response=response)
        X = rows.parts["covariates"].without_intercept().values
        return rows, X, None if predictions is None else self._given(predictions, rows.frame)

    def _given(self, predictions: Any, frame: Frame) -> np.ndarray:
        """Base predictions handed over for the rows of a frame, shape (n, J, m)."""
        if not isinstance(predictions, Mapping) or set(predictions) != set(self.models):
            raise OptionError(f"predictions: give a mapping with an array for each of {', '.join(self.models)}.")
        arrays = {
            name: np.asarray(aligned(predictions[name], frame, f"predictions[{name!r}]"), float) for name in self.models
        }
        for name, array in arrays.items():
            if array.shape != (frame.n, len(self.given)):
                raise DataError(
                    f"the predictions of '{name}' have shape {array.shape}; give {frame.n} rows and {len(self.given)} levels."
                )
        return np.stack(list(arrays.values()), axis=1)[:, :, positions(self.given, self.tau)]

    def _as_given(self, Z: np.ndarray) -> dict[str, np.ndarray]:
        """Base predictions (n, J, m) by model, with columns in the order of `given`."""
        columns = np.searchsorted(self.tau, self.given)
        return {name: Z[:, j][:, columns] for j, name in enumerate(self.models)}

    def _predicted(self, X: np.ndarray, ok: np.ndarray, Z: np.ndarray | None) -> np.ndarray:
        out = np.full((len(X), len(self.tau)), np.nan)
        some = None if Z is None else Z[ok]
        if ok.any():
            how = self.calibration
            out[ok] = self.core.predict(X[ok], some) if how is None else how(self.core, X[ok], some)
        return out

    def predict(
        self, newdata: Any = None, *, predictions: Mapping[str, Any] | None = None, interval: str | None = None
    ) -> Any:
        """Conditional quantiles, one row out per row in, one column per level named "q0.1".

        Parameters
        ----------
        newdata : data frame
        predictions : mapping of str to array of shape (rows, m), optional
            Base predictions for these rows, where the ensemble was made from arrays; columns in the order of `given`.
        interval : None
            Two levels are the ends of an interval: there is no other.
        """
        if interval is not None:
            self.refuse(f"interval={interval!r}", "its levels are the ends of intervals")
        if newdata is None:
            raise OptionError(
                "predict(newdata) needs rows; out_of_fold holds what is predicted for the ensemble's own."
            )
        rows, X, Z = self._rows(newdata, predictions)
        q = self._predicted(X, rows.ok, Z)
        return prediction_frame(rows, {f"q{t:g}": q[:, k] for k, t in enumerate(self.tau)})

    @property
    def out_of_fold(self) -> dict[str, np.ndarray]:
        """Out-of-fold quantiles (n, m) of each base model, on the rows that the weights were learnt from."""
        if self.core.out_of_fold is None:
            raise DataError("a saved ensemble leaves its out-of-fold predictions out; fit it again to have them.")
        return self._as_given(self.core.out_of_fold)

    def base_predictions(self, newdata: Any) -> dict[str, np.ndarray]:
        """Quantiles (rows, m) of each base model, refitted on all rows; NaN for rows that cannot be predicted."""
        rows, X, _ = self._rows(newdata, None)
        Z = np.full((len(X), len(self.models), len(self.tau)), np.nan)
        Z[rows.ok] = self.core.base(X[rows.ok])
        return self._as_given(Z)

    def weights(self, newdata: Any) -> np.ndarray:
        """Aggregation weights of rows, shape (n, J), (n, J, m) or (n, J, m, m) with the output level last."""
        _, X, _ = self._rows(newdata, None)
        return self.core.aggregator.at((X - self.core.centre) / self.core.spread, len(self.models))

    def score(self, newdata: Any, *, predictions: Mapping[str, Any] | None = None) -> QuantileScores:
        """Scores of the ensemble's quantiles on rows with recorded outcomes."""
        rows, X, Z = self._rows(newdata, predictions, response=True)
        assert rows.response is not None
        return score_quantiles(rows.response, self._predicted(X, rows.ok, Z), self.tau, kind=rows.kind)

    def compare(self, newdata: Any, *, predictions: Mapping[str, Any] | None = None) -> Any:
        """Base models, their average and median, and the ensemble, scored on rows with recorded outcomes.

        Returns
        -------
        data frame
            Columns model, pinball, wis, miscoverage (mean distance of the coverage of quantiles from their level) and
            crossing (share of neighbouring pairs of levels in the wrong order).
        """
        import pandas as pd

        rows, X, Z = self._rows(newdata, predictions, response=True)
        assert rows.response is not None
        ok = rows.ok & np.isfinite(rows.response)
        y, X = rows.response[ok], X[ok]
        Z = self.core.base(X) if Z is None else Z[ok]
        entries = {name: Z[:, j] for j, name in enumerate(self.models)}
        entries |= {"average": Z.mean(axis=1), "median": np.median(Z, axis=1)}
        entries["ensemble, unordered"] = self.core.aggregate(X, Z)
        entries["ensemble"] = self.core.predict(X, Z)
        if self.calibration is not None:
            entries["ensemble, calibrated"] = self.calibration(self.core, X, Z)
        scores = {name: score_quantiles(y, q, self.tau) for name, q in entries.items()}
        frame = pd.DataFrame(
            {
                "model": list(scores),
                "pinball": [s.pinball.mean() for s in scores.values()],
                "wis": [s.wis for s in scores.values()],
                "miscoverage": [np.abs(s.coverage - self.tau).mean() for s in scores.values()],
                "crossing": [s.crossing for s in scores.values()],
            }
        )
        return to_caller(frame, rows.kind)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the ensemble to a file; `statinf.load` gives one that predicts.

        Out-of-fold predictions stay out of the file. A quantile forest is its training outcomes and leaves, and CV+ its
        scores: with these the file grows with the number of rows.

        Raises
        ------
        DataError
            If a base model is an object of another library, whose state only that library can write.
        """
        cores = (self.core, *(self.calibration.cores if isinstance(self.calibration, CrossCalibration) else ()))
        foreign = {
            f"'{name}' ({foreign})": None
            for core in cores
            for name, one in zip(core.names, core.predictors or (), strict=False)
            if (foreign := getattr(one, "foreign", None)) is not None
        }
        if foreign:
            raise DataError(
                f"the base models {', '.join(foreign)} belong to another library and are not written to a file that "
                "is read without running code. fit.lean().save(path) keeps the ensemble without base models, which "
                "predicts from theirs: predict(newdata, predictions={name: array}); pickle keeps everything."
            )
        return super().save(path)

    def _stored(self) -> Self:
        return self

    def lean(self) -> Self:
        """The ensemble without its base models: it predicts where their predictions are handed over.

        Raises
        ------
        NotIdentifiedError
            With calibrate="cv+", whose intervals come from base models refitted without each fold.
        """
        if isinstance(self.calibration, CrossCalibration):
            raise NotIdentifiedError("calibrate='cv+' predicts with refitted base models; use calibrate='cqr'.")
        return replace(self, core=replace(self.core, predictors=None, out_of_fold=None))

    def summary(self) -> Table:
        best = min(self.out_of_fold_loss, key=self.out_of_fold_loss.__getitem__)
        rows = [(name, loss, loss / self.out_of_fold_loss[best]) for name, loss in self.out_of_fold_loss.items()]
        facts = (
            ("Formula", self.formula),
            ("Rows", str(self.nobs)),
            ("Levels", str(len(self.tau))),
            ("Weights", f"{'local' if self.local else 'global'}, {self.resolution}"),
            ("Monotone", self.noncrossing or "not enforced"),
            ("Calibration", self.calibrate or "none"),
        )
        notes = (
            "Out-of-fold losses; score the ensemble itself on new rows: fit.compare(newdata).",
            f"Method: {self.citation}.",
            *footer(self),
        ) + ((self.dropped_note(),) if self.dropped else ())
        return Table.of(
            ("model", "pinball loss", "over the best"), rows, title="Quantile ensemble", facts=facts, notes=notes
        )

    def plot(self, newdata: Any = None, **options: Any) -> Any:
        """Calibration of the ensemble's quantiles on rows with recorded outcomes."""
        if newdata is None:
            raise OptionError("plot(newdata) shows calibration on rows that the ensemble has not seen; give them.")
        return self.score(newdata).plot(**options)
