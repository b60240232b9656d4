"""Least squares with a ridge penalty per block of columns, whose sizes minimise a criterion.

Generalised cross-validation is that of Craven and Wahba (1979, Numerische Mathematik 31); restricted likelihood takes penalised
coefficients for normal with variances that are estimated (Wood 2011, JRSS B 73). Fits are made of a triangular factor of centred,
weighted columns; products of columns with themselves serve the choice among penalties only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky

from statinf.brief import Brief
from statinf.numerics.linear.triangular import solve_triangular

GRID = 10.0 ** (np.arange(-24, 17) / 4.0)
"""Penalties that are tried, from 1e-6 to 1e4."""
_ROUNDS = 20


@dataclass(frozen=True, repr=False)
class RotatedRows(Brief):
    """Weighted columns and outcome about their means, rotated.

    Attributes
    ----------
    factor : ndarray, shape (p, p)
        Upper triangular R0 with R0'R0 the weighted cross-product of the columns.
    outcome : ndarray, shape (p,)
        The outcome in the same rotation.
    rest : float
        Sum of squares that the columns cannot explain.
    total : float
        Sum of weights.
    nobs : int
    """

    factor: np.ndarray
    outcome: np.ndarray
    rest: float
    total: float
    nobs: int

    @classmethod
    def of(cls, triangle: np.ndarray, total: float, nobs: int) -> RotatedRows:
        """From the triangular factor of columns with the outcome behind them, shape (min(n, p + 1), p + 1)."""
        p = triangle.shape[1] - 1
        full = np.zeros((p + 1, p + 1))
        full[: len(triangle)] = triangle
        return cls(full[:p, :p], full[:p, p], float(full[p, p] ** 2), total, nobs)

    def score(self, rss: np.ndarray, edf: np.ndarray) -> np.ndarray:
        """Generalised cross-validation of fits whose columns take `edf` degrees of freedom beside the mean's."""
        left = 1.0 - (edf + 1.0) / self.nobs
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(left > 0.0, rss / self.total / left**2, np.inf)


@dataclass(frozen=True, repr=False)
class Penalised(Brief):
    """A penalised fit.

    Attributes
    ----------
    coef : ndarray, shape (p,)
    factor : ndarray, shape (p, p)
        Upper triangular R with R'R the cross-product of the columns plus the penalty.
    edf : ndarray, shape (p,)
        Effective degrees of freedom by column.
    rss, gcv : float
    """

    coef: np.ndarray
    factor: np.ndarray
    edf: np.ndarray
    rss: float
    gcv: float


def solve(reduced: RotatedRows, ridge: np.ndarray) -> Penalised:
    """The minimum of the sum of squares plus total * sum(ridge * coef^2); `ridge` has shape (p,)."""
    p = len(ridge)
    stacked = np.zeros((2 * p, p + 1))
    stacked[:p, :p], stacked[:p, p] = reduced.factor, reduced.outcome
    stacked[p:, :p] = np.diag(np.sqrt(reduced.total * ridge))
    triangle = np.asarray(np.linalg.qr(stacked, mode="r"))
    # A positive diagonal, so that signs do not depend on the order of the rows.
    signs = np.where(np.diag(triangle)[:p] < 0.0, -1.0, 1.0)
    factor = triangle[:p, :p] * signs[:, None]
    if not (np.abs(np.diag(factor)) > 0.0).all():
        return Penalised(np.full(p, np.nan), factor, np.full(p, np.nan), np.nan, np.nan)
    coef = solve_triangular(factor, triangle[:p, p] * signs)
    # Half of the hat matrix: R0 R^-1.
    half = solve_triangular(factor, reduced.factor.T, trans="T").T
    edf = np.einsum("ij,ij->j", solve_triangular(factor, half.T).T, reduced.factor)
    rss = reduced.rest + float(np.sum((reduced.outcome - reduced.factor @ coef) ** 2))
    return Penalised(coef, factor, edf, rss, float(reduced.score(np.array(rss), edf.sum())))


def choose_penalties(
    reduced: RotatedRows, blocks: Sequence[np.ndarray], criterion: str = "gcv", grid: np.ndarray = GRID
) -> np.ndarray:
    """Penalty of each block, shape (len(blocks),): one for all first, then block by block until none moves.

    Parameters
    ----------
    reduced : RotatedRows
    blocks : sequence of ndarray, shape (p,)
        What a penalty of one adds to the ridge of each column.
    criterion : {"gcv", "reml"}
    grid : ndarray
    """
    if not blocks:
        return np.empty(0)
    nothing = np.zeros(reduced.factor.shape[1])
    at = np.full(len(blocks), _best(reduced, nothing, np.sum(blocks, axis=0), criterion, grid))
    for _ in range(_ROUNDS if len(blocks) > 1 else 0):
        before = at.copy()
        for j, block in enumerate(blocks):
            others = np.sum([grid[k] * b for i, (k, b) in enumerate(zip(at, blocks, strict=True)) if i != j], axis=0)
            at[j] = _best(reduced, others, block, criterion, grid)
        if (at == before).all():
            break
    return grid[at]


def _best(reduced: RotatedRows, fixed: np.ndarray, moving: np.ndarray, criterion: str, grid: np.ndarray) -> int:
    """Place in the grid of the multiple of `moving` with the least criterion; one eigendecomposition serves all."""
    gram = reduced.factor.T @ reduced.factor
    base = gram + np.diag(reduced.total * (fixed + moving))
    lower = cholesky(base, lower=True)
    inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
    values, vectors = np.linalg.eigh((inverse * (reduced.total * moving)) @ inverse.T)
    rotated = reduced.factor @ (inverse.T @ vectors)
    outcome = rotated.T @ reduced.outcome
    shrink = 1.0 / (1.0 - values + grid[:, None] * values)
    if criterion == "reml":
        free = np.count_nonzero(fixed + moving == 0.0) + 1
        deviance = reduced.rest + float(reduced.outcome @ reduced.outcome) - shrink @ outcome**2
        with np.errstate(divide="ignore"):
            fitted = (reduced.nobs - free) * np.log(np.maximum(deviance, 0.0))
        return int(np.argmin(fitted - np.log(shrink).sum(axis=1) - np.count_nonzero(moving) * np.log(grid)))
    edf = shrink @ np.einsum("ij,ij->j", rotated, rotated)
    rss = reduced.rest + ((reduced.outcome - (shrink * outcome) @ rotated.T) ** 2).sum(axis=1)
    return int(np.argmin(reduced.score(rss, edf)))
