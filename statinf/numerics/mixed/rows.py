"""Rows of a regression with fixed columns and one intercept per level of several variables, the latter never written out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class PooledRows:
    """The design ``T = [X, Z_1, ..., Z_K]`` with one column of ones a level.

    Attributes
    ----------
    x : ndarray, shape (n, p)
    codes : tuple of ndarray of int, shape (n,)
        Levels, from 0.
    sizes : tuple of int
        Number of levels of each.
    """

    x: np.ndarray
    codes: tuple[np.ndarray, ...]
    sizes: tuple[int, ...]

    @property
    def p(self) -> int:
        return self.x.shape[1]

    @property
    def q(self) -> int:
        """Number of levels, all variables together."""
        return sum(self.sizes)

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """The levels of each variable among all."""
        ends = np.cumsum((0, *self.sizes))
        return tuple(slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True))

    def repeat(self, values: np.ndarray) -> np.ndarray:
        """A value of each variable, shape (K,), at each of its levels, shape (q,)."""
        return np.repeat(values, self.sizes)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the levels of each variable, shape (K,), of values (q,)."""
        return np.array([values[b].sum() for b in self.blocks])

    def gram(self, w: np.ndarray) -> np.ndarray:
        """``T' diag(w) T``, shape (p + q, p + q)."""
        p = self.p
        out = np.zeros((p + self.q, p + self.q))
        weighted = self.x * w[:, None]
        out[:p, :p] = self.x.T @ weighted
        for k, (code, size, at) in enumerate(zip(self.codes, self.sizes, self.blocks, strict=True)):
            rows = slice(p + at.start, p + at.stop)
            for j in range(p):
                out[rows, j] = np.bincount(code, weighted[:, j], size)
            out[:p, rows] = out[rows, :p].T
            out[rows, rows] = np.diag(np.bincount(code, w, size))
            for other, width, there in zip(self.codes[:k], self.sizes[:k], self.blocks[:k], strict=True):
                columns = slice(p + there.start, p + there.stop)
                out[rows, columns] = np.bincount(code * width + other, w, size * width).reshape(size, width)
                out[columns, rows] = out[rows, columns].T
        return out

    def predictor(self, coef: np.ndarray) -> np.ndarray:
        """``T coef``, shape (n,)."""
        eta = self.x @ coef[: self.p]
        for code, at in zip(self.codes, self.blocks, strict=True):
            eta += coef[self.p :][at][code]
        return eta

    def transposed(self, values: np.ndarray) -> np.ndarray:
        """``T' values``, shape (p + q,)."""
        levels = [np.bincount(c, values, size) for c, size in zip(self.codes, self.sizes, strict=True)]
        return np.concatenate([values @ self.x, *levels])

    def quadratic(self, matrix: np.ndarray) -> np.ndarray:
        """``t_i' matrix t_i`` of every row, shape (n,), for a symmetric matrix (p + q, p + q)."""
        p = self.p
        out = np.einsum("ij,ij->i", self.x @ matrix[:p, :p], self.x)
        for k, (code, at) in enumerate(zip(self.codes, self.blocks, strict=True)):
            rows = code + (p + at.start)
            out += 2.0 * np.einsum("ij,ij->i", matrix[rows, :p], self.x) + matrix[rows, rows]
            for other, there in zip(self.codes[:k], self.blocks[:k], strict=True):
                out += 2.0 * matrix[rows, other + (p + there.start)]
        return out


@dataclass(frozen=True)
class PooledFit:
    """Fixed coefficients and pooled effects with their joint uncertainty.

    Attributes
    ----------
    coef : ndarray, shape (p + q,)
        Coefficients of the fixed columns, then the effects of the levels.
    covariance : ndarray, shape (p + q, p + q)
        Of their errors (of the effects about the true ones), the variance components' own included.
    conditional : ndarray, shape (p + q, p + q)
        The same as if the variance components were known.
    variances : ndarray, shape (K,)
        Of the effects of each variable.
    dispersion : float
        Residual variance; one for binomial outcomes.
    components : ndarray, shape (K + 1, K + 1)
        Covariance of the errors of `variances` and `dispersion`, in units of the dispersion; zero where one is zero or known.
    criterion : float
        Minus twice the log-likelihood (restricted for gaussian outcomes, by Laplace's method for binomial ones).
    iterations : int
    """

    coef: np.ndarray
    covariance: np.ndarray
    conditional: np.ndarray
    variances: np.ndarray
    dispersion: float
    components: np.ndarray
    criterion: float
    iterations: int
