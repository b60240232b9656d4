"""What a learner is and what a fitted learner can do.

A learner is a frozen dataclass of hyperparameters. `fit` returns a frozen fitted object that predicts.
Arrays only: `X` (n, p) without an intercept column (learners add their own), `y` (n,), row weights `w` (n,).
What a fitted learner offers beyond `predict` is told by its methods: `predict_proba`, `predict_quantiles`,
`predict_scale`, `mixture`, `sample`.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.numerics.linear.products import over_blocks


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


def require(fitted: Any, method: str, why: str) -> Any:
    """Return a fitted learner's method, else raise an `OptionError` that says what it is needed for."""
    found = getattr(fitted, method, None)
    if found is None:
        raise OptionError(f"{why} needs a model with `{method}`; {type(fitted).__name__} has none.")
    return found


def predict_along(fitted: Any, X: np.ndarray, column: int, values: np.ndarray) -> np.ndarray:
    """Predictions (n, m) for rows X (n, p) with one column moved to each value (m,); at once where the learner has a way."""
    if hasattr(fitted, "predict_along"):
        return fitted.predict_along(X, column, values)
    moved, out = X.copy(), np.empty((len(X), len(values)))
    for k, value in enumerate(values):
        moved[:, column] = value
        out[:, k] = fitted.predict(moved)
    return out


def check_penalty(penalty: float) -> None:
    """Refuse a ridge penalty that is negative, infinite or not a number."""
    if not np.isfinite(penalty) or penalty < 0:
        raise OptionError(f"penalty={penalty!r} must be a finite number of at least 0.")


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
    if not np.isfinite(y).all() or not all(over_blocks(lambda rows: np.isfinite(X[rows]).all(), *X.shape)):
        bad = int(np.flatnonzero(~(np.isfinite(y) & np.isfinite(X).all(axis=1)))[0])
        raise DataError(f"Row {bad} given to a learner holds a value that is missing or infinite; drop it first.")
    if w is None:
        return X, y, np.ones(len(y))
    w = np.asarray(w, np.float64)
    if w.shape != y.shape:
        raise DataError(f"Weights have shape {w.shape}; one per row of y, {y.shape}, is needed.")
    if not np.isfinite(w).all() or (w < 0).any() or not (w > 0).any():
        raise DataError("Weights must be finite, at least zero, and positive for some row.")
    return X, y, w
