"""Vertices to begin at: independent rows whose residuals are small."""

from __future__ import annotations

import numpy as np

_DEPENDENT = 1e-9
_FEW_COLUMNS = 24


def nearest_basis(X: np.ndarray, residual: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Independent rows with small residuals, by greedy orthogonalisation.

    Parameters
    ----------
    X : (Q, M, p)
    residual : (Q, M)
    usable : (Q, M) bool
        Rows that may enter.

    Returns
    -------
    basis : (Q, p) row positions
    independent : (Q,) bool, whether p independent rows were found
    """
    _, M, p = X.shape
    size = np.where(usable, np.abs(residual), np.inf)
    few = min(M, 4 * p + 8)
    near = np.argpartition(size, few - 1, axis=1)[:, :few]
    basis, independent = _greedy(X, size, near)
    if not independent.all() and few < M:
        rest = np.flatnonzero(~independent)
        everything = np.broadcast_to(np.arange(M), (len(rest), M))
        basis[rest], independent[rest] = _greedy(X[rest], size[rest], everything)
    return basis, independent


def _greedy(X: np.ndarray, size: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At each step the row of largest remaining length over the size of its residual."""
    Q, _, p = X.shape
    left = np.take_along_axis(X, near[:, :, None], axis=1)
    at = np.take_along_axis(size, near, axis=1)
    usable = np.isfinite(at)
    floor = 0.1 * np.array([_middle(row[ok]) for row, ok in zip(at, usable, strict=True)])
    favour = np.where(usable, 1.0 / (at + floor[:, None] + 1e-300), 0.0)
    if p > _FEW_COLUMNS:
        return _by_qr(left * favour[:, :, None], near)
    whole = np.einsum("qmp,qmp->qm", left, left)
    picks = np.empty((Q, p), np.intp)
    independent = np.ones(Q, bool)
    batch = np.arange(Q)
    for k in range(p):
        length = np.einsum("qmp,qmp->qm", left, left)
        length[length < _DEPENDENT**2 * whole] = 0.0
        pick = np.argmax(np.sqrt(length) * favour, axis=1)
        norm = np.sqrt(length[batch, pick])
        independent &= (norm > 0) & (favour[batch, pick] > 0)
        unit = left[batch, pick] / np.where(norm > 0, norm, 1.0)[:, None]
        for _ in range(2):  # once more against cancellation
            left -= (left @ unit[:, :, None]) * unit[:, None, :]
        favour[batch, pick] = 0.0
        picks[:, k] = near[batch, pick]
    return picks, independent


def _middle(sizes: np.ndarray) -> float:
    """Median of sizes; where that is zero the median of those that are not; one if there are none."""
    middle = float(np.median(sizes)) if len(sizes) else 1.0
    if middle > 0 or not sizes.any():
        return middle or 1.0
    return float(np.median(sizes[sizes > 0]))


def _by_qr(scaled: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same choice one problem at a time: QR with pivoting takes the longest remaining row."""
    from scipy.linalg import qr

    Q, few, p = scaled.shape
    picks, independent = near[:, :p].copy(), np.zeros(Q, bool)
    for q in range(Q):
        if few < p:
            break
        lengths = np.linalg.norm(scaled[q], axis=1)
        r, pivot = qr(scaled[q].T, mode="r", pivoting=True, check_finite=False)
        picks[q] = near[q, pivot[:p]]
        independent[q] = (np.abs(np.diag(r)) > _DEPENDENT * lengths[pivot[:p]]).all()
    return picks, independent
