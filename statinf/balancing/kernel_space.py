"""The feature space of a Gaussian kernel on standardised columns: principal components of the kernel matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks, generator, map_threads, on_devices
from statinf.backend.threads import cores
from statinf.balancing.problem import BalanceProblem, Task
from statinf.numerics.kernels.distances import gaussian_of, squared_distances
from statinf.numerics.kernels.on_devices import gaussian_product
from statinf.numerics.linear.leading_eigen import leading_eigenpairs

MAX_DENSE = 4000
"""Rows up to which the whole kernel matrix is used; beyond, landmarks."""
_MOST = 300
"""Components of the kernel that are balanced at most."""


@dataclass(frozen=True)
class KernelSpace:
    """Feature space of the kernel: ``K = features features'`` with orthogonal columns in decreasing order.

    Attributes
    ----------
    features : ndarray, shape (n, r)
    bandwidth : float
    kernel : ndarray, shape (n, n), optional
        K itself, where it was formed: the features may leave out its smallest eigenvalues.
    step : int
        Dimensions added at a time in the search; more than one where rows are many.
    """

    features: np.ndarray
    bandwidth: float
    kernel: np.ndarray | None = None
    step: int = 1

    @staticmethod
    def of(x: np.ndarray, bandwidth: float | None, landmarks: int | None, seed: int) -> KernelSpace:
        n = len(x)
        count = (n if n <= MAX_DENSE else 1000) if landmarks is None else min(landmarks, n)
        at = np.arange(n) if count == n else np.sort(generator(seed).choice(n, count, replace=False))
        squared = squared_distances(x[at], x[at])
        width = widest(squared) if bandwidth is None else bandwidth
        kernel = gaussian_of(squared, width)
        values, vectors = leading_eigenpairs(kernel, count if count <= 1200 else _MOST)
        keep = values > 1e-10 * values[0]
        values, vectors = values[keep], vectors[:, keep]
        if count == n:
            return KernelSpace(vectors * np.sqrt(values), width, kernel)
        few = slice(0, _MOST)
        return KernelSpace(_extend(x, x[at], width, vectors[:, few] / np.sqrt(values[few])), width, step=5)

    def bound(self, task: Task) -> Callable[[list[np.ndarray]], list[float]]:
        """A function that maps weights p of the arm's rows to ``sqrt(v' K v)``, v the target's weights less p."""
        if self.kernel is None:
            arm, centre = self.features[task.index], task.target @ self.features
            return lambda weights: np.linalg.norm(np.stack(weights) @ arm - centre, axis=1).tolist()
        arm, cross = self.kernel[np.ix_(task.index, task.index)], self.kernel @ task.target
        constant = task.target @ cross

        def squares(weights: list[np.ndarray]) -> list[float]:
            p = np.stack(weights)
            parts = list(chunks(len(arm), len(arm) // cores() + 1))
            forms = map_threads(lambda at: np.sum((p @ arm[:, at]) * p[:, at], axis=1), parts, parallel=len(arm) > 1000)
            squared = np.sum(forms, axis=0) - 2.0 * (p @ cross[task.index]) + constant
            return np.sqrt(np.maximum(squared, 0.0)).tolist()

        return squares


def widest(squared: np.ndarray) -> float:
    """The bandwidth that maximises the variance of ``exp(-squared / b)`` off the diagonal, b below 2000."""
    from scipy.optimize import minimize_scalar

    some = squared if len(squared) <= 1500 else squared[:: len(squared) // 1000 + 1, :: len(squared) // 1000 + 1]
    off = some[~np.tri(len(some), dtype=bool)]

    def negative_variance(b: float) -> float:
        return -float(np.var(np.exp(-off / b)))

    return float(minimize_scalar(negative_variance, bounds=(1e-3, 2000.0), method="bounded", options={"xatol": 1e-6}).x)


def standardised(problem: BalanceProblem) -> np.ndarray:
    """Columns of mean zero and unbiased standard deviation one, shape (n, p); constant columns become zero."""
    s = problem.s / problem.s.sum()
    centred = problem.x - s @ problem.x
    sd = np.sqrt(s @ centred**2 / max(1.0 - s @ s, 1e-300))
    return centred / np.where(sd > 0, sd, 1.0)


def _extend(x: np.ndarray, centres: np.ndarray, width: float, coefficients: np.ndarray) -> np.ndarray:
    """Features of all rows from landmarks, rotated to orthogonal columns."""
    if on_devices():
        raw = gaussian_product(x, centres, width, coefficients)
    else:
        raw = np.empty((len(x), coefficients.shape[1]))
        for start in range(0, len(x), 4096):
            rows = slice(start, start + 4096)
            raw[rows] = np.exp(-squared_distances(x[rows], centres) / width) @ coefficients
    values, rotation = np.linalg.eigh(raw.T @ raw)
    order = np.argsort(values)[::-1]
    order = order[values[order] > 1e-10 * values[order[0]]]
    return raw @ rotation[:, order]
