"""Leading eigenpairs of a dense symmetric matrix by block Lanczos steps."""

from __future__ import annotations

import numpy as np

_BLOCK = 64
_DENSE = 1200
"""Order up to which all eigenpairs are cheaper."""


def leading_eigenpairs(
    matrix: np.ndarray, count: int, *, tol: float = 1e-12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` largest eigenvalues and their eigenvectors, in decreasing order.

    A Krylov space grows by blocks, so that the work is matrix products, until the wanted pairs' residuals are small.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Symmetric, with its largest eigenvalues positive.
    count : int
    tol : float
        Largest residual ``|A v - value v|``, relative to the largest eigenvalue.
    seed : int
        Of the first block.

    Returns
    -------
    values : ndarray, shape (count,)
    vectors : ndarray, shape (n, count)
    """
    n = len(matrix)
    count = min(count, n)
    if n <= max(_DENSE, 4 * count):
        values, vectors = np.linalg.eigh(matrix)
        return values[::-1][:count], vectors[:, ::-1][:, :count]
    from statinf.backend import generator

    most = n - n % _BLOCK
    basis, small, size, due = np.empty((n, most), order="F"), np.empty((most, most)), 0, count
    # Combinations of some columns: as good as one more step from any vectors, at a tenth of its cost.
    some = matrix[:: n // (n // 10 + _BLOCK) + 1]
    fresh = np.linalg.qr((generator(seed).normal(size=(_BLOCK, len(some))) @ some).T)[0]
    while True:
        new = slice(size, size + _BLOCK)
        size += _BLOCK
        basis[:, new] = fresh
        image = (fresh.T @ matrix).T  # the matrix is symmetric, and this way round is faster
        inside = basis[:, :size].T @ image
        small[:size, new], small[new, :size] = inside, inside.T
        fresh, lower = _orthogonal(image, basis[:, :size], inside)
        if size < min(due, most):
            continue
        values, rotation = np.linalg.eigh(small[:size, :size])
        values, rotation = values[::-1][:count], rotation[:, ::-1][:, :count]
        # A pair's residual lies in the next block alone.
        left = float(np.linalg.norm(lower @ rotation[-_BLOCK:], axis=0).max())
        if left <= tol * values[0] or size == most:
            return values, basis[:, :size] @ rotation
        # A look costs about half a block, which takes two or three digits off what is left.
        due = size + (1 if left <= 1e3 * tol * values[0] else 2) * _BLOCK


def _orthogonal(block: np.ndarray, basis: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal columns q and a matrix r with q r the part of the block outside the basis.

    `inside` is ``basis' block``.
    """
    q, first = _orthonormal(block - basis @ inside)
    # Once leaves rounding errors of the size of what was taken away.
    q, second = _orthonormal(q - basis @ (basis.T @ q))
    return q, second @ first


def _orthonormal(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A QR factorisation; by the Cholesky factor of the Gram matrix, whose rounding a second round removes."""
    try:
        lower = np.linalg.cholesky(block.T @ block)
    except np.linalg.LinAlgError:
        return np.linalg.qr(block)
    if lower.diagonal().min() < 1e-6 * lower.diagonal().max():
        return np.linalg.qr(block)
    # Not by SciPy: its BLAS has threads of its own, which would contend with NumPy's for the cores.
    return block @ np.linalg.inv(lower).T, lower.T
