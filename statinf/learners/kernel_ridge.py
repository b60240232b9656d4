"""Kernel ridge regression with a free intercept and leave-one-out in closed form.

Minimises ``sum_i w_i (y_i - b - f(x_i))^2 + penalty * |f|^2`` over f in the space of a kernel. Saunders,
Gammerman and Vovk (1998); the leave-one-out identities are those of least-squares support vector machines
(Cawley and Talbot, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import linalg
from scipy.spatial.distance import cdist

from statinf.errors import DataError, OptionError, one_of
from statinf.learners.base import check_rows
from statinf.learners.smoother import LinearSmoother

_LARGEST = 20_000


@dataclass(frozen=True)
class _Kernel:
    """A kernel on standardised columns."""

    kind: str
    bandwidth: float
    centre: np.ndarray
    spread: np.ndarray

    def __call__(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        A, B = (A - self.centre) / self.spread, (B - self.centre) / self.spread
        if self.kind == "linear":
            return A @ B.T / self.bandwidth**2
        if self.kind == "laplace":
            return np.exp(-cdist(A, B, "cityblock") / self.bandwidth)
        return np.exp(-0.5 * cdist(A, B, "sqeuclidean") / self.bandwidth**2)


@dataclass(frozen=True)
class FittedKernelRidge:
    """Dual coefficients (n,) on the training rows (n, p), and an intercept."""

    intercept: float
    dual: np.ndarray
    rows: np.ndarray = field(repr=False)
    kernel: _Kernel = field(repr=False)

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
    """

    penalty: float = 1.0
    kernel: str = "gaussian"
    bandwidth: float | None = None

    def __post_init__(self) -> None:
        one_of("kernel", self.kernel, ("gaussian", "laplace", "linear"))
        if not np.isfinite(self.penalty) or self.penalty <= 0:
            raise OptionError(f"penalty={self.penalty!r} must be a positive number.")
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise OptionError(f"bandwidth={self.bandwidth!r} must be a positive number.")

    def _kernel(self, X: np.ndarray, w: np.ndarray) -> _Kernel:
        if len(X) > _LARGEST:
            raise DataError(f"kernel_ridge keeps an n by n matrix; n={len(X)} is above {_LARGEST}. Use fewer rows.")
        centre = np.average(X, axis=0, weights=w)
        spread = np.sqrt(np.average(np.square(X - centre), axis=0, weights=w))
        width = self.bandwidth or float(np.sqrt(max(X.shape[1], 1)))
        return _Kernel(self.kernel, width, centre, np.where(spread > 0, spread, 1.0))

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedKernelRidge:
        """Fit to X (n, p), y (n,), weights (n,); rows of weight zero are left out. `seed` is not used."""
        X, y, w = check_rows(X, y, w)
        keep = w > 0
        return _solve(X[keep], y[keep], w[keep], self.penalty, self._kernel(X[keep], w[keep]))[0]

    def smoother(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> LinearSmoother:
        """The fit together with what leave-one-out and adding a row need.

        The kernel's standardisation is that of all rows, whichever row is left out.
        """
        X, y, w = check_rows(X, y, w)
        if not (w > 0).all():
            raise DataError("Leave-one-out needs positive weights; drop the rows of weight zero.")
        kernel = self._kernel(X, w)
        # Hat values are the posterior covariances of a Gaussian process with a flat prior on its mean.
        fitted, factor, ones = _solve(X, y, w, self.penalty, kernel)
        total = ones.sum()

        noise = self.penalty / w

        def cross(Z: np.ndarray, which: np.ndarray | slice = slice(None)) -> np.ndarray:
            k = kernel(Z, X)
            shrunk = linalg.cho_solve(factor, k.T).T[:, which] * noise[which]
            return (shrunk + np.outer(1.0 - k @ ones, (noise * ones)[which]) / total) / self.penalty

        def own(Z: np.ndarray) -> np.ndarray:
            k = kernel(Z, X)
            prior = (
                np.array([kernel(z[None], z[None])[0, 0] for z in Z]) if self.kernel == "linear" else np.ones(len(Z))
            )
            explained = np.einsum("ij,ji->i", k, linalg.cho_solve(factor, k.T))
            return (prior - explained + np.square(1.0 - k @ ones) / total) / self.penalty

        inverse = linalg.cho_solve(factor, np.eye(len(y))) - np.outer(ones, ones) / total
        return LinearSmoother(
            fitted=fitted,
            residuals=noise * fitted.dual,
            leverages=(1.0 - noise * np.diag(inverse)) / w,
            weights=w,
            cross=cross,
            own=own,
        )


def _solve(X: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float, kernel: _Kernel):
    """The fit, the Cholesky factor of S = K + penalty/w, and S^-1 1."""
    S = kernel(X, X)
    S[np.diag_indices(len(y))] += penalty / w
    factor = linalg.cho_factor(S, lower=True, overwrite_a=True)
    ones = linalg.cho_solve(factor, np.ones(len(y)))
    solved = linalg.cho_solve(factor, y)
    intercept = float(solved.sum() / ones.sum())
    return FittedKernelRidge(intercept, solved - intercept * ones, X, kernel), factor, ones
