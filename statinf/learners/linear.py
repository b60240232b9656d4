"""Least squares and ridge regression, with closed forms for folds, leave-one-out and one added row.

Ridge minimises ``sum_i w_i (y_i - b0 - x_i'b)^2 + penalty * |b|^2`` with the intercept free and columns as
given; least squares is penalty zero, and takes the solution of least norm where columns are collinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from statinf.learners.base import check_penalty, check_rows
from statinf.learners.smoother import LinearSmoother
from statinf.numerics.linear.gram import fold_grams

_WELL_CONDITIONED = 1e-6
"""Smallest ratio of eigenvalues of the scaled Gram matrix at which normal equations keep ten digits."""


@dataclass(frozen=True)
class FittedLinear:
    """An intercept and coefficients (p,)."""

    intercept: float
    coefficients: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,)."""
        return np.asarray(X, np.float64) @ self.coefficients + self.intercept

    def predict_along(self, X: np.ndarray, column: int, values: np.ndarray) -> np.ndarray:
        """Predictions (n, m) with one column moved to each value (m,)."""
        rest = self.coefficients.copy()
        rest[column] = 0.0
        return (np.asarray(X, np.float64) @ rest + self.intercept)[:, None] + self.coefficients[column] * values


@dataclass(frozen=True)
class Ridge:
    """Ridge regression with a free intercept.

    Parameters
    ----------
    penalty : float
        Multiplies the sum of squared coefficients; at least zero. As in scikit-learn these are of the columns in their own
        units: `RidgePath` ("ridge_path") standardises columns and chooses its penalty.
    """

    penalty: float = 1.0

    def __post_init__(self) -> None:
        check_penalty(self.penalty)

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLinear:
        """Fit to X (n, p), y (n,), weights (n,); `seed` is not used."""
        X, y, w = check_rows(X, y, w)
        return _fit(X, y, w, self.penalty)

    def fit_folds(
        self, X: np.ndarray, y: np.ndarray, folds: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0
    ) -> list[FittedLinear]:
        """One fit a fold, each without that fold's rows, from one pass over the data.

        Parameters
        ----------
        folds : ndarray of int, shape (n,)
            Fold numbers 0..K-1.
        """
        X, y, w = check_rows(X, y, w)
        return _fit_folds(X, y, np.asarray(folds), w, self.penalty)

    def smoother(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> LinearSmoother:
        """The fit together with what leave-one-out and adding a row need."""
        X, y, w = check_rows(X, y, w)
        fitted, root = _fit_root(X, y, w, self.penalty)
        centre = np.average(X, axis=0, weights=w)
        constant = 1.0 / np.sqrt(w.sum())
        rows = _features(X, centre, root, constant)
        hat = _RidgeHat(centre, root, constant, rows)
        return LinearSmoother(
            fitted=fitted,
            residuals=y - fitted.predict(X),
            leverages=np.einsum("ij,ij->i", rows, rows),
            weights=w,
            cross=hat.cross,
            own=hat.own,
        )


def _features(Z: np.ndarray, centre: np.ndarray, root: np.ndarray, constant: float) -> np.ndarray:
    """Rows whose inner products are x'(X'WX + L)^-1 z, the free intercept included."""
    return np.column_stack([np.full(len(Z), constant), (Z - centre) @ root])


@dataclass(frozen=True)
class _RidgeHat:
    """Hat values of new rows; `rows` are the features of the training rows."""

    centre: np.ndarray
    root: np.ndarray
    constant: float
    rows: np.ndarray

    def cross(self, Z: np.ndarray, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        return _features(Z, self.centre, self.root, self.constant) @ self.rows[which].T

    def own(self, Z: np.ndarray) -> np.ndarray:
        return np.square(_features(Z, self.centre, self.root, self.constant)).sum(axis=1)


@dataclass(frozen=True)
class LeastSquares:
    """Ordinary least squares with an intercept; collinear columns share their effect (least norm)."""

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLinear:
        """Fit to X (n, p), y (n,), weights (n,); `seed` is not used."""
        return Ridge(0.0).fit(X, y, w)

    def fit_folds(
        self, X: np.ndarray, y: np.ndarray, folds: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0
    ) -> list[FittedLinear]:
        """One fit a fold, each without that fold's rows, from one pass over the data."""
        return Ridge(0.0).fit_folds(X, y, folds, w)

    def smoother(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> LinearSmoother:
        """The fit together with what leave-one-out and adding a row need."""
        return Ridge(0.0).smoother(X, y, w)


def _fit(X: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float) -> FittedLinear:
    centre, mean = np.average(X, axis=0, weights=w), np.average(y, weights=w)
    Xc = X - centre
    scaled = Xc * w[:, None]
    beta = _solve_gram(scaled.T @ Xc, scaled.T @ (y - mean), penalty)
    if beta is None:
        return _fit_root(X, y, w, penalty)[0]
    return FittedLinear(float(mean - centre @ beta), beta)


def _solve_gram(gram: np.ndarray, moment: np.ndarray, penalty: float) -> np.ndarray | None:
    """Solve the normal equations, or None where they would lose too many digits."""
    p = len(gram)
    if p == 0:
        return np.zeros(0)
    A = gram + penalty * np.eye(p)
    scale = np.sqrt(np.diag(A))
    if not (scale > 0).all():
        return None
    A = A / scale / scale[:, None]
    values = linalg.eigvalsh(A)
    if values[0] < _WELL_CONDITIONED * values[-1]:
        return None
    return linalg.cho_solve(linalg.cho_factor(A), moment / scale) / scale


def _fit_root(X: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float) -> tuple[FittedLinear, np.ndarray]:
    """The fit by an orthogonal factorisation, and a root R of (Xc'WXc + penalty I)^+ = R R'."""
    centre, mean = np.average(X, axis=0, weights=w), np.average(y, weights=w)
    p = X.shape[1]
    if p == 0:
        return FittedLinear(float(mean), np.zeros(0)), np.zeros((0, 0))
    rows = np.sqrt(w)[:, None] * np.column_stack([X - centre, y - mean])
    spread = np.sqrt(np.square(rows[:, :p]).sum(axis=0) + penalty)
    spread[spread == 0.0] = 1.0
    rows = np.vstack([rows, np.column_stack([np.sqrt(penalty) * np.eye(p), np.zeros(p)])])
    rows[:, :p] /= spread
    upper = np.asarray(np.linalg.qr(rows, mode="r"))
    U, s, Vt = linalg.svd(upper[: min(p, len(upper)), :p], full_matrices=False)
    keep = s > s[0] * max(X.shape) * np.finfo(float).eps if s.size and s[0] > 0 else np.zeros(len(s), bool)
    root = (Vt[keep].T / s[keep]) / spread[:, None]
    beta = root @ (U[:, keep].T @ upper[: min(p, len(upper)), p])
    return FittedLinear(float(mean - centre @ beta), beta), root


def _fit_folds(X: np.ndarray, y: np.ndarray, folds: np.ndarray, w: np.ndarray, penalty: float) -> list[FittedLinear]:
    # Centring on all rows keeps the digits; each fold's own mean is taken out of its Gram matrix.
    centre, mean = np.average(X, axis=0, weights=w), np.average(y, weights=w)
    sums = fold_grams(np.column_stack([np.ones(len(y)), X - centre, y - mean]), np.zeros((len(y), 0)), folds, w)
    total = sums.gram.sum(axis=0)
    fits = []
    for k, block in enumerate(sums.gram):
        rest = total - block
        shift = rest[0, 1:] / rest[0, 0]
        inner = rest[1:, 1:] - rest[0, 0] * np.outer(shift, shift)
        beta = _solve_gram(inner[:-1, :-1], inner[:-1, -1], penalty)
        if beta is None:
            keep = folds != k
            fits.append(_fit_root(X[keep], y[keep], w[keep], penalty)[0])
        else:
            fits.append(FittedLinear(float(mean + shift[-1] - (centre + shift[:-1]) @ beta), beta))
    return fits
