"""scikit-learn estimators as learners: cloned at each fit, weighted where they can be, refused where they cannot."""

from __future__ import annotations

import inspect
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.learners.base import check_rows
from statinf.optional import need


def one_per_row(estimator: Any, method: str, X: np.ndarray) -> np.ndarray:
    """What a foreign estimator says of rows X (n, p), shape (n,).

    Raises
    ------
    DataError
        If that is not one number per row.
    """
    try:
        found = np.asarray(getattr(estimator, method)(X), np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the model {type(estimator).__name__}: {method}() failed: {error}") from error
    if found.size != len(X):
        raise _shape_error(estimator, method, found.shape, len(X))
    return found.reshape(len(X))


def _shape_error(estimator: Any, method: str, shape: tuple[int, ...], n: int) -> DataError:
    return DataError(
        f"the model {type(estimator).__name__} does not predict one number per row: {method}() gave shape {shape} for {n} rows."
    )


@dataclass(frozen=True)
class FittedSklearn:
    """A fitted scikit-learn estimator, or one per quantile level."""

    estimator: Any

    @property
    def foreign(self) -> str:
        """The class of another library that this holds."""
        return type(self.estimator).__name__

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,)."""
        return one_per_row(self.estimator, "predict", X)


@dataclass(frozen=True)
class FittedSklearnClassifier(FittedSklearn):
    """A fitted classifier of a 0/1 outcome."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n,) of the outcome 1: the conditional mean."""
        return self.predict_proba(X)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n,) of the outcome 1, taken by its label: a fit that never saw it gives zero."""
        found = np.asarray(self.estimator.predict_proba(X), np.float64)
        if found.ndim not in (1, 2) or len(found) != len(X):
            raise _shape_error(self.estimator, "predict_proba", found.shape, len(X))
        labels = getattr(self.estimator, "classes_", None)
        if labels is None:
            return found[:, -1] if found.ndim == 2 else found
        values = np.array([_number(label) for label in labels])
        if (values == 1).any():
            return found[:, int(np.argmax(values == 1))]
        if (values == 0).all():
            return np.zeros(len(found))
        shown = ", ".join(f"'{label!s}'" for label in list(labels)[:5])
        raise OptionError(
            f"{type(self.estimator).__name__} was fitted to an outcome of 0 and 1 and says that its classes are {shown}: "
            "which of its probabilities is that of 1 cannot be told. Let its classes_ hold 0 and 1."
        )


def _number(label: Any) -> float:
    """A class label as a number, 1 for "1" and True; NaN for other words."""
    try:
        return float(label)
    except (TypeError, ValueError):
        return np.nan


@dataclass(frozen=True)
class FittedSklearnQuantiles:
    """One fitted estimator per quantile level."""

    taus: np.ndarray
    estimators: tuple[Any, ...]

    @property
    def foreign(self) -> str:
        """The class of another library that this holds."""
        return type(self.estimators[0]).__name__

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Quantiles (n, t) at levels the estimators were fitted for."""
        where = [int(np.argmin(np.abs(self.taus - t))) for t in taus]
        if not np.allclose(self.taus[where], taus, rtol=0, atol=1e-12):
            raise OptionError(f"Fitted at quantile levels {self.taus.tolist()}; asked for {list(taus)}.")
        return np.column_stack([one_per_row(self.estimators[k], "predict", X) for k in where])


