"""Kernel ridge regression with a free intercept and leave-one-out in closed form.

Minimises ``sum_i w_i (y_i - b - f(x_i))^2 + penalty * |f|^2`` over f in the space of a kernel. Saunders,
Gammerman and Vovk (1998); the leave-one-out identities are those of least-squares support vector machines
(Cawley and Talbot, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import linalg

from statinf.backend import map_threads, row_blocks
from statinf.errors import DataError, OptionError, one_of
from statinf.learners.base import check_rows
from statinf.learners.smoother import LinearSmoother
from statinf.numerics.kernels.solve import solve_subsets

_LARGEST = 20_000
_ITERATE_FROM = 1500
_PARALLEL_FROM = 1 << 20


@dataclass(frozen=True)
class _ScaledKernel:
    """A kernel on standardised columns."""

    kind: str
    bandwidth: float
    centre: np.ndarray
    spread: np.ndarray

    def __call__(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        A, B = ((Z - self.centre) / (self.spread * self.bandwidth) for Z in (A, B))
        if self.kind == "linear":
            return A @ B.T
        if self.kind == "laplace":
            from scipy.spatial.distance import cdist

            return np.exp(-cdist(A, B, "cityblock"))
        out = np.empty((len(A), len(B)))
        a, b = 0.5 * np.square(A).sum(axis=1), 0.5 * np.square(B).sum(axis=1)

        def block(rows: slice) -> None:
            part = out[rows]
            np.matmul(A[rows], B.T, out=part)
            part -= a[rows, None]
            part -= b
            # Rounding may leave a distance of equal rows just below zero.
            np.exp(np.minimum(part, 0.0, out=part), out=part)

        map_threads(block, row_blocks(len(A), len(B)), parallel=out.size > _PARALLEL_FROM)
        return out


@dataclass(frozen=True)
class FittedKernelRidge:
    """Dual coefficients (n,) on the training rows (n, p), and an intercept."""

    intercept: float
    dual: np.ndarray
    rows: np.ndarray = field(repr=False)
    kernel: _ScaledKernel = field(repr=False)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        return self.kernel(np.asarray(X, np.float64), self.rows) @ self.dual + self.intercept


@dataclass(frozen=True)
class KernelRidge:
    """Kernel ridge regression.

    Parameters
    ----------
    penalty : float
        Multiplies the squared norm; positive.
    kernel : {"gaussian", "laplace", "linear"}
    bandwidth : float, optional
        In standard deviations of the columns; the square root of the number of columns by default.
    intercept : bool
        Whether a free constant is added; without one f is pulled towards zero.
    standardize : bool
        Whether columns are centred and scaled first; otherwise `bandwidth` is in their own units.
    """

    penalty: float = 1.0
    kernel: str = "gaussian"
    bandwidth: float | None = None
    intercept: bool = True
    standardize: bool = True

    def __post_init__(self) -> None:
        one_of("kernel", self.kernel, ("gaussian", "laplace", "linear"))
        if not np.isfinite(self.penalty) or self.penalty <= 0:
            raise OptionError(f"penalty={self.penalty!r} must be a positive number.")
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise OptionError(f"bandwidth={self.bandwidth!r} must be a positive number.")

    def _kernel(self, X: np.ndarray, w: np.ndarray) -> _ScaledKernel:
        if len(X) > _LARGEST:
            raise DataError(f"kernel_ridge keeps an n by n matrix; n={len(X)} is above {_LARGEST}. Use fewer rows.")
        centre = np.average(X, axis=0, weights=w)
        spread = np.sqrt(np.average(np.square(X - centre), axis=0, weights=w))
        width = self.bandwidth or float(np.sqrt(max(X.shape[1], 1)))
        if not self.standardize:
            return _ScaledKernel(self.kernel, width, np.zeros(X.shape[1]), np.ones(X.shape[1]))
        return _ScaledKernel(self.kernel, width, centre, np.where(spread > 0, spread, 1.0))

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedKernelRidge:
        """Fit to X (n, p), y (n,), weights (n,); rows of weight zero are left out. `seed` is not used."""
        X, y, w = check_rows(X, y, w)
        keep = w > 0
        X, y, w = X[keep], y[keep], w[keep]
        kernel = self._kernel(X, w)
        if len(y) < _ITERATE_FROM:
            return _solve(X, y, w, self.penalty, kernel, self.intercept)[0]
        K = kernel(X, X)
        found = _duals(K, self.penalty / w, np.ones((1, len(y)), bool), y[:, None], self.intercept)
        return FittedKernelRidge(float(found[1][0, 0]), found[0][0, :, 0], X, kernel)

    def predict_folds(self, X: np.ndarray, Y: np.ndarray, folds: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Predictions of each row by the fits without its fold, for several outcomes.

        The kernel's standardisation is that of all rows, whichever fold is left out.

        Parameters
        ----------
        X : ndarray, shape (n, p)
        Y : ndarray, shape (n, t)
        folds : ndarray of int, shape (n,)
        w : ndarray, shape (n,)
            Rows of weight zero are predicted and no part of any fit.

        Returns
        -------
        ndarray, shape (n, t)
        """
        used = w > 0
        K = self._kernel(X[used], w[used])(X, X)
        noise = np.where(used, self.penalty / np.where(used, w, 1.0), 1.0)
        keep = np.stack([used & (folds != k) for k in range(int(folds.max()) + 1)])
        dual, intercept = _duals(K, noise, keep, Y, self.intercept)
        out = np.empty(Y.shape)
        for k in range(len(keep)):
            here = folds == k
            out[here] = K[here] @ dual[k] + intercept[k]
        return out

    def smoother(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> LinearSmoother:
        """The fit together with what leave-one-out and adding a row need.

        The kernel's standardisation is that of all rows, whichever row is left out.
        """
        X, y, w = check_rows(X, y, w)
        if not (w > 0).all():
            raise DataError("Leave-one-out needs positive weights; drop the rows of weight zero.")
        kernel = self._kernel(X, w)
        # Hat values are the posterior covariances of a Gaussian process with a flat prior on its mean.
        fitted, factor, ones = _solve(X, y, w, self.penalty, kernel, self.intercept)
        total = float(ones.sum())
        free = 1.0 / total if self.intercept else 0.0
        noise = self.penalty / w
        hat = _KernelHat(kernel, X, factor, ones, noise, free, self.penalty)
        inverse = linalg.cho_solve(factor, np.eye(len(y))) - free * np.outer(ones, ones)
        return LinearSmoother(
            fitted=fitted,
            residuals=noise * fitted.dual,
            leverages=(1.0 - noise * np.diag(inverse)) / w,
            weights=w,
            cross=hat.cross,
            own=hat.own,
        )


@dataclass(frozen=True)
class _KernelHat:
    """Hat values of new rows, from the factor of S = K + penalty / w on the training rows X and S^-1 1."""

    kernel: _ScaledKernel
    X: np.ndarray
    factor: tuple[np.ndarray, bool]
    ones: np.ndarray
    noise: np.ndarray
    free: float
    penalty: float

    def cross(self, Z: np.ndarray, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        k = self.kernel(Z, self.X)
        shrunk = linalg.cho_solve(self.factor, k.T).T[:, which] * self.noise[which]
        return (shrunk + self.free * np.outer(1.0 - k @ self.ones, (self.noise * self.ones)[which])) / self.penalty

    def own(self, Z: np.ndarray) -> np.ndarray:
        k, kernel = self.kernel(Z, self.X), self.kernel
        linear = kernel.kind == "linear"
        prior = np.array([kernel(z[None], z[None])[0, 0] for z in Z]) if linear else np.ones(len(Z))
        explained = np.einsum("ij,ji->i", k, linalg.cho_solve(self.factor, k.T))
        return (prior - explained + self.free * np.square(1.0 - k @ self.ones)) / self.penalty


def _solve(X: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float, kernel: _ScaledKernel, intercept: bool = True):
    """The fit, the Cholesky factor of S = K + penalty/w, and S^-1 1."""
    S = kernel(X, X)
    S[np.diag_indices(len(y))] += penalty / w
    factor = linalg.cho_factor(S, lower=True, overwrite_a=True)
    ones = linalg.cho_solve(factor, np.ones(len(y)))
    solved = linalg.cho_solve(factor, y)
    free = float(solved.sum() / ones.sum()) if intercept else 0.0
    return FittedKernelRidge(free, solved - free * ones, X, kernel), factor, ones


def _duals(
    K: np.ndarray, noise: np.ndarray, keep: np.ndarray, Y: np.ndarray, intercept: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Dual coefficients (f, n, t) on each subset of rows (f, n), zero outside, and intercepts (f, t)."""
    right = np.column_stack([Y, np.ones(len(Y))]) if intercept else Y
    solved = solve_subsets(K, noise, keep, right) if len(K) >= _ITERATE_FROM else None
    if solved is None:
        solved = np.zeros((len(keep), *right.shape))
        for k, rows in enumerate(keep):
            S = K[np.ix_(rows, rows)]
            S[np.diag_indices(len(S))] += noise[rows]
            solved[k, rows] = linalg.cho_solve(linalg.cho_factor(S, lower=True, overwrite_a=True), right[rows])
    if not intercept:
        return solved, np.zeros((len(keep), Y.shape[1]))
    free = solved[..., :-1].sum(axis=1) / solved[..., -1].sum(axis=1)[:, None]
    return solved[..., :-1] - free[:, None, :] * solved[..., -1:], free
