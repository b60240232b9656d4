"""Many small likelihood problems at once: a quadratic of the past plus the losses of some rows.

Each of g problems minimises ``theta'H theta / 2 - b'theta + sum_i w_i l(X_i theta, y_i)``; all of them take Newton's steps
side by side, as batched matrix products. Predictions have k columns: one, or one for each class but the reference of a
multinomial logit. Coefficients are ordered by class, then by column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MOST = 700.0  # exp of it is finite


def loss_parts(loss: str, U: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loss, its gradient and its second derivative in the predictions.

    Parameters
    ----------
    loss : {"squared", "logistic", "poisson", "multinomial"}
    U, Y : ndarray, shape (..., k)
        Predictions and outcomes; of several classes indicators of all but the reference.

    Returns
    -------
    value : ndarray, shape (...)
    slope : ndarray, shape (..., k)
    curve : ndarray, shape (..., k, k)
    """
    if loss == "squared":
        slope = U - Y
        return 0.5 * (slope * slope).sum(axis=-1), slope, np.ones((*U.shape, 1))
    if loss == "poisson":
        mean = np.exp(np.minimum(U, _MOST))
        return (mean - Y * U).sum(axis=-1), mean - Y, mean[..., None]
    top = np.maximum(U.max(axis=-1), 0.0)
    parts = np.exp(U - top[..., None])
    total = np.exp(-top) + parts.sum(axis=-1)
    p = parts / total[..., None]
    value = top + np.log(total) - (Y * U).sum(axis=-1)
    return value, p - Y, p[..., None] * np.eye(U.shape[-1]) - p[..., None] * p[..., None, :]


@dataclass(frozen=True)
class RowPieces:
    """Value (g,), gradient (g, p), second derivative (g, p, p) and squared scores (g, p, p) of the rows of g problems."""

    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    scores: np.ndarray


def rows_at(
    theta: np.ndarray, X: np.ndarray, Y: np.ndarray, w: np.ndarray, loss: str, *, scores: bool = False
) -> RowPieces:
    """The rows of each problem at coefficients.

    Parameters
    ----------
    theta : ndarray, shape (g, p)
    X : ndarray, shape (g, m, q)
    Y : ndarray, shape (g, m, k)
    w : ndarray, shape (g, m)
        A row of weight zero is absent.
    loss : str
    scores : bool
        Whether to sum w^2 times the outer products of the scores.
    """
    (g, m, q), k = X.shape, Y.shape[2]
    value, slope, curve = loss_parts(loss, X @ theta.reshape(g, k, q).transpose(0, 2, 1), Y)
    slope = slope * w[..., None]
    turned = X.transpose(0, 2, 1)
    hessian = np.empty((g, k, q, k, q))
    for a in range(k):
        for b in range(k):
            hessian[:, a, :, b] = turned @ (X * (w * curve[..., a, b])[..., None])
    gradient = np.swapaxes(turned @ slope, 1, 2).reshape(g, k * q)
    meat = np.zeros((g, 0, 0))
    if scores:
        rows = (slope[..., None] * X[:, :, None, :]).reshape(g, m, k * q)
        meat = rows.transpose(0, 2, 1) @ rows
    return RowPieces((w * value).sum(axis=1), gradient, hessian.reshape(g, k * q, k * q), meat)


def minimise(
    H: np.ndarray, b: np.ndarray, X: np.ndarray, Y: np.ndarray, w: np.ndarray, start: np.ndarray, loss: str,
    *, max_iter: int = 60, tol: float = 1e-13,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Newton's method with halved steps for all problems.

    Parameters
    ----------
    H : ndarray, shape (g, p, p)
        Positive semidefinite.
    b : ndarray, shape (g, p)
    X, Y, w : ndarray
        See `rows_at`.
    start : ndarray, shape (g, p)
    loss : str
    max_iter : int
    tol : float
        Of Newton's decrement, the fall of the loss still to come, per unit of weight.

    Returns
    -------
    theta : ndarray, shape (g, p)
    left : ndarray, shape (g,)
        The decrement per unit of weight at the last step; above `tol` where a problem has no minimum.
    """
    theta, p = start.copy(), start.shape[1]
    scale = np.maximum(w.sum(axis=1), 1.0)
    left, live = np.full(len(theta), np.inf), np.arange(len(theta))
    for _ in range(max_iter):
        at = theta[live]
        made = rows_at(at, X[live], Y[live], w[live], loss)
        hessian = H[live] + made.hessian
        gradient = _product(H[live], at) - b[live] + made.gradient
        size = np.maximum(np.einsum("gii->gi", hessian), np.finfo(float).tiny)
        damped = hessian + (1e-13 * size)[..., None] * np.eye(p) + 1e-250 * np.eye(p)
        move = np.linalg.solve(damped, gradient[..., None])[..., 0]
        left[live] = 0.5 * np.abs((gradient * move).sum(axis=1)) / scale[live]
        value = _quadratic(H[live], b[live], at) + made.value
        theta[live] = _halved(
            H[live], b[live], X[live], Y[live], w[live], at, move, value, left[live] * scale[live], loss
        )
        live = live[left[live] > tol]
        if not len(live):
            break
    return theta, left


def _halved(
    H: np.ndarray, b: np.ndarray, X: np.ndarray, Y: np.ndarray, w: np.ndarray, at: np.ndarray, move: np.ndarray,
    value: np.ndarray, fall: np.ndarray, loss: str,
) -> np.ndarray:  # fmt: skip
    """The point along each step, halved up to 30 times, at which the loss is not higher than before."""
    k, q = Y.shape[2], X.shape[2]
    step = np.ones(len(at))
    if loss == "squared":
        return at - move
    for _ in range(30):
        point = at - step[:, None] * move
        U = X @ point.reshape(-1, k, q).transpose(0, 2, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            new = _quadratic(H, b, point) + (w * loss_parts(loss, U, Y)[0]).sum(axis=1)
        # Near the minimum the fall of the loss is below its rounding.
        worse = ~(new <= value + 1e-12 * np.abs(value) - 1e-4 * step * fall * (fall > 1e-10 * np.abs(value)))
        if not worse.any():
            break
        step = np.where(worse, 0.5 * step, step)
    return at - step[:, None] * move


def _product(H: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return np.einsum("gij,gj->gi", H, theta)


def _quadratic(H: np.ndarray, b: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return np.einsum("gi,gi->g", theta, 0.5 * _product(H, theta) - b)
