"""Distance between two conditional laws by kernel operators, on factors of the kernel matrices.

With E E' and F F' the kernel matrices of the features and of what they are conditioned on, over the rows of both samples, the
conditional mean operators and the conditional covariances of a sample are small matrices of sums over its rows: the operators of a
relabelling cost products over rows and no inverse of their size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve


@dataclass(frozen=True)
class ConditionalDistance:
    """Squared distances of the conditional mean operators, and of the conditional covariances."""

    mean: float
    covariance: float

    @property
    def total(self) -> float:
        return self.mean + self.covariance


def conditional_distance(E: np.ndarray, F: np.ndarray, first: np.ndarray, ridge: float) -> ConditionalDistance:
    """Squared distance between the laws of the features given the condition in two samples.

    Parameters
    ----------
    E : ndarray, shape (N, q)
        Factor of the features' kernel matrix.
    F : ndarray, shape (N, r)
        Factor of the kernel matrix of what is conditioned on.
    first : ndarray of bool, shape (N,)
        Which rows are the first sample's.
    ridge : float
        Per row of a sample.
    """
    maps, roots = zip(*(_operators(E[rows], F[rows], ridge) for rows in (first, ~first)), strict=True)
    mean = float(((maps[0] - maps[1]) ** 2).sum())
    shared = np.linalg.svd(np.dot(roots[0], roots[1].T), compute_uv=False).sum()
    covariance = sum(float((root**2).sum()) for root in roots) - 2.0 * float(shared)
    return ConditionalDistance(mean, max(covariance, 0.0))


def _operators(e: np.ndarray, f: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Conditional mean operator (q, r) of one sample, and a root R of its conditional covariance R'R, shape (min(n, q), q).

    The covariance is made from its root: a root of it would have half of its digits.
    """
    n = len(e)
    noise = ridge * n
    operator = cho_solve(cho_factor(np.dot(f.T, f) + noise * np.eye(f.shape[1])), np.dot(f.T, e)).T
    e, f = e - e.mean(axis=0), f - f.mean(axis=0)
    left, size, _ = np.linalg.svd(f, full_matrices=False)
    kept = 1.0 - np.sqrt(noise / (noise + size**2))
    rest = e - np.dot(left * kept, np.dot(left.T, e))
    return operator, np.asarray(np.linalg.qr(rest / np.sqrt(n), mode="r"))
