"""What a learner is, what a fitted learner can do, and how a name becomes one.

A learner is a frozen dataclass of hyperparameters. `fit` returns a frozen fitted object that predicts.
Arrays only: `X` (n, p) without an intercept column (learners add their own), `y` (n,), row weights `w` (n,).
What a fitted learner offers beyond `predict` is told by its methods: `predict_proba`, `predict_quantiles`,
`predict_scale`, `mixture`, `sample`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np

from statinf.errors import DataError, OptionError


@runtime_checkable
class Fitted(Protocol):
    """A fitted learner: at least the conditional mean."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,) for rows X (n, p)."""
        ...


@runtime_checkable
class Learner(Protocol):
    """Hyperparameters and a pure `fit`."""

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> Any:
        """Fit to rows X (n, p), outcomes y (n,) and weights w (n,)."""
        ...


# name: (module, class, tasks it can serve)
_NATIVE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "least_squares": ("statinf.learners.linear", "LeastSquares", ("mean", "scale")),
    "ridge": ("statinf.learners.linear", "Ridge", ("mean", "scale")),
    "kernel_ridge": ("statinf.learners.kernel_ridge", "KernelRidge", ("mean", "scale")),
    "network": ("statinf.learners.network", "Network", ("mean", "scale")),
    "linear_quantile": ("statinf.learners.linear_quantile", "LinearQuantile", ("quantile",)),
    "gaussian": ("statinf.learners.gaussian", "GaussianLocationScale", ("mean", "density", "quantile")),
    "location_scale": ("statinf.learners.location_scale", "LocationScale", ("mean", "density", "quantile")),
    "mdn": ("statinf.learners.mdn", "MixtureDensityNetwork", ("mean", "density", "quantile")),
}


def names(task: str) -> tuple[str, ...]:
    """The names of the native learners that can do a task."""
    return tuple(name for name, (_, _, tasks) in _NATIVE.items() if task in tasks)


def resolve(spec: Any, task: str = "mean") -> Any:
    """Turn a name or an object into a learner.

    Parameters
    ----------
    spec : str or object
        The name of a native learner, a learner, or any object with scikit-learn's `fit` and `predict`
        (cloned at each fit, never changed).
    task : {"mean", "scale", "quantile", "density", "probability"}
        What the caller will ask of it; names that cannot do it are refused here, with those that can.

    Returns
    -------
    Learner

    Raises
    ------
    OptionError
        If the name is unknown, cannot do the task, or the object has no `fit`.

    Examples
    --------
    >>> from statinf.learners import resolve
    >>> resolve("ridge")
    Ridge(penalty=1.0)
    """
    if isinstance(spec, str):
        if spec not in names(task):
            choices = ", ".join(repr(n) for n in names(task)) or "an object with fit and predict"
            known = f"cannot predict a {task}" if spec in _NATIVE else "is not a learner's name"
            raise OptionError(f"{spec!r} {known}; choose one of {choices}, or hand over an estimator.")
        module, name, _ = _NATIVE[spec]
        return getattr(import_module(module), name)()
    if isinstance(spec, type):
        raise OptionError(f"{spec.__name__} is a class; hand over an instance, {spec.__name__}(...).")
    if hasattr(spec, "get_params") and hasattr(spec, "fit"):
        from statinf.learners.sklearn import SklearnLearner

        return SklearnLearner(spec, task)
    if not hasattr(spec, "fit"):
        raise OptionError(f"A learner needs a method `fit`; {type(spec).__name__} has none.")
    return spec


def require(fitted: Any, method: str, why: str) -> Any:
    """Return a fitted learner's method, else raise an `OptionError` that says what it is needed for."""
    found = getattr(fitted, method, None)
    if found is None:
        raise OptionError(f"{why} needs a model with `{method}`; {type(fitted).__name__} has none.")
    return found


def check_rows(X: Any, y: Any, w: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cast X (n, p), y (n,) and weights (ones if None) to float64 and check their shapes and values.

    Raises
    ------
    DataError
        If lengths differ, a value is not finite, a weight is negative, or no weight is positive.
    """
    X = np.asarray(X, np.float64)
    y = np.asarray(y, np.float64)
    if X.ndim != 2 or y.ndim != 1 or len(X) != len(y):
        raise DataError(f"A learner needs X of shape (n, p) and y of shape (n,); got {X.shape} and {y.shape}.")
    if not np.isfinite(y).all() or not np.isfinite(X).all():
        bad = int(np.flatnonzero(~(np.isfinite(y) & np.isfinite(X).all(axis=1)))[0])
        raise DataError(f"Row {bad} given to a learner holds a value that is missing or infinite; drop it first.")
    if w is None:
        return X, y, np.ones(len(y))
    w = np.asarray(w, np.float64)
    if w.shape != y.shape:
        raise DataError(f"Weights have shape {w.shape}; one a row of y, {y.shape}, is needed.")
    if not np.isfinite(w).all() or (w < 0).any() or not (w > 0).any():
        raise DataError("Weights must be finite, at least zero, and positive for some row.")
    return X, y, w
