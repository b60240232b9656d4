"""Quantile regressions at several levels that do not cross anywhere in the box of the regressors.

Bondell, Reich and Wang (2010), Noncrossing quantile regression curve estimation, Biometrika 97. With each
regressor scaled to [0, 1], x'(b_k - b_{k-1}) >= 0 holds on the whole box if and only if it holds at its lowest
corner: intercept difference less the negative parts of the slope differences is at least 0.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError, DataError
from statinf.numerics.quantreg.solver import fit_quantiles


def fit_noncrossing(X: np.ndarray, y: np.ndarray, taus: np.ndarray, w: np.ndarray | None, intercept: int) -> np.ndarray:
    """Coefficients of all levels under the constraint.

    Parameters
    ----------
    X : (n, p)
    y : (n,)
    taus : (k,)
        Increasing.
    w : (n,), optional
    intercept : int
        The column of ones.

    Returns
    -------
    ndarray, shape (k, p)
        The unconstrained coefficients, exactly, where those do not cross on the box.
    """
    coef = fit_quantiles(X, y, taus, w)
    low, width = X.min(axis=0), np.ptp(X, axis=0)
    slopes = np.delete(np.arange(X.shape[1]), intercept)
    if (width[slopes] == 0).any():
        raise DataError("a constant regressor beside the intercept: there is no box on which to keep the levels apart.")
    if len(taus) == 1 or crossing_depth(coef, low, width, intercept).min() >= 0:
        return coef
    Z = np.delete((X - low) / np.where(width > 0, width, 1.0), intercept, axis=1)
    scaled = _solve(Z, y, taus, np.ones(len(y)) if w is None else w)
    out = np.empty_like(coef)
    out[:, slopes] = scaled[:, 1:] / width[slopes]
    out[:, intercept] = scaled[:, 0] - out[:, slopes] @ low[slopes]
    return out


def crossing_depth(coef: np.ndarray, low: np.ndarray, width: np.ndarray, intercept: int) -> np.ndarray:
    """Smallest distance of neighbouring levels on the box, shape (k - 1,); negative where they cross."""
    change = np.diff(coef, axis=0)
    slopes = np.delete(np.arange(coef.shape[1]), intercept)
    at_low = change[:, intercept] + change[:, slopes] @ low[slopes]
    return at_low + np.minimum(0.0, change[:, slopes] * width[slopes]).sum(axis=1)


def _solve(Z: np.ndarray, y: np.ndarray, taus: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The linear programme, in the differences of neighbouring levels split by sign.

    In the dual the rows become bounded variables: minimise -y'a subject to moment conditions, as for a single
    level, with the coefficients read from the multipliers.
    """
    from scipy.optimize import linprog
    from scipy.sparse import bmat, csr_matrix

    n, d = Z.shape
    k, p = len(taus), d + 1
    X = np.column_stack([np.ones(n), Z]) * w[:, None]
    # Unknown: a_k in [0, w] for every level, and the corners' multipliers m_k >= 0 with s_kj in [0, m_k].
    # Stationarity of b_1, ..., b_K through b_k = b_1 + sum of differences g.
    Xt = csr_matrix(X.T)
    blocks = [[None] * (k + 2 * (k - 1)) for _ in range(k)]
    right = []
    for level in range(k):
        blocks[level][level] = Xt
        right.append((1 - taus[level]) * X.sum(axis=0))
    first = csr_matrix(([1.0], ([0], [0])), shape=(p, 1))
    slope = csr_matrix(np.vstack([np.zeros((1, d)), np.eye(d)]))
    for step in range(k - 1):
        m, s = k + step, k + (k - 1) + step
        # The constraint term m (g_0 - sum t_j) + s'(g + t) touches b_{step+1} with plus and b_step with minus.
        blocks[step + 1][m], blocks[step][m] = first, -first
        blocks[step + 1][s], blocks[step][s] = slope, -slope
    equal = bmat(blocks, format="csr")
    columns = k * n + (k - 1) + (k - 1) * d
    limit = np.zeros(((k - 1) * d, 3))
    for step in range(k - 1):
        for j in range(d):
            r = step * d + j
            limit[r] = (r, k * n + step, k * n + (k - 1) + r)
    upper = csr_matrix(
        (
            np.concatenate([-np.ones(len(limit)), np.ones(len(limit))]),
            (
                np.concatenate([limit[:, 0], limit[:, 0]]).astype(int),
                np.concatenate([limit[:, 1], limit[:, 2]]).astype(int),
            ),
        ),
        shape=(len(limit), columns),
    )
    cost = np.concatenate([np.tile(-y * w, k), np.zeros(columns - k * n)])
    bounds = np.column_stack([np.zeros(columns), np.concatenate([np.ones(k * n), np.full(columns - k * n, np.inf)])])
    found = linprog(
        cost,
        A_eq=equal,
        b_eq=np.concatenate(right),
        A_ub=upper if d else None,
        b_ub=np.zeros(len(limit)) if d else None,
        bounds=bounds,
        method="highs",
    )
    if found.status != 0:
        raise ConvergenceError(f"the non-crossing linear programme was not solved: {found.message}")
    return -found.eqlin.marginals.reshape(k, p)
