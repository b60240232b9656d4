"""Convex combinations of regression models with exactly optimal cross-validated squared error.

Echtenbruck, Echtenbruck, Batenburg, Baeck, Naujoks and Emmerich (2022), Optimally weighted ensembles of regression
models, arXiv 2206.11263. The estimand is the point of the simplex that minimises E (Y - sum_j w_j f_j(X))^2; the
cross-validated risk of the ensemble is at most that of every single model and of the plain average.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError, one_of
from statinf.formula.design import design
from statinf.formula.recipe import Recipe
from statinf.numerics.programs.simplex_qp import simplex_least_squares
from statinf.quantile.base_models import fit_object
from statinf.quantile.ensemble_core import fold_numbers, folds_of_rows, named_models
from statinf.results import Result, Table, to_caller

CITATION = "Echtenbruck et al. (2022), arXiv 2206.11263"
CONSTRAINTS = ("simplex", "nonneg", "sum1", "none")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Stack(Result):
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
    cv_predictions : ndarray, shape (n, m)
    """

    offers: ClassVar[str] = "predict(), score() and summary()"

    models: tuple[str, ...]
    model_weights: np.ndarray
    risk: np.ndarray
    average_risk: float
    ensemble_risk: float
    kkt: float
    recipe: Recipe
    cv_predictions: np.ndarray = field(metadata={"saved": False})
    fitted: Any = field(default=None, metadata={"saved": False})

    @property
    def support(self) -> tuple[str, ...]:
        """Models of positive weight."""
        return tuple(name for name, w in zip(self.models, self.model_weights, strict=True) if w != 0)

    def predict(self, newdata: Any) -> Any:
        """The ensemble's prediction in the column `fit`, one row out per row in."""
        import pandas as pd

        if self.fitted is None:
            raise DataError("this ensemble holds no fitted models (it was saved, or made from arrays); fit it again.")
        rows = self.recipe.new_rows(newdata)
        X = rows.parts["covariates"].without_intercept().values
        out = np.full(len(X), np.nan)
        if rows.ok.any():
            out[rows.ok] = sum(
                w * self.fitted[name](X[rows.ok])
                for name, w in zip(self.models, self.model_weights, strict=True)
                if w != 0
            )
        return to_caller(pd.DataFrame({"fit": out}), rows.kind, rows.index)

    def score(self, newdata: Any) -> dict[str, float]:
        """Root mean squared error on rows with recorded outcomes, and the rows it is taken over."""
        rows = self.recipe.new_rows(newdata, response=True)
        assert rows.response is not None
        error = rows.response - np.asarray(self.predict(newdata)["fit"])
        error = error[np.isfinite(error)]
        return {"rmse": float(np.sqrt(np.mean(error**2))), "rows": float(len(error))}

    def summary(self) -> Table:
        rows = [(n, w, float(np.sqrt(r))) for n, w, r in zip(self.models, self.model_weights, self.risk, strict=True)]
        rows += [
            ("average", None, float(np.sqrt(self.average_risk))),
            ("ensemble", None, float(np.sqrt(self.ensemble_risk))),
        ]
        facts = (("Formula", self.formula), ("Rows", str(self.nobs)))
        notes = (
            "Errors are cross-validated; the ensemble's own is optimistic by the choice of weights.",
            f"Method: {CITATION}.",
        )
        return Table.of(("model", "weight", "RMSE"), rows, title="Stacked regressions", facts=facts, notes=notes)

    @property
    def std_errors(self) -> Any:
        raise self._no_standard_errors("standard errors of weights at the edge of the simplex")


def stack_weights(P: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, constraint: str = "simplex") -> np.ndarray:
    """Weights that minimise the weighted squared error of P @ weights.

    Parameters
    ----------
    P : (n, m)
        Cross-validated predictions.
    y : (n,)
    w : (n,), optional
    constraint : {"simplex", "nonneg", "sum1", "none"}
    """
    one_of("constraint", constraint, CONSTRAINTS)
    w = np.ones(len(y)) if w is None else w
    if constraint in ("simplex", "sum1"):
        E = y[:, None] - P
        C = (E * w[:, None]).T @ E
        if constraint == "simplex":
            return simplex_least_squares(C)
        ridge = 1e-12 * np.trace(C) / len(C) * np.eye(len(C))
        raw = np.linalg.solve(C + ridge, np.ones(len(C)))
        return raw / raw.sum()
    root = np.sqrt(w)
    if constraint == "none":
        return np.linalg.lstsq(P * root[:, None], y * root, rcond=None)[0]
    from scipy.optimize import nnls

    return nnls(P * root[:, None], y * root)[0]


