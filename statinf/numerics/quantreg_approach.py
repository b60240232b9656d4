"""Coefficients near the exact quantile regression, cheaply: growing subsamples and Newton steps.

On the smallest subsample an interior point method. From there b + J^{-1} mean(w (tau - 1{r < 0}) x), with the
kernel estimate of J = mean(w f x x'), once on each larger sample: the error after such a step is of smaller
order than the sampling error, so that few rows remain undecided.
"""

from __future__ import annotations

import numpy as np

from statinf.numerics.quantreg_interior import interior_point

_SMALLEST = 2500
_GROWTH = 20
_ROWS_AT_ONCE = 4096
_ROUGH_GAP = 1e-5


def approach(X: np.ndarray, y: np.ndarray, tau: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Starting coefficients (Q, p) for problems that share rows; see `solve_quantiles` for the arguments."""
    if y.ndim == 2 or (w is not None and w.ndim == 2):
        common_y = y.mean(axis=0) if y.ndim == 2 else y
        common_w = w.mean(axis=0) if w is not None and w.ndim == 2 else w
        levels, which = np.unique(tau, return_inverse=True)
        return approach(X, common_y, levels, common_w)[which]
    levels, which = np.unique(tau, return_inverse=True)
    return _approach(X, y, levels, w)[which]


def _approach(X, y, tau, w):
    n, p = X.shape
    smallest = max(_SMALLEST, 40 * p)
    if n <= smallest:
        return _interior(X, y, tau, w)
    sizes = [n]
    while sizes[-1] > smallest:
        sizes.append(max(smallest, sizes[-1] // _GROWTH))
    rows = np.random.default_rng(0).choice(n, sizes[1], replace=False)
    Xs, ys, ws = X[rows], y[rows], None if w is None else w[rows]
    coef, before = None, None
    for size in sizes[:0:-1]:
        part = (Xs[:size], ys[:size], None if ws is None else ws[:size])
        if coef is None:
            coef = _interior(part[0], part[1], tau, part[2])
        else:
            coef = newton_step(*part, tau, coef, jacobian(*before, tau, coef))
        before = part
    return newton_step(X, y, w, tau, coef, jacobian(*before, tau, coef))


def _interior(X, y, tau, w):
    if w is not None:
        use = w > 0
        X, y = X[use] * w[use, None], y[use] * w[use]
    return interior_point(X, y, tau, gap=_ROUGH_GAP)


def jacobian(X, y, w, tau, coef) -> np.ndarray:
    """Kernel estimates of mean(w f(x'b | x) x x'), shape (Q, p, p), with windows of Hall-Sheather order in tau."""
    n, p = X.shape
    upper = np.triu_indices(p)
    products = X[:, upper[0]] * X[:, upper[1]]
    R = y - coef @ X.T
    reach = np.minimum(0.8 * n ** (-1 / 3), 0.9 * np.minimum(tau, 1 - tau))
    J = np.empty((len(tau), p, p))
    for k, r in enumerate(R):
        low, high = np.quantile(r, [tau[k] - reach[k], tau[k] + reach[k]])
        inside = ((r >= low) & (r <= high)).astype(float)
        inside = inside if w is None else inside * w
        J[k][upper] = J[k].T[upper] = inside @ products / (n * max(high - low, 1e-300))
    return J


def newton_step(X, y, w, tau, coef, J) -> np.ndarray:
    """One step on the subgradient averaged over all rows; a level whose Jacobian is singular stays."""
    mean = subgradient(X, y, w, tau, coef) / len(y)
    moved = coef.copy()
    for k in range(len(coef)):
        try:
            step = np.linalg.solve(J[k], mean[k])
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(step).all():
            moved[k] += step
    return moved


def subgradient(X, y, w, tau, coef) -> np.ndarray:
    """sum_i w_i (tau - 1{r_i < 0}) x_i for each row of `coef`, in row blocks that stay in the cache."""
    total = np.zeros(coef.shape)
    for at in range(0, len(X), _ROWS_AT_ONCE):
        rows = slice(at, at + _ROWS_AT_ONCE)
        Xr = X[rows]
        psi = tau[:, None] - (y[..., rows] < coef @ Xr.T)
        if w is not None:
            psi *= w[..., rows]
        total += psi @ Xr
    return total
