"""An ensemble of quantile models on arrays: out-of-fold predictions, aggregation weights, conformal calibration.

Calibration is conformalised quantile regression (Romano, Patterson and Candes 2019, arXiv 1905.03222) and CV+
(Barber, Candes, Ramdas and Tibshirani 2021, arXiv 1905.02928), for every pair of levels t and 1 - t. Calibrated
intervals are made nested by widening the outer ones, which keeps their coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.errors import DataError, OptionError
from statinf.inference.conformal import threshold
from statinf.numerics.monotone import monotone
from statinf.quantile.aggregation import Aggregator, check_predictions, fit_aggregator
from statinf.quantile.base_models import Predictor, fit_base

_CELLS = 4_000_000
CALIBRATION_SHARE = 0.25


@dataclass(frozen=True)
class Options:
    """How an ensemble is fitted; the same for the ensemble and its refits without a fold."""

    tau: np.ndarray
    models: Mapping[str, Any]
    resolution: str
    local: bool
    solver: str
    penalty: float
    margin: str
    noncrossing: str | None
    seed: int


@dataclass(frozen=True)
class Core:
    """A fitted ensemble.

    Attributes
    ----------
    predictors : tuple of callable, or None
        Base models refitted on all rows; None where predictions were given as arrays.
    aggregator : Aggregator
    centre, spread : ndarray, shape (d,)
        Of the features.
    location, scale : float
        Of the outcome, on whose standardised scale weights are learnt.
    out_of_fold : ndarray, shape (n, J, m)
    """

    predictors: tuple[Predictor, ...] | None
    aggregator: Aggregator
    centre: np.ndarray
    spread: np.ndarray
    location: float
    scale: float
    out_of_fold: np.ndarray
    options: Options

    def base(self, X: np.ndarray) -> np.ndarray:
        """Base predictions (n, J, m) at features X."""
        if self.predictors is None:
            raise DataError("the base models were given as arrays; hand over their predictions for these rows as well.")
        scaled = (X - self.centre) / self.spread
        Z = np.stack([one(scaled) for one in self.predictors], axis=1)
        check_predictions(Z, self.options.tau, tuple(self.options.models))
        return Z

    def aggregate(self, X: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """Aggregated quantiles (n, m) before they are made monotone."""
        q = self.aggregator((X - self.centre) / self.spread, (Z - self.location) / self.scale)
        return self.location + self.scale * q

    def predict(self, X: np.ndarray, Z: np.ndarray | None = None) -> np.ndarray:
        """Aggregated quantiles (n, m), monotone if the options ask for it."""
        q = self.aggregate(X, self.base(X) if Z is None else Z)
        return q if self.options.noncrossing is None else monotone(q, self.options.noncrossing)


def fit_core(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, folds: np.ndarray, options: Options, show: bool | None = None
) -> Core:
    """Fit base models out of fold and on all rows, then the weights on the out-of-fold predictions."""
    centre, spread = X.mean(axis=0), X.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (X - centre) / spread
    names, tau = tuple(options.models), options.tau
    given = [isinstance(m, np.ndarray) for m in options.models.values()]
    predictors: tuple[Predictor, ...] | None = None
    if all(given):
        Z = np.stack(list(options.models.values()), axis=1)
    elif any(given):
        raise OptionError("models: give arrays of predictions for all models or for none.")
    else:
        Z = np.empty((len(y), len(names), len(tau)))
        work = [(j, k) for j in range(len(names)) for k in np.unique(folds)]
        for j, k in progress_bar(work, total=len(work), label="out-of-fold models", show=show):
            out = folds == k
            model = options.models[names[j]]
            Z[out, j] = fit_base(model, scaled[~out], y[~out], w[~out], tau, options.seed)(scaled[out])
        predictors = tuple(fit_base(model, scaled, y, w, tau, options.seed) for model in options.models.values())
    check_predictions(Z, tau, names)
    location = float(np.average(y, weights=w))
    scale = float(np.sqrt(np.average((y - location) ** 2, weights=w))) or 1.0
    aggregator = fit_aggregator(
        scaled,
        (Z - location) / scale,
        (y - location) / scale,
        w / w.mean(),
        tau,
        resolution=options.resolution,
        local=options.local,
        solver=options.solver,
        penalty=options.penalty,
        margin=options.margin,
        seed=options.seed,
    )
    return Core(predictors, aggregator, centre, spread, location, scale, Z, options)


def fold_numbers(n: int, folds: Any, seed: int) -> np.ndarray:
    """Fold of each row: shuffled folds of equal size, or the array given."""
    if isinstance(folds, int | np.integer) and not isinstance(folds, bool):
        if not 2 <= folds <= n:
            raise OptionError(f"folds={folds} for {n} rows; give a number between 2 and the number of rows.")
        return generator(seed, 20).permutation(np.arange(n) % folds)
    numbers = np.unique(np.asarray(folds), return_inverse=True)[1]
    if numbers.shape != (n,) or numbers.max() < 1:
        raise OptionError(f"folds has {numbers.size} entries for {n} rows, or one value only; give one fold id a row.")
    return numbers


def pairs(tau: np.ndarray) -> list[tuple[int, int, float]]:
    """Positions of t and 1 - t for every t below a half, with the miss rate 2t."""
    out = []
    for low in np.flatnonzero(tau < 0.5 - 1e-9):
        high = np.flatnonzero(np.abs(tau - (1 - tau[low])) < 1e-9)
        if len(high):
            out.append((int(low), int(high[0]), float(2 * tau[low])))
    if not out:
        raise OptionError("calibration works on pairs of levels t and 1 - t; tau holds none.")
    return out


def nested(q: np.ndarray) -> np.ndarray:
    """Intervals made nested from the middle outwards; outer ones can only widen."""
    return monotone(q, "sweep")


@dataclass(frozen=True)
class SplitCalibration:
    """One shift a pair of levels, from rows that the ensemble has not seen."""

    shifts: np.ndarray
    rows: int

    def __call__(self, core: Core, X: np.ndarray, Z: np.ndarray | None) -> np.ndarray:
        q = core.predict(X, Z)
        for (low, high, _), shift in zip(pairs(core.options.tau), self.shifts, strict=True):
            q[:, low], q[:, high] = q[:, low] - shift, q[:, high] + shift
        return nested(q)


def calibrate_split(core: Core, X: np.ndarray, y: np.ndarray, Z: np.ndarray | None) -> SplitCalibration:
    """Conformalised quantile regression on held-out rows."""
    q = core.predict(X, Z)
    shifts = [
        threshold(np.maximum(q[:, low] - y, y - q[:, high]), 1 - miss) for low, high, miss in pairs(core.options.tau)
    ]
    return SplitCalibration(np.array(shifts), len(y))


@dataclass(frozen=True)
class CrossCalibration:
    """CV+: the ensemble refitted without each fold, base models and weights, and every row's score."""

    cores: tuple[Core, ...]
    folds: np.ndarray
    scores: np.ndarray

    def __call__(self, core: Core, X: np.ndarray, Z: np.ndarray | None) -> np.ndarray:
        q, n = core.predict(X, Z), len(self.folds)
        each = np.stack([one.predict(X) for one in self.cores])
        step = max(1, _CELLS // n)
        for (low, high, miss), score in zip(pairs(core.options.tau), self.scores.T, strict=True):
            below, above = int(np.floor(miss * (n + 1) + 1e-9)), int(np.ceil((1 - miss) * (n + 1) - 1e-9))
            for at in range(0, len(X), step):
                rows = slice(at, at + step)
                ends = np.sort(each[self.folds, rows, low] - score[:, None], axis=0)
                q[rows, low] = ends[below - 1] if below >= 1 else -np.inf
                ends = np.sort(each[self.folds, rows, high] + score[:, None], axis=0)
                q[rows, high] = ends[above - 1] if above <= n else np.inf
        return nested(q)


def calibrate_cross(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, folds: np.ndarray, inner: Callable[[int], np.ndarray], options: Options
) -> CrossCalibration:
    """Refit the whole ensemble without each fold; `inner` makes fold numbers for a number of rows."""
    cores: list[Core] = []
    scores = np.empty((len(y), len(pairs(options.tau))))
    for k in range(int(folds.max()) + 1):
        out = folds == k
        core = fit_core(X[~out], y[~out], w[~out], inner(int((~out).sum())), options, False)
        q = core.predict(X[out])
        for i, (low, high, _) in enumerate(pairs(options.tau)):
            scores[out, i] = np.maximum(q[:, low] - y[out], y[out] - q[:, high])
        cores.append(core)
    return CrossCalibration(tuple(cores), folds, scores)


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


def _is_array(model: Any) -> bool:
    return isinstance(model, np.ndarray) or (hasattr(model, "to_numpy") and not hasattr(model, "fit"))