@dataclass(frozen=True)
class SklearnLearner:
    """An estimator with scikit-learn's interface.

    Parameters
    ----------
    estimator : object
        Has `fit`, `predict`, `get_params`; a pipeline will do.
    task : {"mean", "scale", "quantile", "density", "probability"}
    taus : tuple of float
        Quantile levels, for the task "quantile".
    """

    estimator: Any
    task: str = "mean"
    taus: tuple[float, ...] = ()

    def at_taus(self, taus: tuple[float, ...]) -> SklearnLearner:
        """The same learner for other quantile levels."""
        return SklearnLearner(self.estimator, self.task, tuple(float(t) for t in taus))

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> Any:
        """Fit clones to X (n, p), y (n,), weights (n,).

        `seed` becomes the `random_state` of estimators that were given none.

        Raises
        ------
        OptionError
            If weights differ between rows and the estimator takes none, or a probability or a quantile is
            needed and the estimator predicts none.
        """
        X, y, weights = check_rows(X, y, w)
        options = self._weights(weights)
        if self.task == "quantile":
            if not hasattr(self.estimator, "get_params"):
                raise OptionError(
                    f"{type(self.estimator).__name__} does not say how its quantile level is set; use an estimator of "
                    "scikit-learn with loss='quantile', or 'rq'."
                )
            parts = tuple(self._clone(seed, self._quantile_option(t)).fit(X, y, **options) for t in self.taus)
            return FittedSklearnQuantiles(np.asarray(self.taus), parts)
        if self.task == "density":
            raise OptionError(
                f"{type(self.estimator).__name__} has no conditional density; use "
                "LocationScale(mean=estimator, scale=estimator) from statinf.learners, 'gaussian' or 'mdn'."
            )
        if hasattr(self.estimator, "predict_proba"):
            strange = y[(y != 0) & (y != 1)]
            if len(strange):
                raise OptionError(
                    f"{type(self.estimator).__name__} is a classifier and the outcome holds {strange[0]:g}; it needs an "
                    "outcome of 0 and 1, or a model that predicts numbers."
                )
            return FittedSklearnClassifier(self._fitted(self._clone(seed, {}), X, y, options))
        if self.task == "probability":
            raise OptionError(
                f"{type(self.estimator).__name__} has no predict_proba; a probability needs a classifier."
            )
        return FittedSklearn(self._fitted(self._clone(seed, {}), X, y, options))

    def fit_as_given(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> Any:
        """A clone fitted to outcomes (n,) of any type, as they are, with weights (n,)."""
        return self._fitted(self._clone(seed, {}), X, y, {} if w is None else self._weights(w))

    @staticmethod
    def _fitted(copy: Any, X: np.ndarray, y: np.ndarray, options: dict[str, np.ndarray]) -> Any:
        made = copy.fit(X, y, **options)
        return copy if made is None else made

    def _clone(self, seed: int, options: dict[str, float]) -> Any:
        if not hasattr(self.estimator, "get_params"):
            return deepcopy(self.estimator)
        copy = need("sklearn.base", "an estimator with get_params").clone(self.estimator)
        params = copy.get_params()
        copy.set_params(**options)
        copy.set_params(**{k: seed for k, v in params.items() if k.split("__")[-1] == "random_state" and v is None})
        return copy

    def _quantile_option(self, tau: float) -> dict[str, float]:
        """Which of the estimator's parameters is the quantile level."""
        params = self.estimator.get_params()
        for name in params:
            stem = name[: -len("quantile")] if name.split("__")[-1] == "quantile" else None
            if stem is not None and params.get(stem + "loss", "quantile") == "quantile":
                return {name: tau}
        for name, value in params.items():
            if name.split("__")[-1] == "loss" and value == "quantile":
                return {name[: -len("loss")] + "alpha": tau}
        raise OptionError(
            f"{type(self.estimator).__name__} does not predict quantiles as it is set up: use loss='quantile' "
            "(gradient boosting), QuantileRegressor, or model='rq'."
        )

    def _weights(self, w: np.ndarray) -> dict[str, np.ndarray]:
        if np.ptp(w) == 0.0:
            return {}
        if not hasattr(self.estimator, "get_params"):
            if "sample_weight" in inspect.signature(self.estimator.fit).parameters:
                return {"sample_weight": w}
            raise OptionError(f"{type(self.estimator).__name__} takes no row weights; choose an estimator that does.")
        has_fit_parameter = need("sklearn.utils.validation", "an estimator with get_params").has_fit_parameter
        steps = getattr(self.estimator, "steps", None)
        last = steps[-1][1] if steps else self.estimator
        if not has_fit_parameter(last, "sample_weight"):
            raise OptionError(f"{type(last).__name__} takes no row weights; choose an estimator that does.")
        return {f"{steps[-1][0]}__sample_weight" if steps else "sample_weight": w}
