"""Base models of a quantile ensemble: each learns from rows and predicts all levels at once.

Names are learners of quantiles. Objects: anything with `fit(X, y)` and `predict(X)` that gives (n, m) quantiles at the
ensemble's levels, or with `predict_quantiles(X, tau)`; a `predict` of one column counts as a point forecast and is
spread by the training residuals' quantiles.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.inference.levels import positions
from statinf.learners import resolve
from statinf.numerics.order.quantiles import weighted_quantile

Predictor = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, repr=False)
class LearntQuantiles(Brief):
    """A fitted learner of quantiles at the levels of the ensemble."""

    fitted: Any
    tau: np.ndarray

    def __call__(self, new: np.ndarray) -> np.ndarray:
        """Quantiles (rows, m)."""
        return self.fitted.predict_quantiles(new, self.tau)

    @property
    def foreign(self) -> str | None:
        """The class of another library that this holds, which cannot be written to a file of statinf."""
        return getattr(self.fitted, "foreign", None)


@dataclass(frozen=True)
class ForeignModel:
    """A fitted object of the caller's.

    fitted : object; call : what is asked of it; shift : (m,) added to a point forecast's one column; columns : (m,) which
    of the columns of `predict` belong to the levels.
    """

    fitted: Any
    tau: np.ndarray
    call: str = "predict"
    shift: np.ndarray | None = None
    columns: np.ndarray | None = None

    def __call__(self, new: np.ndarray) -> np.ndarray:
        """Quantiles (rows, m)."""
        if self.call == "predict_quantiles":
            return np.asarray(self.fitted.predict_quantiles(new, self.tau), float)
        out = np.asarray(self.fitted.predict(new), float)
        if self.shift is not None:
            return out.reshape(-1, 1) + self.shift
        out = out.reshape(len(new), -1)
        return out if self.columns is None else out[:, self.columns]

    @property
    def foreign(self) -> str:
        """The class of the object, which cannot be written to a file of statinf."""
        return type(self.fitted).__name__


def learner(model: Any, tau: np.ndarray) -> Any:
    """The learner of quantiles that a model is, at these levels; None for an object of the caller's."""
    if not isinstance(model, str) and not type(model).__module__.startswith("statinf."):
        return None
    made = resolve(model, "quantile", "models")
    return made.at_taus(tuple(tau)) if hasattr(made, "at_taus") else made


def fit_base(
    model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray, tau: np.ndarray, seed: int, given: np.ndarray | None = None
) -> Predictor:
    """Fit a base model.

    Parameters
    ----------
    model : str or object
    X : (n, d)
        Standardised features, without an intercept.
    y, w : (n,)
    tau : (m,)
    seed : int
    given : (m',), optional
        The levels in the order of the columns that an object predicts, where that is not the order of `tau`.

    Returns
    -------
    callable
        From features (r, d) to quantiles (r, m).
    """
    native = learner(model, tau)
    if native is None:
        return _object(model, X, y, w, tau, tau if given is None else given)
    if hasattr(native, "fit_many"):
        return LearntQuantiles(native.fit_many(X, y, w[None], seed=seed)[0], tau)
    return LearntQuantiles(native.fit(X, y, w, seed=seed), tau)


def _object(model, X, y, w, tau, given) -> ForeignModel:
    fitted = fit_object(model, X, y, w)
    if hasattr(fitted, "predict_quantiles"):
        return ForeignModel(fitted, tau, "predict_quantiles")
    inner = np.asarray(fitted.predict(X), float)
    if inner.ndim == 2 and inner.shape[1] == len(given):
        return ForeignModel(fitted, tau, columns=positions(given, tau))
    if inner.ndim == 2 and inner.shape[1] != 1:
        raise DataError(f"models: {model!r} predicts {inner.shape[1]} columns for {len(given)} levels.")
    if inner.size != len(y):
        raise DataError(f"models: {model!r} predicts {inner.size} values for {len(y)} rows.")
    return ForeignModel(fitted, tau, shift=weighted_quantile(y - inner.ravel(), tau, w))


def check_object(model: Any) -> None:
    """Refuse what is no fitted-to-be object."""
    if isinstance(model, type):
        raise OptionError(f"models: {model.__name__} is a class; give an object of it: {model.__name__}().")
    if not (hasattr(model, "fit") and (hasattr(model, "predict") or hasattr(model, "predict_quantiles"))):
        raise OptionError(
            f"models: {model!r} is not known; give a name, an object with fit and predict, or an array of predictions."
        )


def fit_object(model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray) -> Any:
    """A fitted copy of an object with `fit` and `predict`; its `fit` gets row weights where they are not all equal."""
    check_object(model)
    fresh = copy.deepcopy(model)
    if (w == w[0]).all():
        fitted = fresh.fit(X, y)
    else:
        try:
            parameters = inspect.signature(fresh.fit).parameters
        except (TypeError, ValueError):
            parameters = {}
        if len(parameters) == 2:
            raise OptionError(
                f"models: the fit of {type(model).__name__} takes no row weights; leave weights= out, or give it a "
                "third argument sample_weight."
            )
        fitted = fresh.fit(X, y, sample_weight=w) if "sample_weight" in parameters else fresh.fit(X, y, w)
    return fresh if fitted is None else fitted
