"""Sums over rows of a likelihood: Fisher information, score and deviance, block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg.lapack import dposv

from statinf.backend import map_threads, row_blocks
from statinf.errors import ConvergenceError
from statinf.numerics.glm.families import Family
from statinf.numerics.linear.factors import triangular_factor

PARALLEL_FROM = 1 << 21
"""Entries of the columns from which blocks are summed on several threads."""
WELL_CONDITIONED = 1e-4
"""Smallest eigenvalue of a scaled Gram matrix above which sums of products keep enough digits."""
_ROWS_OF_A_UNIT = 4096


def deviance_unit(family: Family, y: np.ndarray, w: np.ndarray) -> float:
    """Mean deviance of a row about one mean for all: the unit of weights and outcomes, from some rows; 1 where they have none."""
    some = slice(None, None, max(1, len(y) // _ROWS_OF_A_UNIT))
    seen = w[some] > 0
    y, w = y[some][seen], w[some][seen]
    with np.errstate(all="ignore"):
        unit = float(np.mean(w * family.unit_deviance(y, np.average(y, weights=w)))) if len(y) else 0.0
    return unit if np.isfinite(unit) and unit > 0 else 1.0


def least_deviance(family: Family, y: np.ndarray, w: np.ndarray) -> float:
    """A deviance that counts as nothing: a tenth, and less where all weights or outcomes are small."""
    return 0.1 * min(1.0, deviance_unit(family, y, w))


@dataclass(frozen=True)
class LikelihoodSums:
    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    offset: np.ndarray | None
    family: Family

    def predictor(self, beta: np.ndarray) -> np.ndarray:
        if self.x.size <= PARALLEL_FROM:
            eta = self.x @ beta
            return eta if self.offset is None else eta + self.offset
        eta = np.empty(len(self.y))

        def block(rows: slice) -> None:
            np.matmul(self.x[rows], beta, out=eta[rows])
            if self.offset is not None:
                eta[rows] += self.offset[rows]

        self._over_blocks(block)
        return eta

    @cached_property
    def floor(self) -> float:
        """What is added to a deviance that steps are measured by, so that it may be zero."""
        return least_deviance(self.family, self.y, self.w)

    def first_guess(self) -> tuple[np.ndarray, np.ndarray]:
        """One weighted least-squares step from means inside the family's range, and its Gram matrix."""

        def block(rows: slice) -> tuple[np.ndarray, np.ndarray]:
            y, w = self.y[rows], self.w[rows]
            mean = self.family.start(y, w)
            eta = self.family.link.link(mean)
            slope = self.family.link.slope(eta)
            information = w * slope**2 / self.family.variance(mean)
            target = eta + (y - mean) / slope - (0.0 if self.offset is None else self.offset[rows])
            half = self.x[rows] * np.sqrt(information)[:, None]
            return np.dot(half.T, half), np.dot(self.x[rows].T, information * target)

        with np.errstate(all="ignore"):
            sums = self._over_blocks(block)
        gram, moment = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
        return solve_information(gram, moment), gram

    def evaluate(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Fisher information, score and deviance, summed over blocks that stay in cache."""
        k = self.x.shape[1]

        def block(rows: slice) -> tuple[np.ndarray, float]:
            with np.errstate(all="ignore"):
                x, w, (slope, information, unit) = self._terms(rows, beta)
                root = np.sqrt(w * information)
                # Beside the scaled columns a working residual: their one cross-product holds information and score.
                half = np.empty((len(x), k + 1), order="F")
                np.multiply(x, root[:, None], out=half[:, :k])
                np.divide(w * slope, root, out=half[:, k], where=root > 0)
                half[root == 0, k] = 0.0
                return np.dot(half.T, half), float(np.dot(w, unit))

        cross, deviance = (np.sum(parts, axis=0) for parts in zip(*self._over_blocks(block), strict=True))
        return cross[:k, :k], cross[:k, k], float(deviance)

    def newton_step(self, beta: np.ndarray, score: np.ndarray) -> np.ndarray | None:
        """The step by the observed information; None where that is not positive definite."""

        def block(rows: slice) -> np.ndarray:
            eta = self.x[rows] @ beta
            if self.offset is not None:
                eta += self.offset[rows]
            weight = self.w[rows] * self.family.observed(eta, self.y[rows])
            return np.dot(self.x[rows].T, self.x[rows] * weight[:, None])

        gram = np.sum(self._over_blocks(block), axis=0)
        # The matrix of a saddle has a diagonal below zero, or no triangular factor.
        return solve_information(gram, score) if smallest_eigenvalue(gram) > 0.0 else None

    def evaluate_score(self, beta: np.ndarray) -> tuple[np.ndarray, float]:
        """Score and deviance alone, for a quarter of the work."""

        def block(rows: slice) -> tuple[np.ndarray, float]:
            with np.errstate(all="ignore"):
                x, w, (slope, _, unit) = self._terms(rows, beta)
                # The columns of a block are copied for this product: in the order that they stand in, half as long.
                return np.dot(x.T, w * slope), float(np.dot(w, unit))

        score, deviance = (np.sum(parts, axis=0) for parts in zip(*self._over_blocks(block), strict=True))
        return score, float(deviance)

    def _terms(self, rows: slice, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[Any, Any, Any]]:
        """Columns, weights and what the family makes of a block's rows."""
        x = self.x[rows]
        eta = x @ beta  # np.dot would copy the block first
        if self.offset is not None:
            eta += self.offset[rows]
        return x, self.w[rows], self.family.terms(eta, self.y[rows])

    def factor(self, gram: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Triangular factor of the information: from the sums where they are accurate, else from the rows."""
        if smallest_eigenvalue(gram) > WELL_CONDITIONED:
            return np.linalg.cholesky(gram).T
        return triangular_factor(self.x, self.w * self.family.terms(eta, self.y)[1])

    def _over_blocks(self, block: Callable[[slice], Any]) -> list[Any]:
        return map_threads(block, row_blocks(*self.x.shape), parallel=self.x.size > PARALLEL_FROM)


def solve_information(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve `gram @ x = right`; by least squares where the information is singular.

    Parameters
    ----------
    gram : ndarray, shape (k, k)
    right : ndarray, shape (k,) or (k, m)

    Raises
    ------
    ConvergenceError
        If one of them is not finite.
    """
    # Scaling to unit diagonal makes the factorisation independent of the covariates' units.
    scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    scaled, given = gram * scale[:, None] * scale, (right.T * scale).T
    if not (np.isfinite(scaled).all() and np.isfinite(given).all()):
        raise ConvergenceError(
            "the likelihood's derivatives are no numbers where its last step led: it has no maximum there. Use another link, "
            "rescale the outcome, or give start= (coefficients to begin with)."
        )
    if len(gram):
        _, found, info = dposv(scaled, given)
        if info == 0:
            return (found.T * scale).T
    return (np.linalg.lstsq(scaled, given, rcond=1e-13)[0].T * scale).T


def smallest_eigenvalue(gram: np.ndarray) -> float:
    """Of a Gram matrix scaled to a unit diagonal; 0 if it has an empty column or is not finite."""
    diagonal = np.diag(gram)
    if len(gram) == 0 or not np.isfinite(gram).all() or (diagonal <= 0).any():
        return 0.0
    scale = 1.0 / np.sqrt(diagonal)
    return float(np.linalg.eigvalsh(gram * scale[:, None] * scale)[0])
