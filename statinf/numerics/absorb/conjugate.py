"""Conjugate gradients for several right-hand sides of one symmetric positive semidefinite system at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def conjugate_gradients(
    apply: Callable[[np.ndarray], np.ndarray],
    rhs: np.ndarray,
    precondition: Callable[[np.ndarray], np.ndarray],
    size: np.ndarray,
    target: np.ndarray,
    max_iter: int,
) -> tuple[np.ndarray, int, np.ndarray]:
    """Solve S b = r for each column, from zero.

    A consistent singular system has the solution of the range of the preconditioned matrix.

    Parameters
    ----------
    apply : callable
        From (m, p) to S times it.
    rhs : ndarray, shape (m, p)
    precondition : callable
        From (m, p) to about the inverse of S times it.
    size : ndarray, shape (m,)
        What squares of the residual are weighted by when its length is taken.
    target : ndarray, shape (p,)
        Length of the residual at which a column is solved.
    max_iter : int

    Returns
    -------
    solution : ndarray, shape (m, p)
    iterations : int
    length : ndarray, shape (p,)
        Of the residuals that the recursion is left with.
    """
    solution = np.zeros_like(rhs)
    residual = rhs.copy()
    length = _lengths(residual, size)
    active = length > target
    if not active.any():
        return solution, 0, length
    step = precondition(residual)
    along = np.einsum("ij,ij->j", residual, step)
    direction = np.array(step)
    iteration = 0
    while iteration < max_iter and active.any():
        iteration += 1
        image = apply(direction)
        curvature = np.einsum("ij,ij->j", direction, image)
        move = np.divide(along, curvature, out=np.zeros_like(along), where=active & (curvature > 0.0))
        solution += move * direction
        residual -= move * image
        length = _lengths(residual, size)
        active &= length > target
        step = precondition(residual)
        before, along = along, np.einsum("ij,ij->j", residual, step)
        turn = np.divide(along, before, out=np.zeros_like(along), where=active & (before > 0.0))
        direction *= turn
        direction += step
    return solution, iteration, length


def _lengths(residual: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("i,ij,ij->j", size, residual, residual))
