"""Bootstrap draws of quantile regression coefficients, the same draws at every level.

Each replica is an exact fit started at the estimate. "pairs" redraws rows; "bayesian" weights them by
exponentials; "pwy" perturbs the estimating equation (Parzen, Wei and Ying 1994); "wild" flips residuals
(Feng, He and Hu 2011); with clusters "pairs" and "bayesian" draw clusters and "pwy" is the wild gradient
bootstrap (Hagemann 2017). Replicas without a solution are NaN.
"""

from __future__ import annotations

import numpy as np

from statinf.numerics.quantreg.solver import solve_quantiles

_GOLDEN = np.sqrt(5.0)
_ZERO = 1e-12


def weighted_replicas(X, y, tau, coef, weights) -> np.ndarray:
    """Fits under replica weights.

    Parameters
    ----------
    X, y : (n, p), (n,)
    tau : (k,)
    coef : (k, p)
        The estimate.
    weights : (R, n)
        Replica weights times row weights.

    Returns
    -------
    ndarray, shape (R, k, p)
    """
    return np.stack([_solve(X, y, t, b, len(weights), w=weights) for t, b in zip(tau, coef, strict=True)], axis=1)


def gradient_replicas(X, y, tau, coef, uniforms) -> np.ndarray:
    """Parzen, Wei and Ying: the subgradient is set to a draw of its distribution at the truth.

    Parameters
    ----------
    X, y
        Multiplied by the row weights.
    uniforms : (R, n)
    """
    return np.stack(
        [_solve(X, y, t, b, len(uniforms), pull=((uniforms < t) - t) @ X) for t, b in zip(tau, coef, strict=True)],
        axis=1,
    )


def cluster_replicas(X, y, tau, coef, psi, codes, multipliers) -> np.ndarray:
    """Hagemann: the scores of each cluster are multiplied by one draw.

    Parameters
    ----------
    psi : (k, n)
        1{residual < 0} - tau.
    codes : (n,)
        Clusters from 0.
    multipliers : (R, clusters)
    """
    out = []
    for t, b, s in zip(tau, coef, psi, strict=True):
        sums = np.zeros((multipliers.shape[1], X.shape[1]))
        np.add.at(sums, codes, X * s[:, None])
        out.append(_solve(X, y, t, b, len(multipliers), pull=multipliers @ sums))
    return np.stack(out, axis=1)


def wild_replicas(X, y, tau, coef, inverse, uniforms) -> np.ndarray:
    """Feng, He and Hu: fitted values plus |residual| times 2 (1 - tau) or -2 tau.

    Parameters
    ----------
    inverse : (k, p, p)
        H^{-1} of the levels, for the leverage correction of the residuals.
    uniforms : (R, n)
    """
    out = []
    for t, b, H in zip(tau, coef, inverse, strict=True):
        fitted = X @ b
        residual = y - fitted
        residual[np.abs(residual) < _ZERO * np.abs(y).max()] = 0.0  # of interpolated rows, whatever rounding left
        leverage = np.einsum("ij,jk,ik->i", X, H, X)
        size = np.abs(residual + leverage * (t - (residual < 0)))
        multiplier = np.where(uniforms < 1 - t, 2 * (1 - t), -2 * t)
        out.append(_solve(X, fitted + multiplier * size, t, b, len(uniforms)))
    return np.stack(out, axis=1)


def mammen(uniforms: np.ndarray) -> np.ndarray:
    """Mammen's two-point law: mean 0, second and third moments 1."""
    return np.where(uniforms < (_GOLDEN + 1) / np.sqrt(20.0), -(_GOLDEN - 1) / 2, (_GOLDEN + 1) / 2)


def _solve(X, y, tau, coef, replicas, w=None, pull=None) -> np.ndarray:
    levels, start = np.full(replicas, tau), np.tile(coef, (replicas, 1))
    return solve_quantiles(X, y, levels, w, pull=pull, start=start, certified=False).coef
