"""Least squares and ridge regression, with closed forms for folds, leave-one-out and one added row.

Ridge minimises ``sum_i w_i (y_i - b0 - x_i'b)^2 + penalty * |b|^2`` with the intercept free and columns as
given; least squares is penalty zero, and takes the solution of least norm where columns are collinear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import linalg

from statinf.learners.base import check_penalty, check_rows
from statinf.learners.smoother import LinearSmoother
from statinf.numerics.linear.gram import fold_grams
from statinf.numerics.linear.products import PARALLEL_FROM, over_blocks, row_products

_WELL_CONDITIONED = 1e-6
"""Smallest ratio of eigenvalues of the scaled Gram matrix at which normal equations keep ten digits."""


@dataclass(frozen=True)
class FittedLinear:
    """An intercept and coefficients (p,)."""

    intercept: float
    coefficients: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,)."""
        found = row_products(np.asarray(X, np.float64), self.coefficients)
        found += self.intercept
        return found

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

    Attributes
    ----------
    by_sums : bool
        True: rows enter through sums, so that columns may be those of a design and rows of weight zero need not be left out.
    """

    penalty: float = 1.0
    by_sums: ClassVar[bool] = True

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

    by_sums: ClassVar[bool] = True

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
    if X.size > PARALLEL_FROM:
        centre, mean, gram, moment = _centred_sums(X, y, w)
    else:
        centre, mean = np.average(X, axis=0, weights=w), np.average(y, weights=w)
        Xc = X - centre
        scaled = Xc * w[:, None]
        gram, moment = scaled.T @ Xc, scaled.T @ (y - mean)
    beta = _solve_gram(gram, moment, penalty)
    if beta is None:
        return _fit_root(X, y, w, penalty)[0]
    return FittedLinear(float(mean - centre @ beta), beta)


def _centred_sums(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Weighted means of X and y, and sums of products about them, from one pass.

    Rows are taken from the mean of every 64th. A mean of rows with a share s of the weight lies so near to that of all that sums
    about the one are at most 1 + 1/s times those about the other, whatever the rows are: two digits are lost between them.
    """
    p, every = X.shape[1], slice(None, None, 64)
    if w[every].sum() < w.sum() / 200.0:
        every = slice(None)
    share = w[every] / w[every].sum()
    near, level = np.dot(X[every].T, share), float(share @ y[every])

    def block(rows: slice) -> np.ndarray:
        root = np.sqrt(w[rows])
        z = np.empty((len(root), p + 2), order="F")
        z[:, 0] = root
        np.subtract(X[rows], near, out=z[:, 1:-1])
        np.subtract(y[rows], level, out=z[:, -1])
        z[:, 1:] *= root[:, None]
        return np.dot(z.T, z)

    cross = np.sum(over_blocks(block, len(y), p + 2), axis=0)
    shift = cross[0, 1:] / cross[0, 0]
    inner = cross[1:, 1:] - cross[0, 0] * np.outer(shift, shift)
    return near + shift[:-1], level + float(shift[-1]), inner[:-1, :-1], inner[:-1, -1]


def _solve_gram(gram: np.ndarray, moment: np.ndarray, penalty: float) -> np.ndarray | None:
    """Solve the normal equations, or None where they would lose too many digits."""
    p = len(gram)
    if p == 0:
        return np.zeros(0)
    A = gram + penalty * np.eye(p)
    if not (np.diag(A) > 0).all():
        return None
    scale = np.sqrt(np.diag(A))
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