def stack(
    formula: str,
    data: Any,
    *,
    models: Any,
    folds: Any = 10,
    constraint: str = "simplex",
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> Stack:
    """Combine regression models with the smallest cross-validated squared error.

    Parameters
    ----------
    formula : str
        `outcome ~ features`.
    data : data frame
    models : sequence or mapping of names to models
        "lm", objects with scikit-learn's `fit` and `predict` (copied, never changed), or arrays of cross-validated
        predictions, one a row of the data.
    folds : int or array of shape (rows,)
    constraint : {"simplex", "nonneg", "sum1", "none"}
        On the weights.
    weights : array, str or Weights, optional
        Row weights of the squared error; taken as fixed.
    seed : int
    na_action : {"drop", "raise"}
    context : mapping, optional

    Returns
    -------
    Stack

    Examples
    --------
    >>> import numpy as np
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> fit = si.stack("mpg ~ wt + hp", data, models={"lm": "lm", "mean": np.full(32, data.mpg.mean())[:0]})
    Traceback (most recent call last):
    ...
    statinf.errors.DataError: the predictions of 'mean' have shape (0,); give one for each of the 32 rows.
    >>> si.stack("mpg ~ wt + hp", data, models=["lm"]).model_weights
    array([1.])
    """
    check_seed(seed)
    one_of("constraint", constraint, CONSTRAINTS)
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    use = made.weights > 0
    X, y, w = made.parts[0].without_intercept().values[use], made.y[use], made.weights[use]
    specs = named_models(models)
    numbers = fold_numbers(len(y), folds_of_rows(folds, made, made.rows[use]), seed)
    P, fitted = np.empty((len(y), len(specs))), {}
    for j, (name, spec) in enumerate(specs.items()):
        if isinstance(spec, np.ndarray):
            if spec.shape != (made.n_total,):
                raise DataError(
                    f"the predictions of '{name}' have shape {spec.shape}; give one for each of the {made.n_total} rows."
                )
            P[:, j] = spec[made.rows][use]
            continue
        for k in range(int(numbers.max()) + 1):
            out = numbers == k
            P[out, j] = _fit(spec, X[~out], y[~out], w[~out])(X[out])
        fitted[name] = _fit(spec, X, y, w)
    if not np.isfinite(P).all():
        bad = tuple(specs)[int(np.argmax(~np.isfinite(P).all(axis=0)))]
        raise DataError(f"the model '{bad}' predicts values that are not numbers.")
    chosen = stack_weights(P, y, w, constraint)
    E = y[:, None] - P
    share = w / w.sum()
    C = (E * share[:, None]).T @ E
    slope = C @ chosen
    ensemble = float(share @ (y - P @ chosen) ** 2)
    kkt = float(max(0.0, (chosen @ slope - slope).max()) / max(ensemble, 1e-300)) if constraint == "simplex" else np.nan
    return Stack(
        method="stack",
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=len(y),
        models=tuple(specs),
        model_weights=chosen,
        risk=np.diag(C).copy(),
        average_risk=float(share @ (y - P.mean(axis=1)) ** 2),
        ensemble_risk=ensemble,
        kkt=kkt,
        recipe=made.recipe,
        kind=made.kind,
        cv_predictions=P,
        fitted=fitted if len(fitted) == len(specs) else None,
    )


def _fit(model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    if isinstance(model, str):
        if model != "lm":
            raise OptionError(f"models: {model!r} is not known; give 'lm' or an object with fit and predict.")
        root = np.sqrt(w)
        coef = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]) * root[:, None], y * root, rcond=None)[0]
        return lambda new: coef[0] + new @ coef[1:]
    made = fit_object(model, X, y, w)
    name = type(model).__name__

    def predicted(new: np.ndarray) -> np.ndarray:
        out = np.asarray(made.predict(new), float)
        if out.size != len(new):
            raise DataError(f"models: {name} predicts {out.shape} values for {len(new)} rows; give one per row.")
        return out.ravel()

    return predicted
