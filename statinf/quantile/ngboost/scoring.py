"""A boosted law's rows, and how it scores on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import DataError
from statinf.learners.boosted_law import BoostedLaw
from statinf.quantile.ngboost.problem import outcome_of
from statinf.quantile.ngboost.rows import LawRows
from statinf.results import Predictive, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScoredLaw(Predictive):
    """A conditional law for each row, with its scores.

    Attributes
    ----------
    dist, score : str
    iterations : int
        Base learners that predictions use: with early stopping those up to the best.
    levels : tuple
        The classes of a categorical outcome; empty for others.
    features : tuple of str
    fitted : BoostedLaw
    data : data frame or None
        The caller's, by reference; left out of files.
    """

    dist: str
    score: str
    iterations: int
    levels: tuple[Any, ...]
    features: tuple[str, ...]
    fitted: BoostedLaw
    data: Any = field(default=None, metadata={"saved": False})

    # --- rows ---------------------------------------------------------------------------------------------

    def _rows(self, newdata: Any, response: bool = False) -> LawRows:
        """Features of rows that can be predicted and, where asked for, have an outcome."""
        if newdata is None and self.data is None:
            raise DataError("a saved fit holds no data; give newdata.")
        found = self.new_rows(self.data if newdata is None else newdata, response=response)
        ok, y, event = found.ok, None, None
        if response:
            assert found.response is not None
            given = found.response
            known = given >= 0 if self.levels else np.isfinite(given.reshape(len(given), -1)).all(axis=1)
            ok = ok & known
            if ok.any():
                y, event = outcome_of(given[ok], self.recipe.response if self.recipe else (), self.fitted.law)
            else:
                y = np.empty(0)
        X = found.parts["covariates"].without_intercept().values[ok]
        return LawRows(found, ok, np.asarray(X, np.float64), y, event)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes as columns are named."""
        return tuple(map(str, self.levels))

    def _no_classes(self, what: str) -> None:
        if self.levels:
            self.refuse(what, "its outcome is made of classes, whose probabilities predict() gives")

    # --- scores -------------------------------------------------------------------------------------------

    def logpdf(self, newdata: Any = None) -> np.ndarray:
        """Log density, or log probability, of the recorded outcomes, shape (rows,); NaN where there is none.

        Of a time that is known to be longer, the log probability of that.
        """
        rows = self._rows(newdata, response=True)
        assert rows.y is not None
        if self.levels:
            every = np.column_stack(list(self.fitted.parameters(rows.X).values()))
            return rows.spread(np.log(every[np.arange(len(rows.y)), rows.y.astype(int)]))
        law = self.fitted.frozen(rows.X)
        found = law.logpmf(rows.y) if self.fitted.law.kind == "count" else law.logpdf(rows.y)
        return rows.spread(found if rows.event is None else np.where(rows.event > 0, found, law.logsf(rows.y)))

    def scores(self, newdata: Any = None) -> Any:
        """Scores of the recorded outcomes; small is good.

        Returns
        -------
        data frame
            `log`, minus `logpdf`, and `crps`: of classes half the Brier score, of times that are known to be longer the
            integral of the squared distribution function up to there.
        """
        columns = {"log": -self.logpdf(newdata)}
        rows = self._rows(newdata, response=True)
        assert rows.y is not None
        learner = replace(self.fitted.setting, score="crps", metric="riemann")
        columns["crps"] = rows.spread(replace(self.fitted, setting=learner).scores(rows.X, rows.y, rows.event))
        return prediction_frame(rows.new, columns)

    def staged(self, newdata: Any = None) -> Any:
        """Mean score by number of iterations, from the marginal law on.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with outcomes; without it the path of the fit.

        Returns
        -------
        data frame
            `iteration` and `score` of the new rows, or `training` and, with early stopping, `validation`.
        """
        import pandas as pd

        if newdata is None:
            path = self.fitted.path
            made = {"iteration": np.arange(len(path)), "training": path[:, 0]}
            if np.isfinite(path[:, 1]).any():
                made["validation"] = path[:, 1]
            return to_caller(pd.DataFrame(made), self.kind)
        found, kind = self._staged(newdata)
        return to_caller(pd.DataFrame({"iteration": np.arange(len(found)), "score": found}), kind)

    def _staged(self, newdata: Any) -> tuple[np.ndarray, str]:
        """Mean score of new rows by number of iterations (iterations + 1,), and their kind of data frame."""
        rows = self._rows(newdata, response=True)
        if rows.y is None or not len(rows.y):
            raise DataError("no row has an outcome to score.")
        return self.fitted.staged(rows.X, rows.y, np.ones(len(rows.y)), rows.event), rows.new.kind

    def pit(self, newdata: Any = None, *, seed: int = 0) -> np.ndarray:
        """Probability integral transforms of the recorded outcomes, shape (rows,): uniform where the law is right.

        Of counts, and of times that are known to be longer, a uniform draw from the interval that the transform lies in.
        """
        self._no_classes("probability integral transform")
        rows = self._rows(newdata, response=True)
        assert rows.y is not None
        law = self.fitted.frozen(rows.X)
        high = low = law.cdf(rows.y)
        if self.fitted.law.kind == "count":
            low = law.cdf(rows.y - 1.0)
        if rows.event is not None:
            high = np.where(rows.event > 0, high, 1.0)
        return rows.spread(low + generator(check_seed(seed), 67).random(len(low)) * (high - low))
