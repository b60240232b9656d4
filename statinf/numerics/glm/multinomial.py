"""The multinomial logit on standardised rows."""

from __future__ import annotations

import numpy as np

from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.rowwise.newton import NewtonResult, damped_newton
from statinf.numerics.rowwise.sums import ScaledRows

_CELLS = 400_000
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
    m, q, mass = categories - 1, rows.q, float(s.sum())
    step = max(1, _CELLS // q)
    parts = [slice(a, min(a + step, rows.n)) for a in range(0, rows.n, step)]

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        beta = flat.reshape(m, q)
        value, gradient, hessian = 0.0, np.zeros((m, q)), np.zeros((m, q, m, q))
        for part in parts:
            z, w, k = rows.block(part), s[part], codes[part]
            eta = np.column_stack([np.zeros(len(z)), z @ beta.T])
            value += float(w @ (log_sums(eta) - eta[np.arange(len(z)), k]))
            p = softmax(eta)[:, 1:]
            gradient += ((p - (k[:, None] == np.arange(1, m + 1))) * w[:, None]).T @ z
            for a in range(m):
                for b in range(a, m):
                    block = (z * (w * p[:, a] * ((a == b) - p[:, b]))[:, None]).T @ z
                    hessian[a, :, b] += block
                    if b > a:
                        hessian[b, :, a] += block
        return value / mass, gradient.ravel() / mass, hessian.reshape(m * q, m * q) / mass

    return damped_newton(evaluate, np.zeros(m * q), tol=tol, max_iter=max_iter, limit=1e3)


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
