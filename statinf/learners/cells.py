"""Least squares and ridge on every complement of a fold, for many outcomes and arms, from one pass over the rows.

Rows fall into cells: a fold crossed with the strata (treatment arms) that nuisance models are trained on.
Sums by cell give every training set's normal equations by addition, so that cross-fitting costs one fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from statinf.backend import map_threads, row_blocks
from statinf.numerics.gram import FoldGrams, fold_grams

PARALLEL_FROM = 1 << 18
_WELL_CONDITIONED = 1e-9


@dataclass(frozen=True)
class Standard:
    """Columns behind a constant, with mean zero and unit variance.

    Attributes
    ----------
    z : ndarray, shape (n, p + 1)
    centre, scale : ndarray, shape (p,)
    """

    z: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def penalty(self, penalty: float) -> np.ndarray:
        """Ridge penalty on coefficients of the columns as given, shape (p + 1,); none on the constant."""
        return np.append(0.0, penalty / self.scale**2)

    def raw(self, coef: np.ndarray) -> tuple[float, np.ndarray]:
        """Intercept and coefficients for the columns as given."""
        slopes = coef[1:] / self.scale
        return float(coef[0] - self.centre @ slopes), slopes


def standardise(X: np.ndarray, w: np.ndarray) -> Standard:
    """Centre and scale columns X (n, p) under weights w (n,)."""
    centre = w @ X / w.sum()
    z = np.empty((len(X), X.shape[1] + 1))
    z[:, 0] = 1.0
    np.subtract(X, centre, out=z[:, 1:])
    scale = np.sqrt(np.einsum("i,ij,ij->j", w, z[:, 1:], z[:, 1:]) / w.sum())
    scale = np.where(scale > 1e-14 * np.maximum(np.abs(centre), 1e-290), scale, 1.0)
    z[:, 1:] /= scale
    return Standard(z, centre, scale)


def cell_sums(z: np.ndarray, y: np.ndarray, cells: np.ndarray, count: int, w: np.ndarray) -> FoldGrams:
    """Sums by cell over blocks of rows, on threads where it pays.

    Parameters
    ----------
    z : ndarray, shape (n, p)
    y : ndarray, shape (n, t)
    cells : ndarray of int, shape (n,)
    count : int
    w : ndarray, shape (n,)
    """

    def block(rows: slice) -> FoldGrams:
        return fold_grams(z[rows], y[rows], cells[rows], w[rows], count)

    parts = map_threads(block, row_blocks(len(z), 2 * z.shape[1]), parallel=z.size > PARALLEL_FROM)
    return FoldGrams(*(np.sum([getattr(p, f) for p in parts], axis=0) for f in ("gram", "moment", "squares", "weight")))


def solve_gram(gram: np.ndarray, moment: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Solve normal equations; collinear columns share their effect (least norm)."""
    full = gram + np.diag(penalty)
    scale = 1.0 / np.sqrt(np.maximum(np.diag(full), np.finfo(float).tiny))
    scaled = full * scale[:, None] * scale
    right = moment * (scale if moment.ndim == 1 else scale[:, None])
    try:
        factor = cho_factor(scaled)
        if np.abs(np.diag(factor[0])).min() ** 2 > _WELL_CONDITIONED:
            out = cho_solve(factor, right)
            return out * (scale if moment.ndim == 1 else scale[:, None])
    except LinAlgError:
        pass
    return np.linalg.lstsq(full, moment, rcond=1e-11)[0]


def fold_coefficients(
    sums: FoldGrams, folds: int, strata: int, wanted: Sequence[tuple[int, tuple[int, ...], np.ndarray]]
) -> np.ndarray:
    """Coefficients of every wanted fit without each fold.

    Parameters
    ----------
    sums : FoldGrams
        Of cells numbered fold * strata + stratum.
    folds, strata : int
    wanted : sequence of (int, tuple of int, ndarray of shape (p,))
        Which outcome, the strata to train on, and the penalty.

    Returns
    -------
    ndarray, shape (wanted, folds, p)
    """
    p = sums.gram.shape[-1]
    gram = sums.gram.reshape(folds, strata, p, p)
    moment = sums.moment.reshape(folds, strata, p, -1)
    out = np.empty((len(wanted), folds, p))
    for i, (target, chosen, penalty) in enumerate(wanted):
        g, m = gram[:, list(chosen)].sum(axis=1), moment[:, list(chosen)][..., target].sum(axis=1)
        if folds == 1:
            out[i, 0] = solve_gram(g[0], m[0], penalty)
            continue
        for k in range(folds):
            out[i, k] = solve_gram(g.sum(axis=0) - g[k], m.sum(axis=0) - m[k], penalty)
    return out


def predict_own_fold(z: np.ndarray, coef: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Prediction of each row by the fit that left its fold out.

    Parameters
    ----------
    z : ndarray, shape (n, p)
    coef : ndarray, shape (t, folds, p)
    folds : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (t, n)
    """
    t, k, p = coef.shape
    flat = coef.reshape(t * k, p).T

    def block(rows: slice) -> np.ndarray:
        every = (z[rows] @ flat).reshape(-1, t, k)
        return np.take_along_axis(every, folds[rows, None, None], axis=2)[:, :, 0].T

    return np.concatenate(map_threads(block, row_blocks(len(z), p + t * k), parallel=z.size > PARALLEL_FROM), axis=1)
