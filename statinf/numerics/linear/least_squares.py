"""Weighted least squares that reveals rank, by orthogonal factorisation.

Rows are reduced block by block to a triangular factor (a tall-skinny QR), so that memory beyond the
data is one block, and the numbers keep the accuracy of a Householder QR of the whole. Columns that the
columns before them determine are left out, as R's `lm` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from statinf.backend import map_threads, row_blocks

TOLERANCE = 1e-11
"""A column is aliased if less than this share of its length is left beside the columns before it."""

_BLOCK_ELEMENTS = 1 << 17
_PARALLEL_FROM = 1 << 21
_REFINE_ABOVE = 300.0
_REFINE_UP_TO = 1 << 20
_REFINE_STEPS = 3


@dataclass(frozen=True)
class LeastSquares:
    """A weighted least-squares solution.

    Attributes
    ----------
    coef : ndarray, shape (p,) or (p, m)
        Coefficients, NaN for aliased columns.
    kept : ndarray of bool, shape (p,)
        Columns that are not aliased.
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R = X'WX of the kept columns.
    rss : float or ndarray, shape (m,)
        Weighted residual sum of squares.
    condition : float
        Condition number of `factor` with its columns scaled to length one.
    """

    coef: np.ndarray
    kept: np.ndarray
    factor: np.ndarray
    rss: float | np.ndarray
    condition: float

    @property
    def rank(self) -> int:
        return len(self.factor)

    @property
    def inverse_gram(self) -> np.ndarray:
        """(X'WX)^-1 of the kept columns, shape (k, k)."""
        return inverse_gram(self.factor)


def triangular_factor(
    columns: np.ndarray, weights: np.ndarray | None = None, extra: np.ndarray | None = None
) -> np.ndarray:
    """Upper triangular R of sqrt(weights) * [columns, extra].

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    weights : ndarray, shape (n,), optional
    extra : ndarray, shape (n, m), optional
        Further columns, appended without a copy of the first.

    Returns
    -------
    ndarray, shape (min(n, p + m), p + m)
    """
    n, p = columns.shape
    m = 0 if extra is None else extra.shape[1]
    root = None if weights is None else np.sqrt(weights)

    def reduce(rows: slice) -> np.ndarray:
        block = np.empty((rows.stop - rows.start, p + m), order="F")
        block[:, :p] = columns[rows]
        if extra is not None:
            block[:, p:] = extra[rows]
        if root is not None:
            block *= root[rows, None]
        return np.asarray(np.linalg.qr(block, mode="r"))

    blocks = row_blocks(n, p + m, max(_BLOCK_ELEMENTS, 8 * (p + m) ** 2))
    if len(blocks) == 1:
        return reduce(blocks[0])
    stacked = np.concatenate(map_threads(reduce, blocks, parallel=n * (p + m) > _PARALLEL_FROM))
    return np.asarray(np.linalg.qr(stacked, mode="r"))


def independent_columns(factor: np.ndarray, p: int, tolerance: float = TOLERANCE) -> np.ndarray:
    """Which of the first p columns behind a triangular factor are not determined by those before them.

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    columns = factor[:, :p]
    lengths = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    kept = np.zeros(p, dtype=bool)
    basis = np.zeros((len(columns), min(columns.shape)))
    rank = 0
    for j in range(p):
        if rank == basis.shape[1] or lengths[j] == 0.0:
            continue
        residual = columns[:, j].copy()
        for _ in range(2):  # once more: the first sweep leaves rounding of the size of the column
            residual -= basis[:, :rank] @ (basis[:, :rank].T @ residual)
        length = np.sqrt(residual @ residual)
        if length > tolerance * lengths[j]:
            basis[:, rank] = residual / length
            rank += 1
            kept[j] = True
    return kept


def inverse_gram(factor: np.ndarray) -> np.ndarray:
    """(R'R)^-1, shape (k, k)."""
    inverse = solve_triangular(factor, np.eye(len(factor)))
    return inverse @ inverse.T


def scaled_condition(factor: np.ndarray) -> float:
    """Condition number of a triangular factor with columns of length one; 1 for no columns."""
    if len(factor) == 0:
        return 1.0
    lengths = np.sqrt(np.einsum("ij,ij->j", factor, factor))
    singular = np.linalg.svd(factor / lengths, compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf


def solve(
    columns: np.ndarray, response: np.ndarray, weights: np.ndarray | None = None, *, tolerance: float = TOLERANCE
) -> LeastSquares:
    """Minimise sum of w (y - X b)^2.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    response : ndarray, shape (n,) or (n, m)
    weights : ndarray, shape (n,), optional
        Not negative.
    tolerance : float
        See `TOLERANCE`.

    Returns
    -------
    LeastSquares
    """
    p = columns.shape[1]
    targets = response.reshape(len(response), -1)
    joint = triangular_factor(columns, weights, targets)
    kept = independent_columns(joint, p, tolerance)
    if not kept.all():
        chosen = np.concatenate([np.flatnonzero(kept), np.arange(p, p + targets.shape[1])])
        joint = np.asarray(np.linalg.qr(joint[:, chosen], mode="r"))
    k = int(kept.sum())
    factor = joint[:k, :k]
    solution = solve_triangular(factor, joint[:k, k:]) if k else np.empty((0, targets.shape[1]))
    rest = joint[k:, k:]
    rss = np.einsum("ij,ij->j", rest, rest)
    condition = scaled_condition(factor)
    if condition > _REFINE_ABOVE and k * len(targets) <= _REFINE_UP_TO:
        solution, rss = _refined(columns[:, kept], targets, weights, solution)
    coef = np.full((p, targets.shape[1]), np.nan)
    coef[kept] = solution
    if response.ndim == 1:
        return LeastSquares(coef[:, 0], kept, factor, float(rss[0]), condition)
    return LeastSquares(coef, kept, factor, rss, condition)


def _refined(
    columns: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Iterative refinement of coefficients and residuals together (Bjorck 1967).

    The augmented system [I A; A' 0][r; x] = [b; 0] is corrected with right-hand sides in extended
    precision. Refining x alone would leave the part of the error that grows with the squared condition
    number times the residual.
    """
    root = np.ones(len(targets)) if weights is None else np.sqrt(weights)
    a, b = columns * root[:, None], targets * root[:, None]
    wide_a, wide_b = a.astype(np.longdouble), b.astype(np.longdouble)
    q, r = np.linalg.qr(a)
    x = start.astype(np.longdouble)
    residual = wide_b - wide_a @ x
    last = np.inf
    for _ in range(_REFINE_STEPS):
        f = (wide_b - residual - wide_a @ x).astype(np.float64)
        g = (-(wide_a.T @ residual)).astype(np.float64)
        h = solve_triangular(r, g, trans="T")
        d = q.T @ f
        step = solve_triangular(r, d - h)
        length = float(np.abs(r @ step).max())
        if not np.isfinite(length) or length >= last:
            break
        last = length
        x += step
        residual += f - q @ (d - h)
    return x.astype(np.float64), np.asarray((residual**2).sum(axis=0), dtype=np.float64)


def leverages(columns: np.ndarray, factor: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Diagonal of the weighted hat matrix, w_i x_i'(X'WX)^-1 x_i, shape (n,).

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        Kept columns only.
    factor : ndarray, shape (k, k)
    weights : ndarray, shape (n,), optional
    """
    inverse = solve_triangular(factor, np.eye(len(factor)))
    out = np.empty(len(columns))
    step = max(1, _BLOCK_ELEMENTS // max(columns.shape[1], 1))
    for start in range(0, len(columns), step):
        half = columns[start : start + step] @ inverse
        out[start : start + step] = np.einsum("ij,ij->i", half, half)
    return out if weights is None else out * weights
