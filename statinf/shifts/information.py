"""Fisher information of source and target rows, by its triangular factor."""

from __future__ import annotations

import numpy as np

from statinf.numerics.glm.families import Family
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.triangular import solve_triangular


def information_factor(
    x: np.ndarray, theta: np.ndarray, w: np.ndarray, offset: np.ndarray | None, family: Family
) -> np.ndarray:
    """Triangular R with R'R the mean information of a row at dispersion 1, shape (k, k), of the estimated coefficients."""
    kept = ~np.isnan(theta)
    eta = x[:, kept] @ theta[kept] + (0.0 if offset is None else offset)
    weight = w * family.terms(eta, family.link.inverse(eta))[1] / w.sum()
    return square(triangular_factor(x[:, kept], weight))


def square(factor: np.ndarray) -> np.ndarray:
    """The factor with rows of zeros where there were fewer rows than columns."""
    k = factor.shape[1]
    out = np.zeros((k, k))
    out[: min(len(factor), k)] = factor[:k]
    return out


def relative_trace(of: np.ndarray, by: np.ndarray) -> float:
    """``tr(A B^{-1})`` from triangular factors of A and B."""
    return float((solve_triangular(by.T, of.T, lower=True) ** 2).sum())
