"""Gram matrices by fold in one pass over the rows, and K-fold fits from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

_BLOCK_ELEMENTS = 1 << 18


@dataclass(frozen=True)
class FoldGrams:
    """Sums over the rows of each fold.

    Attributes
    ----------
    gram : ndarray, shape (folds, p, p)
        Sum of w x x'.
    moment : ndarray, shape (folds, p, m)
        Sum of w x y'.
    squares : ndarray, shape (folds, m)
        Sum of w y^2.
    weight : ndarray, shape (folds,)
        Sum of w.
    """

    gram: np.ndarray
    moment: np.ndarray
    squares: np.ndarray
    weight: np.ndarray


def fold_grams(
    columns: np.ndarray,
    response: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray | None = None,
    count: int | None = None,
) -> FoldGrams:
    """Sum x x', x y' and y^2 within folds, reading each row once.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    response : ndarray, shape (n,) or (n, m)
    folds : ndarray of int, shape (n,)
        Fold of each row, from 0.
    weights : ndarray, shape (n,), optional
    count : int, optional
        Number of folds, if the last may be empty.
    """
    y = response.reshape(len(response), -1)
    p, m = columns.shape[1], y.shape[1]
    k = int(folds.max()) + 1 if count is None else count
    gram, moment = np.zeros((k, p, p)), np.zeros((k, p, m))
    squares, weight = np.zeros((k, m)), np.zeros(k)
    step = max(256, _BLOCK_ELEMENTS // max(p + m, 1))
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        order = np.argsort(folds[rows], kind="stable")
        fold = folds[rows][order]
        x, target = columns[rows][order], y[rows][order]
        w = np.ones(len(fold)) if weights is None else weights[rows][order]
        cuts = np.searchsorted(fold, np.arange(k + 1))
        for f in range(k):
            part = slice(cuts[f], cuts[f + 1])
            if cuts[f] == cuts[f + 1]:
                continue
            xw = x[part] * w[part, None]
            gram[f] += np.dot(xw.T, x[part])
            moment[f] += np.dot(xw.T, target[part])
            squares[f] += w[part] @ target[part] ** 2
            weight[f] += w[part].sum()
    return FoldGrams(gram, moment, squares, weight)


def fits_without_each_fold(sums: FoldGrams, penalty: np.ndarray | float = 0.0) -> np.ndarray:
    """Least squares (or ridge) with each fold left out, from the folds' sums.

    Parameters
    ----------
    sums : FoldGrams
    penalty : float or ndarray, shape (p,)
        Added to the diagonal; zero for columns that are not penalised, such as the intercept.

    Returns
    -------
    ndarray, shape (folds, p, m)
    """
    gram = sums.gram.sum(axis=0) - sums.gram
    moment = sums.moment.sum(axis=0) - sums.moment
    diagonal = np.broadcast_to(np.asarray(penalty, dtype=np.float64), gram.shape[-1:])
    return np.stack([_solve(g + np.diag(diagonal), c) for g, c in zip(gram, moment, strict=True)])


def _solve(gram: np.ndarray, moment: np.ndarray) -> np.ndarray:
    scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    scaled = gram * scale[:, None] * scale
    target = scale[:, None] * moment
    try:
        return scale[:, None] * cho_solve(cho_factor(scaled), target)
    except LinAlgError:
        return scale[:, None] * np.linalg.lstsq(scaled, target, rcond=1e-12)[0]
