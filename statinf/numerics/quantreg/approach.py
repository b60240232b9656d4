"""Coefficients near the exact quantile regression, cheaply: growing subsamples and Newton steps.

On the smallest subsample an interior point method. From there b + J^{-1} mean(w (tau - 1{r < 0}) x), with a
kernel estimate of J = mean(w f x x'), on each larger sample until only few rows can still change sign. That
number is about n (S' G^{-1} S)^{1/2} with S the mean subgradient and G = mean(x x').
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from statinf.backend import map_threads
from statinf.numerics.quantreg.bandwidth import normal_density
from statinf.numerics.quantreg.interior import interior_point

_SMALLEST = 2500
_GROWTH = 20
_JACOBIAN_ROWS = 20_000
_ROUGH_GAP = 1e-5
_MOST_PASSES = 10
_BLOCK = 400_000
_PARALLEL_FROM = 1 << 20
_UNDECIDED = 6000
"""Of this many rows one may be left to the simplex: deciding them takes less time than another pass over all."""


class Start(NamedTuple):
    """coef : (Q, p); undecided : (Q,) about how many rows may lie on the wrong side of it."""

    coef: np.ndarray
    undecided: np.ndarray


def approach(X, y, tau, w, pull, start=None) -> Start:
    """Coefficients near the solutions of `solve_quantiles`, whose arguments these are."""
    levels, which = np.unique(tau, return_inverse=True)
    n = len(X)
    rows = (
        np.random.default_rng(0).permutation(n) if n <= _JACOBIAN_ROWS else _draw(n, max(_JACOBIAN_ROWS, n // _GROWTH))
    )
    Xs, ys = X[rows], (y if y.ndim == 1 else y[0])[rows]
    ws = None if w is None or w.ndim == 2 else w[rows]
    if start is None:
        if y.ndim == 2:
            ys = y.mean(axis=0)[rows]
        if w is not None and w.ndim == 2:
            ws = w.mean(axis=0)[rows]
        coef = _from_subsamples(Xs, ys, levels, ws)
        start = coef[which]
    else:
        coef = np.stack([start[which == k].mean(axis=0) for k in range(len(levels))])
    J = jacobian(Xs, ys, ws, levels, coef)
    return _newton(X, y, w, tau, pull, start, J[which], Xs.T @ Xs / len(Xs))


def _draw(n: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).choice(n, size, replace=False)


def _from_subsamples(X, y, tau, w) -> np.ndarray:
    n, p = X.shape
    few = min(n, max(_SMALLEST, 40 * p))
    part = slice(0, few)
    Xf, yf, wf = X[part], y[part], None if w is None else w[part]
    if wf is not None:
        use = wf > 0
        Xf, yf = Xf[use] * wf[use, None], yf[use] * wf[use]
    coef = interior_point(Xf, yf, tau, gap=_ROUGH_GAP)
    if few == n:
        return coef
    J = jacobian(X, y, w, tau, coef)
    return _newton(X, y, w, tau, np.zeros_like(coef), coef, J, X.T @ X / n, passes=3).coef


def jacobian(X, y, w, tau, coef) -> np.ndarray:
    """Kernel estimates of mean(w f(x'b | x) x x'), shape (Q, p, p), with Hall-Sheather windows in tau."""
    n, p = X.shape
    x0 = ndtri(tau)
    reach = n ** (-1 / 3) * 1.57 * (1.5 * normal_density(x0) ** 2 / (2 * x0**2 + 1)) ** (1 / 3)
    reach = np.minimum(reach, 0.7 * np.minimum(tau, 1 - tau))
    J = np.empty((len(tau), p, p))
    for k in range(len(tau)):
        r = y - X @ coef[k]
        cut = np.clip(np.array([tau[k] - reach[k], tau[k] + reach[k]]) * n, 0, n - 1).astype(int)
        # The window lies around zero, not around the residuals' own quantile, which differs in a subsample.
        order = np.partition(r, cut)
        width = max(order[cut[1]] - order[cut[0]], 1e-300)
        inside = np.flatnonzero(np.abs(r) <= width / 2)
        near = X[inside]
        J[k] = near.T @ (near if w is None else near * w[inside, None]) / (n * width)
    return J


def _newton(X, y, w, tau, pull, coef, J, G, passes: int = _MOST_PASSES) -> Start:
    """Damped steps; a problem whose subgradient no longer falls keeps the best coefficients seen."""
    n, p = X.shape
    coef, length = coef.copy(), np.ones(len(coef))
    inverse, invertible = _inverses(J)
    metric = np.linalg.pinv(G, hermitian=True)
    mean = (subgradient(X, y, w, tau, coef) + pull) / n
    size = np.sqrt(np.einsum("qi,ij,qj->q", mean, metric, mean))
    enough = max(2 * p, n // _UNDECIDED)
    live = np.flatnonzero((n * size > enough) & invertible)
    for _ in range(passes):
        if not len(live):
            break
        step = length[live, None] * (inverse[live] @ mean[live][:, :, None])[:, :, 0]
        trial = coef[live] + step
        yq, wq = (a if a is None or a.ndim == 1 else a[live] for a in (y, w))
        new = (subgradient(X, yq, wq, tau[live], trial) + pull[live]) / n
        new_size = np.sqrt(np.einsum("qi,ij,qj->q", new, metric, new))
        better = new_size < size[live]
        gain = np.where(better, new_size / size[live], 1.0)
        good = live[better]
        coef[good], mean[good], size[good] = trial[better], new[better], new_size[better]
        length[live[~better]] *= 0.3
        live = live[(n * size[live] > enough) & (gain != 1.0) & (gain < 0.9) | ~better & (length[live] > 0.05)]
    return Start(coef, n * size)


def _inverses(J: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of symmetric matrices (Q, p, p), and whether each is well enough conditioned; zero where not."""
    values, vectors = np.linalg.eigh(J)
    invertible = values[:, 0] > 1e-12 * values[:, -1]
    root = vectors / np.sqrt(np.where(invertible[:, None], values, np.inf))[:, None, :]
    return root @ root.transpose(0, 2, 1), invertible


def subgradient(X, y, w, tau, coef) -> np.ndarray:
    """sum_i w_i (tau - 1{r_i < 0}) x_i for each row of `coef`, in row blocks that stay in the cache."""
    height = int(np.clip(_BLOCK // len(coef), 256, 8192))

    def block(rows: slice) -> np.ndarray:
        Xr = X[rows]
        psi = tau[:, None] - (y[..., rows] < np.dot(coef, Xr.T))
        if w is not None:
            psi *= w[..., rows]
        return np.dot(psi, Xr)

    blocks = [slice(at, at + height) for at in range(0, len(X), height)]
    return np.sum(map_threads(block, blocks, parallel=X.size > _PARALLEL_FROM), axis=0)
