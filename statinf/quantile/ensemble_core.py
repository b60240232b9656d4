"""An ensemble of quantile models on arrays: out-of-fold predictions of the base models, then aggregation weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import Frame
from statinf.formula.given import aligned
from statinf.learners.nuisance import over_mean
from statinf.numerics.order.monotone import monotone
from statinf.quantile.aggregation import Aggregator, check_predictions, fit_aggregator
from statinf.quantile.base_models import LearntQuantiles, Predictor, check_object, fit_base, learner
from statinf.quantile.ensemble_options import EnsembleOptions


@dataclass(frozen=True)
class EnsembleTask:
    """What an ensemble is to learn, the same for the ensemble and its refits without a fold.

    tau : (m,) levels, increasing; given : (m',) levels in the order of the columns that objects predict; models : by name.
    """

    tau: np.ndarray
    given: np.ndarray
    models: Mapping[str, Any]
    options: EnsembleOptions
    seed: int


@dataclass(frozen=True, repr=False)
class EnsembleCore(Brief):
    """A fitted ensemble.

    Attributes
    ----------
    tau : ndarray, shape (m,)
    names : tuple of str
        Of the base models.
    noncrossing : str or None
    predictors : tuple of callable, or None
        Base models refitted on all rows; None where predictions were given as arrays.
    aggregator : Aggregator
    centre, spread : ndarray, shape (d,)
        Of the features.
    location, scale : float
        Of the outcome, on whose standardised scale weights are learnt.
    out_of_fold : ndarray, shape (n, J, m), or None in an ensemble that was read from a file
    """

    tau: np.ndarray
    names: tuple[str, ...]
    noncrossing: str | None
    predictors: tuple[Predictor, ...] | None
    aggregator: Aggregator
    centre: np.ndarray
    spread: np.ndarray
    location: float
    scale: float
    out_of_fold: np.ndarray | None = field(default=None, metadata={"saved": False})

    def base(self, X: np.ndarray) -> np.ndarray:
        """Base predictions (n, J, m) at features X."""
        if self.predictors is None:
            raise DataError(
                "the ensemble holds no base models (they were given as arrays, or left out by lean()); hand over their "
                "predictions for these rows: predictions={name: array}."
            )
        scaled = (X - self.centre) / self.spread
        Z = np.stack([one(scaled) for one in self.predictors], axis=1)
        check_predictions(Z, self.tau, self.names)
        return Z

    def aggregate(self, X: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """Aggregated quantiles (n, m) before they are made monotone."""
        q = self.aggregator((X - self.centre) / self.spread, (Z - self.location) / self.scale)
        return self.location + self.scale * q

    def predict(self, X: np.ndarray, Z: np.ndarray | None = None) -> np.ndarray:
        """Aggregated quantiles (n, m), monotone if the options ask for it."""
        q = self.aggregate(X, self.base(X) if Z is None else Z)
        return q if self.noncrossing is None else monotone(q, self.noncrossing)


def fit_core(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, folds: np.ndarray, task: EnsembleTask, show: bool | None = None
) -> EnsembleCore:
    """Fit base models out of fold and on all rows, then the weights on the out-of-fold predictions."""
    centre, spread = X.mean(axis=0), X.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (X - centre) / spread
    names, tau = tuple(task.models), task.tau
    given = [isinstance(m, np.ndarray) for m in task.models.values()]
    predictors: tuple[Predictor, ...] | None = None
    if all(given):
        Z = np.stack(list(task.models.values()), axis=1)
    elif any(given):
        raise OptionError("models: give arrays of predictions for all models or for none.")
    else:
        predictors, Z = _base_models(scaled, y, w, folds, task, show)
    check_predictions(Z, tau, names)
    location = float(np.average(y, weights=w))
    scale = float(np.sqrt(np.average((y - location) ** 2, weights=w))) or 1.0
    aggregator = fit_aggregator(
        scaled,
        (Z - location) / scale,
        (y - location) / scale,
        w / w.mean(),
        tau,
        resolution=task.options.resolution,
        local=task.options.local,
        solver=task.options.chosen_solver,
        penalty=task.options.penalty,
        margin=task.options.margin,
        seed=task.seed,
    )
    return EnsembleCore(
        tau, names, task.options.noncrossing, predictors, aggregator, centre, spread, location, scale, Z
    )


def _base_models(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, folds: np.ndarray, task: EnsembleTask, show: bool | None
) -> tuple[tuple[Predictor, ...], np.ndarray]:
    """Base models refitted on all rows, and predictions (n, J, m) of those fitted without each row's fold."""
    # A learner's penalty counts rows, and weights may have any unit.
    numbers, tau, w = np.unique(folds), task.tau, over_mean(w)
    # One row of weights a fit: without each fold, then all rows.
    W = np.vstack([np.where(folds == numbers[:, None], 0.0, w), w])
    work: list[tuple[int, Any, np.ndarray]] = []
    for j, model in enumerate(task.models.values()):
        native, rows = learner(model, tau), np.arange(len(W))
        together = hasattr(native, "fit_many")
        work += [(j, native, rows)] if together else [(j, model, rows[k : k + 1]) for k in rows]
    Z = np.empty((len(y), len(task.models), len(tau)))
    whole: dict[int, Predictor] = {}
    for j, model, rows in progress_bar(work, total=len(work), label="out-of-fold models", show=show):
        fits: list[Predictor]
        if len(rows) > 1:
            fits = [LearntQuantiles(one, tau) for one in model.fit_many(X, y, W[rows], seed=task.seed)]
        else:
            use = W[rows[0]] > 0
            fits = [fit_base(model, X[use], y[use], w[use], tau, task.seed, task.given)]
        for k, fitted in zip(rows, fits, strict=True):
            if k == len(numbers):
                whole[j] = fitted
                continue
            out = folds == numbers[k]
            Z[out, j] = fitted(X[out])
    return tuple(whole[j] for j in range(len(whole))), Z


def fold_numbers(n: int, folds: Any, seed: int) -> np.ndarray:
    """Fold of each row: shuffled folds of equal size, or the array given."""
    if is_number(folds):
        if not 2 <= folds <= n:
            raise OptionError(f"folds={folds} for {n} rows; give a number between 2 and the number of rows.")
        return generator(seed, 20).permutation(np.arange(n) % int(folds))
    numbers = np.unique(np.asarray(folds), return_inverse=True)[1]
    if numbers.shape != (n,) or numbers.max() < 1:
        raise OptionError(
            f"folds has {numbers.size} entries for {n} rows, or one value only; give one fold id per row."
        )
    return numbers


def is_number(folds: Any) -> bool:
    return isinstance(folds, int | np.integer) and not isinstance(folds, bool)


def folds_of_rows(folds: Any, made: Design, rows: np.ndarray) -> Any:
    """A number of folds as an int, or fold ids cut to the rows used."""
    if is_number(folds):
        return int(folds)
    try:
        ids = np.asarray(aligned(folds, made.frame, "folds"))
        missing = np.array([i is None or i != i for i in ids.ravel().tolist()])
    except (TypeError, ValueError):
        raise OptionError(f"folds={folds!r} is neither a number nor one fold id per row.") from None
    if ids.shape != (made.n_total,):
        raise OptionError(f"folds has shape {ids.shape} for {made.n_total} rows; give a number or one fold id per row.")
    if missing[rows].any():
        raise DataError(f"folds is missing in row {int(rows[np.argmax(missing[rows])])}; give every row a fold.")
    return ids[rows]


def named_models(models: Any) -> dict[str, Any]:
    """Names and base models from a list or mapping; repeated names are numbered."""
    if isinstance(models, Mapping):
        out = {str(k): np.asarray(v, float) if _is_array(v) else v for k, v in models.items()}
    elif isinstance(models, Sequence) and not isinstance(models, str):
        out = {}
        for position, model in enumerate(models):
            name = (
                model
                if isinstance(model, str)
                else f"array{position + 1}"
                if _is_array(model)
                else type(model).__name__
            )
            out[name if name not in out else f"{name}{position + 1}"] = (
                np.asarray(model, float) if _is_array(model) else model
            )
    else:
        raise OptionError(f"models={models!r}: give a list or a mapping of names to models.")
    if not out:
        raise OptionError("models is empty; give at least one base model.")
    return out


def on_rows(specs: Mapping[str, Any], models: Any, frame: Frame) -> dict[str, Any]:
    """Named models with predictions that were given as a Series or DataFrame in the order of the frame's rows."""
    given = (
        {str(k): v for k, v in models.items()} if isinstance(models, Mapping) else dict(zip(specs, models, strict=True))
    )
    return {
        name: np.asarray(aligned(given[name], frame, f"models[{name!r}]"), float) if _is_array(given[name]) else spec
        for name, spec in specs.items()
    }


def check_models(models: Mapping[str, Any], tau: np.ndarray) -> None:
    """Refuse names that are no learner of quantiles and objects that cannot be fitted."""
    for model in models.values():
        if not isinstance(model, np.ndarray) and learner(model, tau) is None:
            check_object(model)


def _is_array(model: Any) -> bool:
    return isinstance(model, np.ndarray) or (hasattr(model, "to_numpy") and not hasattr(model, "fit"))
