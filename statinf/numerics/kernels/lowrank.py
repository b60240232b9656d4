"""Low-rank factors of kernel matrices without forming them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dpstrf

from statinf.backend.progress import Bar, counted_bar


def pivoted_cholesky(
    columns: Callable[[np.ndarray], np.ndarray],
    diagonal: np.ndarray,
    *,
    tol: float,
    max_rank: int,
    block: int = 32,
    partial: bool = False,
) -> np.ndarray | None:
    """A factor L (n, r) with ``max diag(K - L L') <= tol``; None if that takes more than `max_rank` columns.

    Parameters
    ----------
    columns : callable
        Maps positions (b,) to the columns ``K[:, positions]``, shape (n, b).
    diagonal : ndarray, shape (n,)
        Of K.
    tol : float
    max_rank : int
    block : int
        Pivots proposed at a time.
    partial : bool
        Return the best factor of `max_rank` columns where that is not enough for `tol`.

    Notes
    -----
    Pivots are the largest remaining diagonal entries; within a block they are re-chosen after every step, so that
    near-duplicates of a pivot are not taken.
    """
    n = len(diagonal)
    left = diagonal.astype(np.float64, copy=True)
    factor = np.empty((n, min(max_rank, n)), order="F")
    with counted_bar(factor.shape[1], "directions of the kernel, at most") as bar:
        rank = _filled(columns, left, factor, tol, block, bar)
    if rank is None:
        return factor if partial or factor.shape[1] == n else None
    return np.ascontiguousarray(factor[:, :rank])


def _filled(
    columns: Callable[[np.ndarray], np.ndarray], left: np.ndarray, factor: np.ndarray, tol: float, block: int, bar: Bar
) -> int | None:
    """The rank whose columns were filled in; None where there is no room for all that `tol` needs."""
    rank, some = 0, min(block, len(left))
    while left.max(initial=0.0) > tol:
        candidates = np.argpartition(left, -some)[-some:]
        fresh = columns(candidates) - factor[:, :rank] @ factor[candidates, :rank].T
        while True:
            best = int(np.argmax(left[candidates]))
            pivot = left[candidates[best]]
            # A pivot far below the largest remaining one would waste rank; look for new candidates instead.
            if pivot <= max(tol, 0.1 * left.max()):
                break
            if rank == factor.shape[1]:
                return None
            column = fresh[:, best] / np.sqrt(pivot)
            factor[:, rank] = column
            rank += 1
            bar.advance()
            left -= column**2
            left[candidates[best]] = 0.0
            np.maximum(left, 0.0, out=left)
            fresh -= np.outer(column, column[candidates])
    return rank


def dense_pivoted_cholesky(matrix: np.ndarray, *, tol: float) -> np.ndarray:
    """The same factor of a matrix that is small enough to be formed: one LAPACK call in place of a loop over columns.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Positive semidefinite; overwritten.
    tol : float
    """
    lower, pivots, rank, _ = dpstrf(matrix.T, tol=tol, lower=1, overwrite_a=1)
    factor = np.empty((len(matrix), rank))
    factor[pivots - 1] = np.tril(lower[:, :rank])
    return factor
