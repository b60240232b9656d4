"""A linear outcome bridge by two-stage least squares, with its rows' influence on the coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.linear.symmetric import symmetric_inverse


@dataclass(frozen=True)
class LinearBridge:
    """h(w, a, x) = d(w, a, x)'b.

    Attributes
    ----------
    h0, h1 : ndarray, shape (n,)
        The bridge of every row in either arm.
    columns, by_arm : ndarray, shape (n, k)
        Derivatives by b of the bridge in the row's own arm, and of h1 - h0.
    influence : ndarray, shape (n, k)
        Of each row on b, per unit of its weight.
    """

    h0: np.ndarray
    h1: np.ndarray
    columns: np.ndarray
    by_arm: np.ndarray
    influence: np.ndarray


def linear_bridge(
    y: np.ndarray,
    a: np.ndarray,
    modifiers: np.ndarray,
    x: np.ndarray,
    z: np.ndarray,
    w: np.ndarray,
    weights: np.ndarray,
    learn: np.ndarray | None = None,
) -> LinearBridge:
    """Two-stage least squares of y on [1, a, a modifiers, x, w] with instruments z in place of w.

    Parameters
    ----------
    y, a : ndarray, shape (n,)
    modifiers, x, z, w : ndarray, shape (n, .)
        Centred and scaled columns.
    weights : ndarray, shape (n,)
    learn : ndarray of bool, shape (n,), optional
        Rows that the bridge is learnt on; all by default.
    """
    v = weights if learn is None else weights * learn

    def columns(arm: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(y)), arm, arm[:, None] * modifiers, x, last])

    d, instruments = columns(a, w), columns(a, z)
    root = np.sqrt(v)[:, None]
    q, _, rank = _orthonormal(instruments * root)
    fitted = q[:, :rank] @ (q[:, :rank].T @ (d * root))
    inverse = symmetric_inverse(fitted.T @ fitted)
    centre = float(v @ y / v.sum())
    b = inverse @ (fitted.T @ (np.sqrt(v) * (y - centre)))
    residual = y - centre - d @ b
    ones = np.ones(len(y))
    h1, h0 = columns(ones, w), columns(0.0 * ones, w)
    by_arm = h1 - h0
    projected = np.divide(fitted, root, out=np.zeros_like(fitted), where=root > 0)
    return LinearBridge(centre + h0 @ b, centre + h1 @ b, d, by_arm, (projected * residual[:, None]) @ inverse)


def _orthonormal(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Orthonormal columns that span these, pivoted, with the rank."""
    from scipy.linalg import qr

    q, r, _ = qr(columns, mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    return q, r, int((size > 1e-10 * size.max(initial=1e-300)).sum())
