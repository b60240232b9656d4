"""Least squares and ridge on every complement of a fold, for many outcomes and arms, from one pass over the rows.

Rows fall into cells: a fold crossed with the strata (treatment arms) that nuisance models are trained on.
Sums by cell give every training set's normal equations by addition, so that cross-fitting costs one fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from statinf.backend import map_threads, row_blocks
from statinf.numerics.linear.gram import FoldGrams, fold_grams

PARALLEL_FROM = 1 << 18
_WELL_CONDITIONED = 1e-9
_SMALL_BLOCK = 1 << 16
"""Entries of blocks whose copies are made without a call for memory."""


@dataclass(frozen=True)
class Standard:
    """Columns behind a constant, with mean zero and unit variance.

    Attributes
    ----------
    z : ndarray, shape (n, p + 1)
    centre, scale : ndarray, shape (p,)
    """

    z: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def penalty(self, penalty: float) -> np.ndarray:
        """Ridge penalty on coefficients of the columns as given, shape (p + 1,); none on the constant."""
        return np.append(0.0, penalty / self.scale**2)

    def raw(self, coef: np.ndarray) -> tuple[float, np.ndarray]:
        """Intercept and coefficients for the columns as given."""
        slopes = coef[1:] / self.scale
        return float(coef[0] - self.centre @ slopes), slopes


def standardise(X: np.ndarray, w: np.ndarray) -> Standard:
    """Centre and scale columns X (n, p) under weights w (n,)."""
    z = np.empty((len(X), X.shape[1] + 1))
    total, blocks, parallel = w.sum(), row_blocks(*z.shape), z.size > PARALLEL_FROM
    # Sums around a mean of some rows keep the digits that squares of columns far from zero would lose.
    near = X[blocks[0]].mean(axis=0) if blocks else np.zeros(X.shape[1])

    def sums(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        part = X[rows].T - near[:, None]
        first = np.dot(part, w[rows])
        return first, np.dot(np.multiply(part, part, out=part), w[rows])

    parts = map_threads(sums, row_blocks(*z.shape, _SMALL_BLOCK), parallel=parallel)
    shift, squares = (np.sum([p[i] for p in parts], axis=0) / total for i in (0, 1))
    centre, scale = near + shift, np.sqrt(np.maximum(squares - shift**2, 0.0))
    scale = np.where(scale > 1e-14 * np.maximum(np.abs(centre), 1e-290), scale, 1.0)
    inverse = 1.0 / scale

    def scaled(rows: slice) -> None:
        # Columns are scaled while each is in one piece, as those of a design are, and turned into rows at the end.
        part = X[rows].T - centre[:, None]
        part *= inverse[:, None]
        z[rows, 0], z[rows, 1:] = 1.0, part.T

    map_threads(scaled, blocks, parallel=parallel)
    return Standard(z, centre, scale)


def cell_sums(z: np.ndarray, y: np.ndarray, cells: np.ndarray, count: int, w: np.ndarray) -> FoldGrams:
    """Sums by cell over blocks of rows, on threads where it pays.

    Parameters
    ----------
    z : ndarray, shape (n, p)
    y : ndarray, shape (n, t)
    cells : ndarray of int, shape (n,)
    count : int
    w : ndarray, shape (n,)
    """

    def block(rows: slice) -> FoldGrams:
        return fold_grams(z[rows], y[rows], cells[rows], w[rows], count)

    parts = map_threads(block, row_blocks(len(z), 2 * z.shape[1]), parallel=z.size > PARALLEL_FROM)
    return FoldGrams(*(np.sum([getattr(p, f) for p in parts], axis=0) for f in ("gram", "moment", "squares", "weight")))


@dataclass(frozen=True)
class CellSums:
    """Sums over the rows of each cell.

    Attributes
    ----------
    gram : ndarray, shape (cells, p, p)
        Sum of v z z'.
    moment : ndarray, shape (cells, p, t)
        Sum of z r'.
    """

    gram: np.ndarray
    moment: np.ndarray


def sums_by_cell(
    z: np.ndarray,
    cells: np.ndarray,
    count: int,
    requests: Sequence[tuple[np.ndarray | None, np.ndarray]],
    *,
    parallel: bool | None = None,
) -> list[CellSums]:
    """Several weighted cross-products by cell while a block of rows, sorted by cell, is in cache.

    Parameters
    ----------
    z : ndarray, shape (n, p)
    cells : ndarray of int, shape (n,)
    count : int
    requests : sequence of (ndarray of shape (n,) or None, ndarray of shape (n, t))
        Weights v of ``z z'`` (None for ones), and the rows r, their own weights multiplied in.
    parallel : bool, optional
        Whether to use threads; by default where the rows are many.
    """
    # A stable sort of one or two bytes is a radix sort.
    codes = cells.astype(np.uint8 if count <= 256 else np.uint16 if count <= 65536 else np.intp)
    p = z.shape[1]

    def block(rows: slice) -> list[tuple[np.ndarray, np.ndarray]]:
        order = np.argsort(codes[rows], kind="stable") + rows.start
        ends = np.cumsum(np.bincount(codes[rows], minlength=count)).tolist()
        out = [(np.empty((count, p, p)), np.empty((count, p, right.shape[1]))) for _, right in requests]
        for c, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            # One cell at a time is gathered, weighted and multiplied while it is in the cache.
            chosen = order[start:stop]
            part = z.take(chosen, axis=0)
            for (gram, moment), (weight, right) in zip(out, requests, strict=True):
                both = np.empty((len(chosen), p + right.shape[1]))
                if weight is None:
                    both[:, :p] = part
                else:
                    np.multiply(part, weight.take(chosen)[:, None], out=both[:, :p])
                both[:, p:] = right.take(chosen, axis=0)
                product = np.dot(part.T, both)
                gram[c], moment[c] = product[:, :p], product[:, p:]
        return out

    spread = z.size > PARALLEL_FROM if parallel is None else parallel
    made = map_threads(block, row_blocks(len(z), p), parallel=spread)
    return [CellSums(*(sum(m[i][j] for m in made) for j in range(2))) for i in range(len(requests))]  # type: ignore[arg-type]


def solve_gram(gram: np.ndarray, moment: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Solve normal equations; collinear columns share their effect (least norm)."""
    full = gram + np.diag(penalty)
    scale = 1.0 / np.sqrt(np.maximum(np.diag(full), np.finfo(float).tiny))
    scaled = full * scale[:, None] * scale
    right = moment * (scale if moment.ndim == 1 else scale[:, None])
    try:
        factor = cho_factor(scaled)
        if np.abs(np.diag(factor[0])).min() ** 2 > _WELL_CONDITIONED:
            out = cho_solve(factor, right)
            return out * (scale if moment.ndim == 1 else scale[:, None])
    except LinAlgError:
        pass
    return np.linalg.lstsq(full, moment, rcond=1e-11)[0]


