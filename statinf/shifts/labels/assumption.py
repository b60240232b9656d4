"""A test of the assumption behind class shares: covariates have the same law given the class in both samples.

With shares q of the target, the mean of any function g of the covariates over the target is sum_c q_c E_S[g | c]. The shares
leave no freedom beyond the k - 1 equations that they solve, and the rest is a test of overidentification (Hansen 1982,
Econometrica 50): columns and their squares, with the covariance of the gaps through the estimated shares.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.inference.distributions import chi2_sf
from statinf.inference.hypotheses import WaldTest

_FLAT = 1e-6
"""Variance along a direction, relative to that with known shares, below which the shares leave nothing to test."""


def functions(x: np.ndarray, squares: bool) -> np.ndarray:
    """Centred columns x (n, p) and, where they have more than two values, their squares."""
    if not squares:
        return x
    several = [
        j
        for j in range(x.shape[1])
        if (np.minimum(abs(x[:, j] - x[:, j].min()), abs(x[:, j] - x[:, j].max())) > 1e-9).any()
    ]
    return np.column_stack([x, x[:, several] ** 2])


def assumption_test(
    g: tuple[np.ndarray, np.ndarray],
    codes: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    shares: np.ndarray,
    influence: tuple[np.ndarray, np.ndarray],
    spread: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> WaldTest:
    """Chi-square test that the target's means are those of the classes, mixed.

    Parameters
    ----------
    g : ndarray of shape (n, r), ndarray of shape (m, r)
        Functions of the covariates at the rows of both samples.
    codes : ndarray of int, shape (n,)
    weights : ndarray of shape (n,), ndarray of shape (m,)
    shares : ndarray, shape (k,)
    influence : ndarray of shape (n, k), ndarray of shape (m, k)
        Of the rows on the shares.
    spread : callable
        From what the rows of both samples move, shape (n, r) and (m, r), to a covariance (r, r).
    """
    (gs, gt), (ws, wt), (on_source, on_target) = g, weights, influence
    mass = np.bincount(codes, ws, minlength=len(shares))
    means = np.stack([np.bincount(codes, ws * column, minlength=len(shares)) for column in gs.T]) / mass
    mean, share = wt @ gt / wt.sum(), wt / wt.sum()
    gap = mean - means @ shares
    known_s = (means.T[codes] - gs) * (ws * (shares / mass)[codes])[:, None]
    known_t = (gt - mean) * share[:, None]
    scale = np.sqrt((known_s**2).sum(axis=0) + (known_t**2).sum(axis=0))
    scale = np.where(scale > 0.0, scale, 1.0)
    parts = [(known_s - on_source @ means.T) / scale, (known_t - on_target @ means.T) / scale]
    values, vectors = np.linalg.eigh(spread(*parts))
    used = values > _FLAT
    df = int(used.sum())
    along = vectors[:, used].T @ (gap / scale)
    statistic = float(np.sum(along**2 / values[used]))
    p = float(chi2_sf(statistic, df)) if df else 1.0
    return WaldTest("covariates given the class have the same means in both samples", statistic, df, np.inf, p)
