"""Triangular factors of weighted columns, made block by block, and what is read from them."""

from __future__ import annotations

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.numerics.linear.triangular import solve_triangular

_BLOCK_ELEMENTS = 1 << 17
_PARALLEL_FROM = 1 << 21
_FREE_FROM = 500
"""Entries of a product from which `@` lets other threads work."""
_WELL_CONDITIONED = 30.0
"""Condition up to which products of columns lose less than three of their sixteen digits."""


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

    def block_of(rows: slice) -> np.ndarray:
        block = np.empty((rows.stop - rows.start, p + m), order="F")
        block[:, :p] = columns[rows]
        if centre is not None:
            block[:, :p] -= centre
        if extra is not None:
            block[:, p:] = extra[rows]
        if root is not None:
            block *= root[rows, None]
        return block

    def reduce(rows: slice) -> np.ndarray:
        return np.asarray(np.linalg.qr(block_of(rows), mode="r"))

    # np.dot copies a block of rows of a larger matrix first; `@` does not, but holds the interpreter for small products.
    bare = m == 0 and root is None and centre is None and p * p >= _FREE_FROM and columns.strides[0] == columns.itemsize

    def product(rows: slice) -> np.ndarray:
        if bare:
            return columns[rows].T @ columns[rows]
        block = block_of(rows)
        return np.dot(block.T, block)

    blocks = row_blocks(n, p + m, max(_BLOCK_ELEMENTS, 8 * (p + m) ** 2))
    if len(blocks) == 1:
        return reduce(blocks[0])
    large = n * (p + m) > _PARALLEL_FROM
    if large:
        found = root_of_products(np.sum(map_threads(product, blocks), axis=0))
        if found is not None:
            return found
    stacked = np.concatenate(map_threads(reduce, blocks, parallel=large))
    return np.asarray(np.linalg.qr(stacked, mode="r"))


def root_of_products(gram: np.ndarray) -> np.ndarray | None:
    """Cholesky's factor of products of columns, in a sixth of the time of an orthogonal one; None where it would lose digits."""
    lengths = np.sqrt(np.diag(gram))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        return None
    try:
        scaled = np.linalg.cholesky(gram / np.outer(lengths, lengths)).T
    except np.linalg.LinAlgError:
        return None
    if not scaled_condition(scaled) < _WELL_CONDITIONED:
        return None
    return np.asarray(scaled * lengths)


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