def solve_grams(gram: np.ndarray, moment: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """`solve_gram` for stacks (m, p, p) and (m, p) in one call where all are well conditioned; shape (m, p)."""
    scaled, scale = _scaled(gram, penalty)
    if scaled is None:
        return np.stack([solve_gram(g, m, penalty) for g, m in zip(gram, moment, strict=True)])
    return np.linalg.solve(scaled, (moment * scale)[..., None])[..., 0] * scale


def inverse_grams(gram: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Inverses (m, p, p) of a stack with penalties (p,) on the diagonal; of least norm where one is singular."""
    scaled, scale = _scaled(gram, penalty)
    if scaled is None:
        return np.stack([solve_gram(g, np.eye(len(g)), penalty) for g in gram])
    return np.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :]


def _scaled(gram: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Matrices with unit diagonals and their scales; None in place of matrices that are not all well conditioned."""
    full = gram + np.diag(penalty)
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(full, axis1=1, axis2=2), np.finfo(float).tiny))
    scaled = full * scale[:, :, None] * scale[:, None, :]
    try:
        smallest = np.diagonal(np.linalg.cholesky(scaled), axis1=1, axis2=2).min()
    except np.linalg.LinAlgError:
        return None, scale
    return (scaled if smallest**2 > _WELL_CONDITIONED else None), scale


def fold_coefficients(
    gram: np.ndarray, moment: np.ndarray, wanted: Sequence[tuple[int, tuple[int, ...], np.ndarray]]
) -> np.ndarray:
    """Coefficients of every wanted fit without each fold; of the fit on all rows if there is one fold.

    Parameters
    ----------
    gram : ndarray, shape (r, folds, strata, p, p)
        Of r splits.
    moment : ndarray, shape (r, folds, strata, p, t)
    wanted : sequence of (int, tuple of int, ndarray of shape (p,))
        Which column of the moments, the strata to train on, and the penalty.

    Returns
    -------
    ndarray, shape (r, wanted, folds, p)
    """
    r, folds, _, p = gram.shape[:4]
    out = np.empty((r, len(wanted), folds, p))
    for i, (target, chosen, penalty) in enumerate(wanted):
        g, m = gram[:, :, list(chosen)].sum(axis=2), moment[..., target][:, :, list(chosen)].sum(axis=2)
        if folds > 1:
            g, m = g.sum(axis=1, keepdims=True) - g, m.sum(axis=1, keepdims=True) - m
        out[:, i] = solve_grams(g.reshape(-1, p, p), m.reshape(-1, p), penalty).reshape(r, folds, p)
    return out


def predict_own_fold(
    z: np.ndarray, coef: np.ndarray, splits: np.ndarray, *, parallel: bool | None = None
) -> np.ndarray:
    """Prediction of each row by the fit that left its fold out.

    Parameters
    ----------
    z : ndarray, shape (n, p)
    coef : ndarray, shape (r, t, folds, p)
    splits : ndarray of int, shape (r, n)
        Fold numbers of each split.
    parallel : bool, optional

    Returns
    -------
    ndarray, shape (r, t, n)
    """
    r, t, k, p = coef.shape
    columns = r * t * k
    flat = np.ascontiguousarray(coef.reshape(columns, p).T)
    out = np.empty((r, t, len(z)))

    def block(rows: slice) -> None:
        every = (z[rows] @ flat).ravel()
        first = np.arange(0, len(every), columns)
        for i in range(r):
            own = first + splits[i, rows]
            for j in range(t):
                every.take(own + (i * t + j) * k, out=out[i, j, rows], mode="clip")

    spread = z.size > PARALLEL_FROM if parallel is None else parallel
    map_threads(block, row_blocks(len(z), p + columns, 1 << 17), parallel=spread)
    return out
