"""Classifier two-sample test: can held-out rows be told apart?

Lopez-Paz and Oquab (2017, arXiv 1610.06545), with Fisher's linear discriminant on the columns and their squares as the
classifier and the area under the ROC curve within held-out folds as the statistic. The discriminant is least squares on
the labels, hence linear in them: the refits under all permutations of the labels are one matrix product per fold.
Identical rows have one score, and pairs of them count half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks, generator, rows_per_chunk
from statinf.shifts.permutation import masses

RIDGE = 1e-6


@dataclass(frozen=True)
class Fold:
    """A fold and what the fit without it needs.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
    columns : ndarray, shape (k, q)
    distinct : ndarray of int, shape (g,)
        First of each run of identical rows in the fold.
    inverse : ndarray, shape (q, q)
        Of the other folds' products of columns.
    """

    rows: np.ndarray
    columns: np.ndarray
    distinct: np.ndarray
    inverse: np.ndarray


def area_under_curve(
    x: np.ndarray, first: np.ndarray, permutations: int, folds: int, seed: int
) -> tuple[float, np.ndarray]:
    """Mean area under the curve over held-out folds, observed and permuted.

    Parameters
    ----------
    x : ndarray, shape (N, p)
        Rows of both samples, identical rows beside each other.
    first : ndarray of bool, shape (N,)
        Which rows are the first sample's.
    permutations, folds, seed : int

    Returns
    -------
    observed : float
    null : ndarray, shape (permutations,)
    """
    total, n = len(x), int(np.count_nonzero(first))
    parts = _folds(x, folds, seed)
    null = np.empty(permutations)
    observed = 0.0
    for batch in chunks(permutations, rows_per_chunk(8.0 * total * 6)):
        labels = masses(n, total - n, batch.stop - batch.start, seed, batch.start) < 0
        if batch.start == 0:
            both = _areas(np.concatenate([~first[None], labels]), parts)
            observed, null[batch] = float(both[0]), both[1:]
        else:
            null[batch] = _areas(labels, parts)
    return observed, null


def _folds(x: np.ndarray, folds: int, seed: int) -> list[Fold]:
    near = x - x[0]
    spread = near.std(axis=0)
    scaled = (near - near.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    columns = np.column_stack([np.ones(len(x)), scaled, scaled**2])
    fold = generator(seed, 12).permutation(len(x)) % folds
    parts = [np.flatnonzero(fold == k) for k in range(folds)]
    grams = [columns[rows].T @ columns[rows] for rows in parts]
    whole = np.sum(grams, axis=0)
    penalty = RIDGE * np.trace(whole) / len(whole) * np.eye(len(whole))
    return [
        Fold(rows, columns[rows], _runs(x[rows]), np.linalg.inv(whole - gram + penalty))
        for rows, gram in zip(parts, grams, strict=True)
    ]


def _runs(x: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.append(True, (x[1:] != x[:-1]).any(axis=1)))


def _areas(labels: np.ndarray, parts: list[Fold]) -> np.ndarray:
    """Mean area under the curve of each row of labels (B, N)."""
    target = labels.astype(np.float64)
    sums = [target[:, fold.rows] @ fold.columns for fold in parts]
    whole = np.sum(sums, axis=0)
    out = np.zeros(len(labels))
    for fold, own in zip(parts, sums, strict=True):
        scores = (whole - own) @ fold.inverse @ fold.columns[fold.distinct].T
        order = np.argsort(scores, axis=1)
        ones = np.add.reduceat(target[:, fold.rows], fold.distinct, axis=1)
        size = np.diff(np.append(fold.distinct, len(fold.rows)))
        ones, size = np.take_along_axis(ones, order, axis=1), size[order]
        zeros = size - ones
        below = np.cumsum(zeros, axis=1) - 0.5 * zeros
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        won = (ones * below).sum(axis=1)
        out += np.where(pairs > 0, won / np.maximum(pairs, 1.0), 0.5)
    return out / len(parts)
