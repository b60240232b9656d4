"""Regularised kernel systems on many subsets of the same rows, by preconditioned conjugate gradients.

Leaving a fold out masks rows of one kernel matrix, so that all folds and outcomes advance by one matrix product. The
preconditioner is the Nyström approximation by some of the rows, whose Gram matrix of any subset comes from sums by
row. Steps run in single precision and are corrected by residuals in double precision: the solution has the digits
of the latter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.backend import generator
from statinf.numerics.linear.triangular import solve_triangular

_TOLERANCE = 1e-12
_ROUNDS, _STEPS = 8, 60
_LANDMARKS = 128
_SINGLE_UP_TO = 12_000
"""Rows up to which a copy in single precision is kept beside the matrix."""


def solve_subsets(kernel: np.ndarray, noise: np.ndarray, keep: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """Solve ``(K + diag(noise))`` restricted to each subset of rows, for several right-hand sides.

    Parameters
    ----------
    kernel : ndarray, shape (n, n)
        Positive semidefinite.
    noise : ndarray, shape (n,)
        Positive.
    keep : ndarray of bool, shape (f, n)
    right : ndarray, shape (n, t)

    Returns
    -------
    ndarray, shape (f, n, t), or None
        Zero outside the subset. None if the steps did not reach 1e-12 of the right-hand side: the kernel matrix is
        too far from its approximation for its noise, and a factorisation is the better way.
    """
    f, n = keep.shape
    t = right.shape[1]
    mask = np.repeat(keep.T.astype(np.float64), t, axis=1)
    target = np.tile(right, (1, f)) * mask
    size = np.maximum(np.linalg.norm(target, axis=0), 1e-300)
    narrow = np.float32 if n <= _SINGLE_UP_TO else np.float64
    low, low_mask, low_noise = (np.asarray(a, narrow) for a in (kernel, mask, noise[:, None]))
    shrink = _preconditioner(kernel, noise, keep, t, narrow)
    if shrink is None:
        return None
    out, left, last = np.zeros_like(target), target, np.inf
    for _ in range(_ROUNDS):
        scale = np.maximum(np.linalg.norm(left, axis=0), 1e-300)
        step = _gradients(
            lambda v: low_mask * (low @ v) + low_noise * v, shrink, np.asarray(left / scale, narrow), 1e-5
        )
        out += step * scale
        left = target - mask * (kernel @ out) - noise[:, None] * out
        worst = float((np.linalg.norm(left, axis=0) / size).max())
        if worst <= _TOLERANCE:
            return out.reshape(n, f, t).transpose(1, 0, 2)
        if not worst < 0.5 * last:
            return None
        last = worst
    return None


def _preconditioner(
    kernel: np.ndarray, noise: np.ndarray, keep: np.ndarray, t: int, dtype: type
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Inverse of noise plus a Nyström approximation on each subset, by Woodbury's identity."""
    n = keep.shape[1]
    count = min(_LANDMARKS, max(n // 8, 1))
    chosen = generator(0, 37).permutation(n)[:count]
    columns = kernel[:, chosen]
    core = columns[chosen] + 1e-10 * np.trace(kernel) / n * np.eye(count)
    roots = []
    for rows in keep:
        part = columns * (rows / np.sqrt(noise))[:, None]
        try:
            # Orthogonal up to shrinkage: unlike an inverse it keeps its digits in single precision.
            lower = np.linalg.cholesky(core + part.T @ part)
        except np.linalg.LinAlgError:
            return None
        roots.append(solve_triangular(lower, part.T, lower=True).astype(dtype))
    weight = (1.0 / np.sqrt(noise)[:, None]).astype(dtype)

    def shrink(v: np.ndarray) -> np.ndarray:
        scaled = weight * v
        out = scaled.copy()
        for k, root in enumerate(roots):
            some = slice(k * t, (k + 1) * t)
            out[:, some] -= root.T @ (root @ scaled[:, some])
        out *= weight
        return out

    return shrink


def _gradients(
    apply: Callable[[np.ndarray], np.ndarray],
    shrink: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """Conjugate gradients for all columns together, until each residual is below the tolerance or steps run out."""
    out, left = np.zeros_like(right), right.copy()
    shrunk = shrink(left)
    along, inner = shrunk.copy(), np.einsum("ij,ij->j", left, shrunk)
    for _ in range(_STEPS):
        moved = apply(along)
        curve = np.einsum("ij,ij->j", along, moved)
        length = np.where(curve > 0, inner / np.where(curve > 0, curve, 1), 0).astype(right.dtype)
        out += length * along
        left -= length * moved
        if np.linalg.norm(left, axis=0).max() <= tolerance:
            break
        shrunk = shrink(left)
        new = np.einsum("ij,ij->j", left, shrunk)
        along = shrunk + np.where(inner > 0, new / np.where(inner > 0, inner, 1), 0).astype(right.dtype) * along
        inner = new
    return out
