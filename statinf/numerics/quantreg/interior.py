"""Quantile regression by a Frisch-Newton interior point method, several levels in one batch.

Portnoy and Koenker (1997), The Gaussian hare and the Laplacian tortoise, Statistical Science 12, with
Mehrotra's predictor and corrector. With few columns the Gram matrices of all levels are one product of the level
weights with the rows' products x x', made once; with many, whose products would not fit the cache, one per level.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_MOST_STEPS = 100
_DAMPING = 0.99995
_FEW_COLUMNS = 24
_SPARSE = 0.1


def interior_point(X: np.ndarray, y: np.ndarray, tau: np.ndarray, *, gap: float = 1e-8) -> np.ndarray:
    """Coefficients near the optimum of sum_i rho_tau(y_i - x_i'b), one row per level.

    Parameters
    ----------
    X : (n, p)
        Full column rank; weighted problems come with rows and responses multiplied by their weights.
    y : (n,)
    tau : (k,)
    gap : float
        Duality gap at which a level stops, as a share of sum |y - median(y)|.

    Returns
    -------
    ndarray, shape (k, p)
    """
    n, p = X.shape
    scale = np.sqrt(np.mean(X * X, axis=0))
    scale[scale == 0] = 1.0
    X = X / scale
    spread = np.abs(y - np.median(y)).sum() / n
    spread = spread if spread > 0 else max(np.abs(y).max(), 1.0)
    c = -y / spread
    gram = _weighted_grams(X)
    k = len(tau)
    x = np.repeat(1.0 - tau[:, None], n, axis=1)
    s = 1.0 - x
    start = np.linalg.lstsq(X, c, rcond=None)[0]
    v = np.tile(start, (k, 1))
    r = np.tile(c - X @ start, (k, 1))
    d = np.abs(r[0]).mean() or 1.0
    z, w = np.maximum(r, 0) + d, np.maximum(-r, 0) + d
    coef = np.empty((k, p))
    live: np.ndarray = np.arange(k)
    for _ in range(_MOST_STEPS):
        total = np.einsum("kn,kn->k", z, x) + np.einsum("kn,kn->k", w, s)
        done = total < gap * n
        if done.any():
            coef[live[done]] = v[done]
            keep = ~done
            live, x, s, v, z, w, total = live[keep], x[keep], s[keep], v[keep], z[keep], w[keep], total[keep]
            if not len(live):
                break
        try:
            x, s, v, z, w = _step(X, gram, x, s, v, z, w, total)
        except np.linalg.LinAlgError:
            break
    if len(live):
        coef[live] = v
    return -coef * spread / scale


def _weighted_grams(X: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function from level weights (k, n) to X' diag(q) X, shape (k, p, p)."""
    p = X.shape[1]
    if p > _FEW_COLUMNS and np.count_nonzero(X) < _SPARSE * X.size:  # the cells of factors
        from scipy.sparse import csr_array

        rows = csr_array(X)
        columns = csr_array(rows.T)
        return lambda q: np.stack([(columns @ rows.multiply(row[:, None])).toarray() for row in q])
    if p > _FEW_COLUMNS:
        return lambda q: np.stack([(X * row[:, None]).T @ X for row in q])
    upper = np.triu_indices(p)
    products = X[:, upper[0]] * X[:, upper[1]]

    def gram(q: np.ndarray) -> np.ndarray:
        H = np.empty((len(q), p, p))
        H[:, upper[0], upper[1]] = H[:, upper[1], upper[0]] = q @ products
        return H

    return gram


def _step(X, gram, x, s, v, z, w, total):
    n = len(X)
    zx, ws = z / x, w / s
    q = 1.0 / (zx + ws)
    r = z - w
    inverse = np.linalg.inv(gram(q))
    dv = ((q * r) @ X)[:, None, :] @ inverse
    dx = q * (dv[:, 0] @ X.T - r)
    dz, dw = -z - zx * dx, -w + ws * dx
    primal, dual = np.minimum(_reach(x, dx), _reach(s, -dx)), np.minimum(_reach(z, dz), _reach(w, dw))
    fp, fd = np.minimum(primal, 1.0)[:, None], np.minimum(dual, 1.0)[:, None]
    after = np.einsum("kn,kn->k", z + fd * dz, x + fp * dx) + np.einsum("kn,kn->k", w + fd * dw, s - fp * dx)
    m = ((after / total) ** 3 * total / (2 * n))[:, None]
    rz, rw = m - dx * dz, m + dx * dw
    rr = r - rz / x + rw / s
    dv = (((q * rr) @ X)[:, None, :] @ inverse)[:, 0]
    dx = q * (dv @ X.T - rr)
    dz, dw = (rz - z * dx) / x - z, (rw + w * dx) / s - w
    fp = np.minimum(_DAMPING * np.minimum(_reach(x, dx), _reach(s, -dx)), 1.0)[:, None]
    fd = np.minimum(_DAMPING * np.minimum(_reach(z, dz), _reach(w, dw)), 1.0)[:, None]
    return x + fp * dx, s - fp * dx, v + fd * dv, z + fd * dz, w + fd * dw


def _reach(level: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The longest step of each row of a batch that keeps it nonnegative."""
    return 1.0 / np.maximum((-change / level).max(axis=1), 1e-300)
