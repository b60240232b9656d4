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
from statinf.numerics.linear.centring import Centring, centring_of

TOLERANCE = 1e-11
"""A column is aliased if less than this share of its length is left beside the columns before it."""

_BLOCK_ELEMENTS = 1 << 17
_PARALLEL_FROM = 1 << 21
_REFINE_ABOVE = 300.0
_REFINE_UP_TO = 1 << 20
_REFINE_STEPS = 3


@dataclass(frozen=True)
class LeastSquaresSolution:
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
        Condition number of the kept columns, centred where a constant is spanned and scaled to length one.
    aliases : ndarray, shape (k, p - k)
        How the kept columns make each column that was left out.
    """

    coef: np.ndarray
    kept: np.ndarray
    factor: np.ndarray
    rss: float | np.ndarray
    condition: float
    aliases: np.ndarray

    @property
    def rank(self) -> int:
        return len(self.factor)

    @property
    def inverse_gram(self) -> np.ndarray:
        """(X'WX)^-1 of the kept columns, shape (k, k)."""
        return inverse_gram(self.factor)


def triangular_factor(
    columns: np.ndarray,
    weights: np.ndarray | None = None,
    extra: np.ndarray | None = None,
    centre: np.ndarray | None = None,
) -> np.ndarray:
    """Upper triangular R of sqrt(weights) * [columns, extra].

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    weights : ndarray, shape (n,), optional
    extra : ndarray, shape (n, m), optional
        Further columns, appended without a copy of the first.
    centre : ndarray, shape (p,), optional
        Taken from the columns, not from the further ones.

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
        if centre is not None:
            block[:, :p] -= centre
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


def independent_columns(
    factor: np.ndarray, p: int, tolerance: float = TOLERANCE, rounding: np.ndarray | None = None
) -> np.ndarray:
    """Which of the first p columns behind a triangular factor are not determined by those before them.

    Parameters
    ----------
    factor : ndarray, shape (m, p or more)
    p : int
    tolerance : float
        See `TOLERANCE`.
    rounding : ndarray, shape (p,), optional
        Length of what rounding has done to each column, where that is more than the factor shows. A column
        is determined, too, if what is left of it is no more than its own rounding and that of the columns
        which make it.

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    columns = factor[:, :p]
    lengths = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    kept = np.zeros(p, dtype=bool)
    basis = np.zeros((len(columns), min(columns.shape)))
    triangle = np.zeros((basis.shape[1], basis.shape[1]))
    rank = 0
    for j in range(p):
        if rank == basis.shape[1] or lengths[j] == 0.0:
            continue
        residual = columns[:, j].copy()
        along = np.zeros(rank)
        for _ in range(2):  # once more: the first sweep leaves rounding of the size of the column
            more = basis[:, :rank].T @ residual
            residual -= basis[:, :rank] @ more
            along += more
        length = np.sqrt(residual @ residual)
        floor = tolerance * lengths[j]
        if rounding is not None:
            made_of = solve_triangular(triangle[:rank, :rank], along) if rank else along
            floor = max(floor, rounding[j] + np.abs(made_of) @ rounding[kept])
        if length > floor:
            basis[:, rank] = residual / length
            triangle[:rank, rank], triangle[rank, rank] = along, length
            rank += 1
            kept[j] = True
    return kept


@dataclass(frozen=True)
class Reduced:
    """Columns reduced to their triangular factor, aliased ones left out.

    Attributes
    ----------
    kept : ndarray of bool, shape (p,)
    joint : ndarray, shape (m, k + extra)
        Upper triangular factor of the kept columns (centred) and the further ones.
    centring : Centring or None
    aliases : ndarray, shape (k, p - k)
        How the kept columns, as they stand, make each of those left out.
    """

    kept: np.ndarray
    joint: np.ndarray
    centring: Centring | None
    aliases: np.ndarray

    @property
    def rank(self) -> int:
        return int(self.kept.sum())

    @property
    def centred_factor(self) -> np.ndarray:
        """Of the kept columns, shape (k, k)."""
        return self.joint[: self.rank, : self.rank]

    @property
    def factor(self) -> np.ndarray:
        """Of the kept columns as they stand, shape (k, k)."""
        if self.centring is None:
            return self.centred_factor
        return self.centring.raw_factor(self.centred_factor, self.kept)


_DIGITS = 8.0 * np.finfo(float).eps
"""What rounding may have done to an entry, relative to its size: some thirty times its standard deviation."""


def reduce_columns(
    columns: np.ndarray,
    weights: np.ndarray | None = None,
    extra: np.ndarray | None = None,
    *,
    tolerance: float = TOLERANCE,
    centring: bool = True,
) -> Reduced:
    """Reduce columns to a triangular factor, and leave out those that the columns before them determine.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    weights : ndarray, shape (n,), optional
    extra : ndarray, shape (n, m), optional
    tolerance : float
    centring : bool
        Whether columns far from zero are centred where a constant is spanned.
    """
    p = columns.shape[1]
    moved = centring_of(columns) if centring else None
    joint = triangular_factor(columns, weights, extra, None if moved is None else moved.centre)
    rounding = None
    if moved is not None:
        far = np.abs(moved.centre) * np.linalg.norm(joint[:, :p] @ moved.ones)
        rounding = np.where(far > 0, _DIGITS * far, 0.0)
    kept = independent_columns(joint, p, tolerance, rounding)
    if kept.all():
        return Reduced(kept, joint, moved, np.empty((p, 0)))
    if moved is not None and not kept[moved.ones != 0].all():
        return reduce_columns(columns, weights, extra, tolerance=tolerance, centring=False)
    m = joint.shape[1] - p
    chosen = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept), np.arange(p, p + m)])
    turned = np.asarray(np.linalg.qr(joint[:, chosen], mode="r"))
    k = int(kept.sum())
    aliases = solve_triangular(turned[:k, :k], turned[:k, k:p]) if k else np.empty((0, p - k))
    if moved is not None:
        gap = moved.centre[~kept] - moved.centre[kept] @ aliases
        aliases = aliases + np.outer(moved.ones[kept], gap)
    joint = np.asarray(np.linalg.qr(joint[:, np.delete(chosen, np.arange(k, p))], mode="r"))
    return Reduced(kept, joint, moved, aliases)


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
) -> LeastSquaresSolution:
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
    LeastSquaresSolution
    """
    p = columns.shape[1]
    targets = response.reshape(len(response), -1)
    reduced = reduce_columns(columns, weights, targets, tolerance=tolerance)
    kept, joint, k = reduced.kept, reduced.joint, reduced.rank
    centred = reduced.centred_factor
    solution = solve_triangular(centred, joint[:k, k:]) if k else np.empty((0, targets.shape[1]))
    rest = joint[k:, k:]
    rss = np.einsum("ij,ij->j", rest, rest)
    condition = scaled_condition(centred)
    if condition > _REFINE_ABOVE and k * len(targets) <= _REFINE_UP_TO:
        centre = None if reduced.centring is None else reduced.centring.centre[kept]
        solution, rss = _refined(columns[:, kept], targets, weights, solution, centre)
    if reduced.centring is not None:
        solution = reduced.centring.raw_coefficients(solution, kept)
    coef = np.full((p, targets.shape[1]), np.nan)
    coef[kept] = solution
    factor, aliases = reduced.factor, reduced.aliases
    if response.ndim == 1:
        return LeastSquaresSolution(coef[:, 0], kept, factor, float(rss[0]), condition, aliases)
    return LeastSquaresSolution(coef, kept, factor, rss, condition, aliases)


def _refined(
    columns: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    start: np.ndarray,
    centre: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Iterative refinement of coefficients and residuals together (Bjorck 1967).

    The augmented system [I A; A' 0][r; x] = [b; 0] is corrected with right-hand sides in extended
    precision. Refining x alone would leave the part of the error that grows with the squared condition
    number times the residual.
    """
    root = np.ones(len(targets)) if weights is None else np.sqrt(weights)
    if centre is None:
        wide_a = (columns * root[:, None]).astype(np.longdouble)
    else:
        wide_a = (columns.astype(np.longdouble) - centre) * root[:, None]
    a, wide_b = wide_a.astype(np.float64), (targets * root[:, None]).astype(np.longdouble)
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
