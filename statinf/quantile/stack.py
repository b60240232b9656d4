"""Convex combinations of regression models with exactly optimal cross-validated squared error.

Echtenbruck, Echtenbruck, Batenburg, Baeck, Naujoks and Emmerich (2022), Optimally weighted ensembles of regression
models, arXiv 2206.11263. The estimand is the point of the simplex that minimises E (Y - sum_j w_j f_j(X))^2; the
cross-validated risk of the ensemble is at most that of every single model and of the plain average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import progress_bar, reporting
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, one_of
from statinf.formula.design import design
from statinf.formula.scale import check_sizes
from statinf.learners import resolve
from statinf.learners.nuisance import over_mean
from statinf.numerics.programs.simplex_qp import simplex_least_squares
from statinf.quantile.ensemble_core import fold_numbers, folds_of_rows, named_models, on_rows
from statinf.quantile.stack_result import Stack
from statinf.quantile.table import STACK
from statinf.results import Method, Options, choice

CONSTRAINTS = ("simplex", "nonneg", "sum1", "none")


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


@dataclass(frozen=True, kw_only=True)
class StackOptions(Options):
    """Options of `si.stack`."""

    constraint: str = choice("simplex", CONSTRAINTS, "what the weights must satisfy")


@dataclass(frozen=True)
class StackProblem:
    """Rows of positive weight: X (n, d), y (n,), w (n,), fold numbers (n,); models are learners or arrays (n,)."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    folds: np.ndarray
    models: Mapping[str, Any]
    seed: int


def estimate(problem: StackProblem, options: StackOptions) -> dict[str, Any]:
    """The fields of a `Stack`: weights, risks, cross-validated predictions and the models on all rows."""
    y, w = problem.y, problem.w
    P, fitted = _cross_validated(problem)
    chosen = stack_weights(P, y, w, options.constraint)
    E = y[:, None] - P
    share = w / w.sum()
    C = (E * share[:, None]).T @ E
    slope = C @ chosen
    ensemble = float(share @ (y - P @ chosen) ** 2)
    simplex = options.constraint == "simplex"
    return {
        "model_weights": chosen,
        "risk": np.diag(C).copy(),
        "average_risk": float(share @ (y - P.mean(axis=1)) ** 2),
        "ensemble_risk": ensemble,
        "kkt": float(max(0.0, (chosen @ slope - slope).max()) / max(ensemble, 1e-300)) if simplex else np.nan,
        "cv_predictions": P,
        "fitted": fitted if len(fitted) == len(problem.models) else None,
    }


def _cross_validated(problem: StackProblem) -> tuple[np.ndarray, dict[str, Any]]:
    """Predictions (n, m) of every row without its fold, and the models fitted on all rows."""
    X, y, w = problem.X, problem.y, problem.w
    P, fitted = np.empty((len(y), len(problem.models))), {}
    for j, (name, model) in enumerate(problem.models.items()):
        if isinstance(model, np.ndarray):
            P[:, j] = model
            continue
        for k in progress_bar(range(int(problem.folds.max()) + 1), label=f"folds of {name}"):
            out = problem.folds == k
            made = model.fit(X[~out], y[~out], w[~out], seed=problem.seed)
            P[out, j] = _predicted(made, X[out], name)
        fitted[name] = model.fit(X, y, w, seed=problem.seed)
    if not np.isfinite(P).all():
        bad = tuple(problem.models)[int(np.argmax(~np.isfinite(P).all(axis=0)))]
        raise DataError(f"the model '{bad}' predicts values that are not numbers.")
    return P, fitted


def _predicted(made: Any, X: np.ndarray, name: str) -> np.ndarray:
    try:
        return np.asarray(made.predict(X), float).reshape(len(X))
    except ValueError as error:
        raise DataError(f"the model '{name}' does not predict one number per row ({error}).") from error


METHOD = Method(
    verb="stack",
    name="",
    estimate=estimate,
    options=StackOptions,
    summary="regression models combined with the smallest cross-validated squared error",
    citation="Echtenbruck, Echtenbruck, Batenburg, Baeck, Naujoks and Emmerich (2022)",
    arxiv="2206.11263",
    guarantee="cross-validated risk at most that of every model and of their average",
    vignette="quantile-aggregation",
    traits={"row order": "folds are drawn by the position of rows"},
)


@STACK.document
def stack(
    formula: str,
    data: Any,
    *,
    models: Any,
    folds: Any = 5,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Stack:
    """Combine regression models with the smallest cross-validated squared error.

    Parameters
    ----------
    formula : str
        `outcome ~ features`.
    data : data frame
    models : sequence or mapping of names to models
        Names of learners of a mean, such as "lm", "ridge", "forest"; objects with `fit(X, y)` and `predict(X)` (copied,
        never changed); or arrays of cross-validated predictions, one per row of the data.
    folds : int or array of shape (rows,)
    weights : array, str or Weights, optional
        Row weights of the squared error; taken as fixed.
    seed : int
    na_action : {"drop", "raise"}
    context : mapping, optional
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    Stack
        `model_weights`, `support`, `predict`, `score`; `risk` of every model, `average_risk` and `ensemble_risk`.

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data, a model or an option cannot be used.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> fit = si.stack("mpg ~ wt + hp", data, models=["lm", "spline"])
    >>> fit.model_weights.round(2)
    array([0.51, 0.49])

    Cross-validated predictions that were made elsewhere, one for each row, count as a model too:

    >>> made = fit.cv_predictions[:, 1]
    >>> si.stack("mpg ~ wt + hp", data, models={"lm": "lm", "made": made}).model_weights.round(2)
    array([0.51, 0.49])
    """
    method, settings = STACK.read("", options)
    check_seed(seed)
    specs = {
        k: s if isinstance(s, np.ndarray) else resolve(s, "mean", "models") for k, s in named_models(models).items()
    }
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    made.refuse_offset("a stack of regression models takes")
    check_sizes(made)
    specs = on_rows(specs, models, made.frame)
    use = made.weights > 0
    for name, spec in specs.items():
        if isinstance(spec, np.ndarray) and spec.shape != (made.n_total,):
            raise DataError(
                f"the predictions of '{name}' have shape {spec.shape}; give one for each of the {made.n_total} rows."
            )
    y = made.y[use]
    problem = StackProblem(
        made.parts[0].without_intercept().values[use],
        y,
        over_mean(made.weights[use]),
        fold_numbers(len(y), folds_of_rows(folds, made, made.rows[use]), seed),
        {name: spec[made.rows][use] if isinstance(spec, np.ndarray) else spec for name, spec in specs.items()},
        seed,
    )
    with reporting(progress):
        return Stack(
            method=method.verb,
            formula=made.recipe.formula,
            citation=method.reference,
            nobs=len(y),
            models=tuple(specs),
            recipe=made.recipe,
            kind=made.kind,
            dropped=made.dropped,
            **method.estimate(problem, settings),
        )
