"""The multinomial logit: maximum likelihood by blocks of rows, scores, and whether the estimate exists."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.rowwise.newton import NewtonResult, damped_newton
from statinf.numerics.rowwise.sums import ScaledRows

_CELLS = 200_000
"""Matrix elements of a block of rows."""


def predictors(rows: ScaledRows, beta: np.ndarray) -> np.ndarray:
    """Linear predictors of every category against the first, shape (n, categories).

    Parameters
    ----------
    beta : ndarray, shape (categories - 1, q)
    """
    return np.column_stack([np.zeros(rows.n), *(rows.predictor(b) for b in beta)])


def softmax(eta: np.ndarray) -> np.ndarray:
    """Probabilities of predictors, shape (n, categories)."""
    out = np.exp(eta - eta.max(axis=1, keepdims=True))
    out /= out.sum(axis=1, keepdims=True)
    return out


def log_sums(eta: np.ndarray) -> np.ndarray:
    """``log sum_k exp(eta_k)`` of every row, shape (n,)."""
    top = eta.max(axis=1)
    return top + np.log(np.exp(eta - top[:, None]).sum(axis=1))


def multinomial_logit(
    rows: ScaledRows, codes: np.ndarray, s: np.ndarray, categories: int, *, tol: float = 1e-10, max_iter: int = 100
) -> NewtonResult:
    """Maximum likelihood coefficients, of shape ((categories - 1) * q,), against the first category.

    Parameters
    ----------
    rows : ScaledRows
        With intercept.
    codes : ndarray of int, shape (n,)
    s : ndarray, shape (n,)
        Row weights.
    tol : float
        Largest mean score at convergence.
    """
    start = np.zeros((categories - 1, rows.q))
    return maximise(rows.block, codes, s, start, tol=tol, max_iter=max_iter)


def maximise(
    block: Callable[[slice], np.ndarray],
    codes: np.ndarray,
    s: np.ndarray,
    start: np.ndarray,
    *,
    tol: float = 1e-10,
    max_iter: int = 100,
) -> NewtonResult:
    """Maximum likelihood from blocks of rows, in the memory of one block.

    Parameters
    ----------
    block : callable
        The rows of a slice, shape (b, q).
    codes : ndarray of int, shape (n,)
    s : ndarray, shape (n,)
        Row weights.
    start : ndarray, shape (categories - 1, q)
    tol : float
        Largest mean score at convergence.

    Returns
    -------
    NewtonResult
        Of minus the mean log-likelihood; coefficients of shape ((categories - 1) * q,), category by category.
    """
    (m, q), n, mass = start.shape, len(codes), float(s.sum())
    step = max(1, _CELLS // max(1, m * q))
    parts = [slice(a, min(a + step, n)) for a in range(0, n, step)]

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        beta = flat.reshape(m, q)
        value, gradient, hessian = 0.0, np.zeros((m, q)), np.zeros((m * q, m * q))
        for part in parts:
            loss, slope, curve = _sums(block(part), codes[part], s[part], beta)
            value += loss
            gradient += slope
            hessian += curve
        return value / mass, gradient.ravel() / mass, hessian / mass

    return damped_newton(evaluate, start.ravel(), tol=tol, max_iter=max_iter, limit=1e3)


def _sums(z: np.ndarray, codes: np.ndarray, w: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Minus the log-likelihood of some rows, its gradient (m, q) and its Hessian (m q, m q)."""
    m, q = beta.shape
    # Categories and columns stand in rows: what is taken over them then runs along memory.
    columns = np.ascontiguousarray(z.T)
    eta = beta @ columns
    top = np.maximum(eta.max(axis=0), 0.0)
    own = codes == np.arange(1, m + 1)[:, None]
    p = np.exp(eta - top)
    total = p.sum(axis=0) + np.exp(-top)
    p /= total
    value = float(w @ (top + np.log(total)) - (w * eta)[own].sum())
    gradient = ((p - own) * w) @ z
    # One product of a matrix with itself for all pairs of categories; those of a category with itself anew, as their
    # difference of two sums would lose digits where a probability is close to one.
    spread = ((np.sqrt(w) * p)[:, None, :] * columns).reshape(m * q, len(z))
    hessian = -(spread @ spread.T)
    for a in range(m):
        hessian[a * q : (a + 1) * q, a * q : (a + 1) * q] = (columns * (w * p[a] * (1.0 - p[a]))) @ z
    return value, gradient, hessian


def scores(z: np.ndarray, codes: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Derivative of each row's log-likelihood, without weights, shape (n, (categories - 1) * q)."""
    m, q = beta.shape
    eta = beta @ z.T
    top = np.maximum(eta.max(axis=0), 0.0)
    p = np.exp(eta - top)
    p /= p.sum(axis=0) + np.exp(-top)
    slope = ((codes == np.arange(1, m + 1)[:, None]) - p).T
    return (slope[:, :, None] * z[:, None, :]).reshape(len(z), m * q)


def separation(z: np.ndarray, codes: np.ndarray, categories: int) -> np.ndarray | None:
    """A direction along which the likelihood never falls, shape (categories - 1, q), or None.

    Every row must not lose against any other category: ``(d_own - d_other)' z >= 0``, with zero for the first category.

    Parameters
    ----------
    z : ndarray, shape (n, q)
        Rows of positive weight.
    """
    m, q = categories - 1, z.shape[1]
    found = []
    for other in range(categories):
        rows = np.flatnonzero(codes != other)
        stacked = np.zeros((len(rows), m, q))
        own = codes[rows]
        some = own > 0
        stacked[np.flatnonzero(some), own[some] - 1] += z[rows[some]]
        if other > 0:
            stacked[:, other - 1] -= z[rows]
        found.append(stacked.reshape(len(rows), m * q))
    columns = np.unique(np.vstack(found), axis=0)
    direction = separating_direction(columns, np.zeros(len(columns), bool), np.ones(len(columns), bool))
    return None if direction is None else direction.reshape(m, q)
