"""`Stack`: regression models combined with fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.results import Predictive, Table, prediction_frame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Stack(Predictive):
    """A weighted ensemble of regression models.

    Attributes
    ----------
    models : tuple of str
    model_weights : ndarray, shape (m,)
    risk : ndarray, shape (m,)
        Cross-validated mean squared error of each model.
    average_risk, ensemble_risk : float
        Of the plain average, and of the ensemble.
    kkt : float
        Largest violation of the optimality conditions, relative to the ensemble's risk (simplex only).
    cv_predictions : ndarray, shape (n, m), or None in a stack that was read from a file
    fitted : mapping of str to fitted learner, or None
        On all rows; None where arrays were given, and in a file if one belongs to another library.
    """

    beside: ClassVar[tuple[str, ...]] = ("score",)

    models: tuple[str, ...]
    model_weights: np.ndarray
    risk: np.ndarray
    average_risk: float
    ensemble_risk: float
    kkt: float
    cv_predictions: np.ndarray | None = field(default=None, metadata={"saved": False})
    fitted: Mapping[str, Any] | None = None

    @property
    def support(self) -> tuple[str, ...]:
        """Models of positive weight."""
        return tuple(name for name, w in zip(self.models, self.model_weights, strict=True) if w != 0)

    def predict(self, newdata: Any = None, *, interval: str | None = None) -> Any:
        """The ensemble's prediction in the column `estimate`, one row out per row in; there are no intervals."""
        if interval is not None:
            self.refuse(f"interval={interval!r}", "the theory is of its risk")
        if newdata is None:
            raise OptionError(
                "predict(newdata) needs rows; cv_predictions holds what is predicted for the stack's own."
            )
        if self.fitted is None:
            raise DataError(
                "this stack holds no fitted models: it was made from arrays, or saved with models of another library; "
                "fit it again."
            )
        rows = self.new_rows(newdata)
        X = rows.parts["covariates"].without_intercept().values
        out = np.full(len(X), np.nan)
        if rows.ok.any():
            out[rows.ok] = sum(
                w * self.fitted[name].predict(X[rows.ok])
                for name, w in zip(self.models, self.model_weights, strict=True)
                if w != 0
            )
        return prediction_frame(rows, {"estimate": out})

    def _stored(self) -> Self:
        fitted = self.fitted or {}
        foreign = any(getattr(one, "foreign", None) is not None for one in fitted.values())
        return replace(self, cv_predictions=None, fitted=None if foreign else self.fitted)

    def score(self, newdata: Any) -> dict[str, float]:
        """Root mean squared error on rows with recorded outcomes, and the rows it is taken over."""
        rows = self.new_rows(newdata, response=True)
        assert rows.response is not None
        error = rows.response - np.asarray(self.predict(newdata)["estimate"])
        error = error[np.isfinite(error)]
        return {"rmse": float(np.sqrt(np.mean(error**2))), "rows": float(len(error))}

    def plot(self, **options: Any) -> Any:
        """Cross-validated errors and weights of the models, beside their average and the ensemble; returns matplotlib axes."""
        from statinf.plotting.ensembles import plot_stack

        errors = np.sqrt(self.risk)
        average, ensemble = float(np.sqrt(self.average_risk)), float(np.sqrt(self.ensemble_risk))
        return plot_stack(self.models, self.model_weights, errors, average, ensemble, **options)

    def summary(self) -> Table:
        rows = [(n, w, float(np.sqrt(r))) for n, w, r in zip(self.models, self.model_weights, self.risk, strict=True)]
        rows += [
            ("average", None, float(np.sqrt(self.average_risk))),
            ("ensemble", None, float(np.sqrt(self.ensemble_risk))),
        ]
        facts = (("Formula", self.formula), ("Rows", str(self.nobs)))
        notes = (
            "Errors are cross-validated; the ensemble's own is optimistic by the choice of weights.",
            f"Method: {self.citation}.",
        ) + ((self.dropped_note(),) if self.dropped else ())
        return Table.of(("model", "weight", "RMSE"), rows, title="Stacked regressions", facts=facts, notes=notes)
