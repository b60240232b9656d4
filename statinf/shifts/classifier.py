"""Classifier two-sample test: can held-out rows be told apart?

Lopez-Paz and Oquab (2017, arXiv 1610.06545), with Fisher's linear discriminant on the columns and their squares as the
classifier and the area under the ROC curve within held-out folds as the statistic. The discriminant is least squares on
the labels, hence linear in them: the refits under all permutations of the labels are one matrix product a fold.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import chunks, generator, rows_per_chunk
from statinf.shifts.permutation import masses, observed_mass

RIDGE = 1e-6


def area_under_curve(x: np.ndarray, n: int, permutations: int, folds: int, seed: int) -> tuple[float, np.ndarray]:
    """Mean area under the curve over held-out folds, observed and permuted.

    Parameters
    ----------
    x : ndarray, shape (N, p)
        Rows of both samples, the first n of the source.
    n, permutations, folds, seed : int

    Returns
    -------
    observed : float
    null : ndarray, shape (permutations,)
    """
    total = len(x)
    spread = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    columns = np.column_stack([np.ones(total), scaled, scaled**2])
    fold = generator(seed, 12).permutation(total) % folds
    parts = [np.flatnonzero(fold == k) for k in range(folds)]
    grams = [columns[rows].T @ columns[rows] for rows in parts]
    whole = np.sum(grams, axis=0)
    penalty = RIDGE * np.trace(whole) / len(whole) * np.eye(len(whole))
    inverses = [np.linalg.inv(whole - gram + penalty) for gram in grams]
    null = np.empty(permutations)
    observed = _areas(observed_mass(n, total - n) < 0, columns, parts, inverses)[0]
    for batch in chunks(permutations, rows_per_chunk(8.0 * total * 6)):
        labels = masses(n, total - n, batch.stop - batch.start, seed, batch.start) < 0
        null[batch] = _areas(labels, columns, parts, inverses)
    return float(observed), null


def _areas(labels: np.ndarray, columns: np.ndarray, parts: list[np.ndarray], inverses: list[np.ndarray]) -> np.ndarray:
    """Mean area under the curve of each row of labels (B, N)."""
    target = labels.astype(np.float64)
    sums = [target[:, rows] @ columns[rows] for rows in parts]
    whole = np.sum(sums, axis=0)
    out = np.zeros(len(labels))
    for rows, inverse, own in zip(parts, inverses, sums, strict=True):
        scores = (whole - own) @ inverse @ columns[rows].T
        order = np.argsort(scores, axis=1)
        sorted_labels = np.take_along_axis(labels[:, rows], order, axis=1)
        ones = sorted_labels.sum(axis=1)
        zeros = len(rows) - ones
        # Rank sum of the target rows; ties have probability zero for continuous scores, and either order is fair.
        ranks = sorted_labels @ np.arange(1, len(rows) + 1, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            area = (ranks - ones * (ones + 1) / 2.0) / (ones * zeros)
        out += np.where(ones * zeros > 0, area, 0.5)
    return out / len(parts)
