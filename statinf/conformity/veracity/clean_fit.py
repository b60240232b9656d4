"""The model of veracity scores, fitted without the rows that are likely wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.results import Predictive, Table, prediction_frame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CleanFit(Predictive):
    """A fitted learner that predicts.

    Attributes
    ----------
    fitted : object
        With `predict`, for the outcome less `centre`, over `unit`.
    centre, unit : float
    """

    fitted: Any
    centre: float
    unit: float

    def predict(self, newdata: Any) -> Any:
        """`estimate` for new rows; NaN for rows that cannot be predicted."""
        new = self.new_rows(newdata, ("covariates",))
        X = np.ascontiguousarray(new.part("covariates").without_intercept().values)
        found = np.full(new.n, np.nan)
        found[new.ok] = self.centre + self.unit * np.asarray(self.fitted.predict(X[new.ok]), np.float64)
        return prediction_frame(new, {"estimate": found})

    def summary(self) -> Table:
        """The model and the rows that it was fitted to."""
        facts = (("Formula", self.formula), ("Model", self.method), ("Rows", str(self.nobs)))
        rows = ((self.method, str(self.nobs)),)
        return Table(("model", "rows"), rows, title="Fit to the rows that are not flagged", facts=facts)
