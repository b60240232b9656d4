"""What `si.veracity` returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.conformity.labelled import labels_of
from statinf.conformity.selection.scores import p_values_from_scores
from statinf.conformity.veracity.clean_fit import CleanFit
from statinf.conformity.veracity.method import VeracityScores
from statinf.errors import DataError, OptionError, StatinfWarning, check_fdr, issue_warning
from statinf.formula.recipe import NewRows
from statinf.inference.discoveries import benjamini_hochberg
from statinf.learners import canonical
from statinf.plotting import selection as figures
from statinf.results import Predictive, Table, format_number, prediction_frame, to_caller

_SHOWN = 8


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Veracity(Predictive):
    """Recorded outcomes with their scores.

    Attributes
    ----------
    scored : VeracityScores
        Scores of the rows used, in units of the outcome's standard deviation, and the models for new rows.
    given : ndarray, shape (n,)
        Outcomes of the rows used.
    centre, unit : float
        Mean and standard deviation of the outcome.
    rows : ndarray of int, shape (n,)
        Their numbers in the caller's frame.
    n_total : int
        Rows of that frame.
    model : str
    data : object
        The caller's frame as it was; not saved.
    """

    scored: VeracityScores
    given: np.ndarray
    centre: float
    unit: float
    rows: np.ndarray
    n_total: int
    index: Any = field(default=None, metadata={"saved": False})
    labels: np.ndarray | None = None
    model: str = "lm"
    data: Any = field(default=None, metadata={"saved": False})
    seed: int = 0

    beside = ("flagged", "refit", "k_hat", "r2_path")
    lacks = ()

    # --- the rows of the data -----------------------------------------------------------------------------

    @property
    def k_hat(self) -> float:
        """Estimated share of wrong outcomes."""
        return self.scored.share

    @property
    def r2_path(self) -> Any:
        """R squared over all rows by the share left out of the fit: columns removed, r2."""
        import pandas as pd

        return to_caller(pd.DataFrame({"removed": self.scored.removed, "r2": self.scored.r_squared}), self.kind)

    @property
    def flagged(self) -> Any:
        """Which rows are likely wrong, shape (rows,) bool, with the data's index; False for rows left out."""
        import pandas as pd

        frame = pd.DataFrame({"flagged": self._spread(self.scored.flagged, False)})
        return to_caller(frame, self.kind, labels_of(self.index, self.labels))["flagged"]

    def tidy(self) -> Any:
        """One row per row of the data, in the caller's kind of data frame and with its index.

        Returns
        -------
        data frame
            `given`, `predicted` (by models without the row), `residual`, `epistemic` (the model's own uncertainty),
            `aleatoric` (the spread of outcomes around it), `score`, `veracity` and `flagged`. NaN for rows left out.
        """
        import pandas as pd

        parts, nan = self.scored.parts, np.nan
        predicted = self.centre + self.unit * parts.predicted
        score = self._score(self.scored.score)
        columns = {
            "given": self._spread(self.given, nan),
            "predicted": self._spread(predicted, nan),
            "residual": self._spread(self.given - predicted, nan),
            "epistemic": self._spread(self.unit * parts.epistemic, nan),
            "aleatoric": self._spread(self.unit * parts.aleatoric, nan),
            "score": self._spread(score, nan),
            "veracity": self._spread(np.exp(-score), nan),
            "flagged": self._spread(self.scored.flagged, False),
        }
        return to_caller(pd.DataFrame(columns), self.kind, labels_of(self.index, self.labels))

    def _score(self, score: np.ndarray) -> np.ndarray:
        """Scores in the outcome's units, which matters for a plain residual alone."""
        return self.unit * score if self.scored.kind == "residual" else score

    def _spread(self, values: np.ndarray, missing: Any) -> np.ndarray:
        out = np.full(self.n_total, missing, dtype=values.dtype)
        out[self.rows] = values
        return out

    def refit(self) -> Any:
        """The model fitted to the rows that are not flagged.

        Returns
        -------
        Fit or CleanFit
            What `si.lm` gives for least squares, its standard errors as if the rows had not been chosen by their outcomes;
            for other models a result with `predict`.
        """
        if canonical(self.model) == "lm":
            if self.data is None:
                raise DataError("A saved result holds no data; call refit() before it is saved.")
            from statinf.models.lm import lm

            keep = np.zeros(self.n_total)
            keep[self.rows] = ~self.scored.flagged
            context = None if self.recipe is None else self.recipe.context
            return lm(self.formula, getattr(self.data, "native", self.data), weights=keep, context=context)
        return CleanFit(
            method=self.model,
            formula=self.formula,
            citation=self.citation,
            nobs=int((~self.scored.flagged).sum()),
            kind=self.kind,
            dropped=self.dropped,
            recipe=self.recipe,
            fitted=self.scored.clean,
            centre=self.centre,
            unit=self.unit,
        )

    # --- new rows -----------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, interval: str | None = None) -> Any:
        """Predictions of the model that was fitted without the rows that filtering left out.

        Parameters
        ----------
        newdata : data frame, optional
            By default the rows of the data, each predicted by models without it.
        interval : None
            There is none; prediction intervals come from `si.conformal`.

        Returns
        -------
        data frame
            `estimate`; NaN for rows that cannot be predicted.
        """
        import pandas as pd

        if interval is not None:
            self.refuse(f"interval={interval!r}", "prediction intervals come from si.conformal")
        if newdata is None:
            estimate = self._spread(self.centre + self.unit * self.scored.parts.predicted, np.nan)
            return to_caller(pd.DataFrame({"estimate": estimate}), self.kind, labels_of(self.index, self.labels))
        new = self.new_rows(newdata, ("covariates",))
        predicted = np.full(new.n, np.nan)
        predicted[new.ok] = self.centre + self.unit * self.scored.detector.mean.predict(_covariates(new)[new.ok])
        return prediction_frame(new, {"estimate": predicted})

    def test(self, newdata: Any, fdr: float = 0.1, *, calibration: Any = None) -> Any:
        """Which recorded outcomes of new rows are errors, with a false discovery rate of at most `fdr`.

        Parameters
        ----------
        newdata : data frame
            Holds the outcome.
        fdr : float
            In (0, 1).
        calibration : data frame, optional
            Rows with right outcomes that the fit has not seen, exchangeable with the right ones among the new rows: then
            the rate holds in finite samples; with some wrong ones among them p-values are too large. Without it the
            out-of-fold scores of the data calibrate, without the rows that are flagged, of which as many stay as are
            expected to be right; then the rate is approximate.

        Returns
        -------
        data frame
            `predicted`, `score`, `p_value` and `flagged`, with the index of the new rows. p-values are NaN for rows without
            outcome or that cannot be predicted.

        Warns
        -----
        StatinfWarning
            Without `calibration`, that the rate is approximate.
        """
        fdr = check_fdr(fdr)
        if calibration is None:
            known = self._own_scores()
            issue_warning(
                "Without calibration= the rows of the fit calibrate: the false discovery rate is approximate. Give rows with "
                "right outcomes that the fit has not seen.",
                StatinfWarning,
            )
        else:
            known = self._new_scores(calibration)[2]
            known = known[~np.isnan(known)]
            if not len(known):
                raise DataError("calibration has no row with an outcome and covariates.")
        new, predicted, score = self._new_scores(newdata)
        usable = np.flatnonzero(~np.isnan(score))
        p, flagged = np.full(new.n, np.nan), np.zeros(new.n, bool)
        p[usable] = p_values_from_scores(-known, -score[usable])
        flagged[usable] = benjamini_hochberg(p[usable], float(fdr))
        return prediction_frame(
            new, {"predicted": predicted, "score": self._score(score), "p_value": p, "flagged": flagged}
        )

    def _own_scores(self) -> np.ndarray:
        """Scores of the rows of the fit that are taken for right, and of the share of those flagged that looks it most."""
        score, flagged = self.scored.score, self.scored.flagged
        suspicious = np.sort(score[flagged])
        return np.append(score[~flagged], suspicious[: int(np.ceil(self.scored.flag_fdr * len(suspicious)))])

    def _new_scores(self, newdata: Any) -> tuple[NewRows, np.ndarray, np.ndarray]:
        """New rows, predictions (m,) and scores (m,) of their outcomes; NaN where there are none."""
        new = self.new_rows(newdata, ("covariates",), response=True)
        outcome = np.asarray(new.response, np.float64)
        predicted, score = np.full(new.n, np.nan), np.full(new.n, np.nan)
        parts = self.scored.detector.parts(_covariates(new)[new.ok])
        predicted[new.ok] = self.centre + self.unit * parts.predicted
        y = (outcome[new.ok] - self.centre) / self.unit
        found = parts.score(self.scored.kind, y, self.scored.floor)
        score[new.ok] = np.where(np.isfinite(y), found, np.nan)
        return new, predicted, score

    def lean(self) -> Self:
        """The same result without the caller's frame."""
        return replace(self, data=None)

    # --- showing ------------------------------------------------------------------------------------------

    def summary(self) -> Table:
        """How many outcomes are flagged, and the most suspicious rows."""
        scored, names = self.scored, labels_of(self.index, self.labels)
        facts = [("Formula", self.formula), ("Rows", str(self.nobs)), ("Model", self.model), ("Score", scored.kind)]
        facts.append(("Flagged", str(int(scored.flagged.sum()))))
        facts.append(("Share wrong", f"{self.k_hat:.3g}"))
        predicted, score = self.centre + self.unit * scored.parts.predicted, self._score(scored.score)
        rows = []
        for i in np.argsort(-scored.score, kind="stable")[:_SHOWN]:
            name = self.rows[i] if names is None else names[self.rows[i]]
            numbers = [format_number(float(v)) for v in (self.given[i], predicted[i], score[i], np.exp(-score[i]))]
            rows.append((str(name), *numbers, "yes" if scored.flagged[i] else ""))
        notes = [f"The {len(rows)} rows with the largest scores; predictions are by models without the row."]
        if self.dropped:
            notes.append(self.dropped_note())
        notes.append(f"Method: {self.citation}.")
        return Table(
            ("row", "given", "predicted", "score", "veracity", "flagged"),
            tuple(rows),
            title="Veracity of recorded outcomes",
            facts=tuple(facts),
            notes=tuple(notes),
        )

    def plot(self, kind: str = "rows", *, ax: Any = None) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"rows", "path"}
            Recorded outcomes over predicted ones, flagged ones marked; R squared by the share of rows left out.
        ax : matplotlib axes, optional
        """
        if kind == "rows":
            predicted = self.centre + self.unit * self.scored.parts.predicted
            return figures.plot_recorded(predicted, self.given, self.scored.flagged, ylabel=self.outcome, ax=ax)
        if kind == "path":
            if not np.isfinite(self.scored.r_squared).any():
                raise OptionError("plot kind='path' needs filter=True at the fit.")
            return figures.plot_path(self.scored.removed, self.scored.r_squared, self.scored.share, ax=ax)
        raise OptionError(f"plot kind={kind!r} is not known for veracity scores; choose 'rows' or 'path'.")


def _covariates(new: NewRows) -> np.ndarray:
    return np.ascontiguousarray(new.part("covariates").without_intercept().values)
