"""Multinomial logits that each leave one fold out, from a fit to all rows and a few passes over them.

Leaving a fold out moves the estimate by O(sqrt(p / n)). Information and scores by fold are summed at a common estimate;
each training set then takes steps with its own information there, and every pass computes the exact score of all training
sets at their own coefficients, so that what the steps converge to is the maximum of each likelihood. Passes work with
log odds against the first class, one contiguous row for each class and training set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.backend.threads import one_blas_thread
from statinf.learners.cells import PARALLEL_FROM, Standard, solve_gram, standardise
from statinf.learners.multinomial import FittedMultinomial, Multinomial, contrasts, maximum, softmax

_TOLERANCE = 1e-9
"""Distance from the maximum in standard errors."""
_MOST = 30
_SAMPLE_FROM, _EVERY, _FEWEST = 50_000, 16, 50
"""From so many rows the first steps use one row in so many, if that leaves so many for each coefficient."""
_LARGE = 500.0
"""Log odds up to which exponentials do not overflow."""


@dataclass(frozen=True)
class RowsOfClasses:
    """Standardised rows of known classes: z (n, p), class numbers and weights (n,), contrasts (K, K - 1) and ridge (p,)."""

    z: np.ndarray
    codes: np.ndarray
    w: np.ndarray
    basis: np.ndarray
    ridge: np.ndarray

    @property
    def odds(self) -> np.ndarray:
        """From contrasts to log odds against the first class, shape (K - 1, K - 1)."""
        return self.basis[1:] - self.basis[0]

    def indicators(self, rows: slice) -> np.ndarray:
        """Which rows of a block (m,) are of each class behind the first, shape (K - 1, m)."""
        return self.codes[rows] == np.arange(1, len(self.basis))[:, None]

    def chances(self, theta: np.ndarray, rows: slice) -> np.ndarray:
        """Probabilities (m, K) of a block of rows at coefficients (K - 1, p)."""
        return softmax(np.dot(self.z[rows], np.ascontiguousarray(theta.T)) @ self.basis.T)

    def residual(self, chance: np.ndarray, rows: slice, weight: np.ndarray) -> np.ndarray:
        """Weighted differences (m, K - 1) of class indicators and probabilities, in contrasts; `chance` is overwritten."""
        np.negative(chance, out=chance)
        chance[np.arange(len(chance)), self.codes[rows]] += 1.0
        chance *= weight[:, None]
        return chance @ self.basis


def information(rows: RowsOfClasses, theta: np.ndarray, folds: np.ndarray, count: int) -> np.ndarray:
    """Information of every fold's rows at common coefficients, shape (count, (K - 1) p, (K - 1) p)."""
    return sums_by_fold(rows, theta, folds, count)[0]


def sums_by_fold(
    rows: RowsOfClasses, theta: np.ndarray, folds: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Information and score of every fold's rows at common coefficients (K - 1, p), the penalty left out.

    Returns
    -------
    gram : ndarray, shape (count, (K - 1) p, (K - 1) p)
    score : ndarray, shape (count, (K - 1) p)
    """
    k, p = theta.shape
    log_odds = rows.odds @ theta

    def block(part: slice) -> tuple[np.ndarray, np.ndarray]:
        gram, score = np.zeros((count, k, p, k, p)), np.empty((count, k, p))
        z, w, own = rows.z[part], rows.w[part], folds[part]
        chance = _chances(np.dot(log_odds, z.T))[0]
        left = (rows.indicators(part) - chance) * w
        for f in range(count):
            here = slice(None) if count == 1 else np.flatnonzero(own == f)
            zf, cf, wf = z[here], chance[:, here], w[here]
            score[f] = np.dot(left[:, here], zf)
            for a in range(k):
                for b in range(a, k):
                    spread = wf * cf[a] * ((1.0 - cf[a]) if a == b else -cf[b])
                    gram[f, a, :, b, :] = np.dot(zf.T, zf * spread[:, None])
        return gram, score

    made = map_threads(block, row_blocks(len(rows.z), p * (k + 1)), parallel=rows.z.size > PARALLEL_FROM)
    gram, score = np.sum([m[0] for m in made], axis=0), np.sum([m[1] for m in made], axis=0)
    for a in range(k):
        for b in range(a):
            gram[:, a, :, b, :] = gram[:, b, :, a, :].transpose(0, 2, 1)
    gram = np.einsum("ac,fapbq,bd->fcpdq", rows.odds, gram, rows.odds, optimize=True)
    return gram.reshape(count, k * p, k * p), (rows.odds.T @ score).reshape(count, k * p)


def scores(rows: RowsOfClasses, thetas: np.ndarray, folds: np.ndarray | None) -> np.ndarray:
    """Score of every training set at its own coefficients thetas (m, K - 1, p), less the penalty's slope.

    Training set f leaves the rows of fold f out; with no folds there is one, of all rows.
    """
    m, k, p = thetas.shape
    log_odds = (rows.odds @ thetas).reshape(m * k, p)
    sets = np.arange(m)[:, None]

    def block(part: slice) -> np.ndarray:
        left = _chances(np.dot(log_odds, rows.z[part].T).reshape(m, k, -1))[0]
        np.subtract(rows.indicators(part), left, out=left)
        weight = rows.w[part]
        if folds is not None:
            weight = (weight * (folds[part] != sets))[:, None, :]
        left *= weight
        return np.dot(left.reshape(m * k, -1), rows.z[part])

    blocks = row_blocks(len(rows.z), p + 2 * m * k)
    made = map_threads(block, blocks, parallel=rows.z.size > PARALLEL_FROM)
    return rows.odds.T @ np.sum(made, axis=0).reshape(m, k, p) - rows.ridge * thetas


def _chances(log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (..., K - 1, n) of the classes behind the first, in place, and of the first, shape (..., 1, n)."""
    first: np.ndarray | float = 1.0
    if log_odds.size and log_odds.max() > _LARGE:
        most = np.maximum(log_odds.max(axis=-2, keepdims=True), 0.0)
        log_odds -= most
        first = np.exp(-most)
    chance = np.exp(log_odds, out=log_odds)
    total = chance.sum(axis=-2, keepdims=True) + first
    chance /= total
    return chance, first / total


def whole_fit(
    X: np.ndarray, codes: np.ndarray, w: np.ndarray, learner: Multinomial, *, near: bool = False
) -> tuple[Standard, np.ndarray]:
    """Standardised columns and coefficients (K - 1, p) of all rows; many rows start from some of them.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    codes : ndarray of int, shape (n,)
        Class numbers from 0; every class occurs at positive weight.
    w : ndarray, shape (n,)
    learner : Multinomial
    near : bool
        Whether a fraction of a standard error from the maximum is near enough, for a start.
    """
    count = int(codes.max()) + 1
    design = standardise(X, w)
    rows = RowsOfClasses(design.z, codes, w, contrasts(count), learner.ridge(design, count))
    if len(X) >= max(_SAMPLE_FROM, _FEWEST * _EVERY * count * design.z.shape[1]):
        found = _from_some(rows, near=near)
        if found is not None:
            return design, found
    fitted = learner.fit(X, codes, w)
    return design, rows.basis.T @ fitted.coefficients


def _from_some(rows: RowsOfClasses, *, near: bool) -> np.ndarray | None:
    """Coefficients (K - 1, p) from those of a share of the rows, or None where that is no guide."""
    z, codes, w = np.ascontiguousarray(rows.z[::_EVERY]), rows.codes[::_EVERY], rows.w[::_EVERY]
    if (np.bincount(codes[w > 0], minlength=len(rows.basis)) == 0).any():
        return None
    few = RowsOfClasses(z, codes, w, rows.basis, rows.ridge / _EVERY)
    with one_blas_thread():
        theta = maximum(z, codes, w, rows.basis, few.ridge)
    if theta is None:
        return None
    gram = information(few, theta, np.zeros(len(z), np.intp), 1)[0] * float(rows.w.sum() / w.sum())
    step = solve_gram(gram, scores(rows, theta[None], None).ravel(), np.tile(rows.ridge, len(theta)))
    theta = theta + step.reshape(theta.shape)
    if near:
        return theta
    found = _steps(rows, theta, None)
    return None if found is None else found[0]


def _steps(rows: RowsOfClasses, theta: np.ndarray, folds: np.ndarray | None) -> np.ndarray | None:
    """Coefficients (m, K - 1, p) of every training set from a common start, or None where the steps do not contract."""
    (k, p), m = theta.shape, 1 if folds is None else int(folds.max()) + 1
    gram, slope = sums_by_fold(rows, theta, np.zeros(len(rows.z), np.intp) if folds is None else folds, m)
    if folds is not None:
        gram, slope = gram.sum(axis=0) - gram, slope.sum(axis=0) - slope
    slope = slope - (rows.ridge * theta).ravel()
    penalty, enough = np.tile(rows.ridge, k), _TOLERANCE * np.sqrt(max(float(rows.w.mean()), 1e-300))
    thetas, last = np.repeat(theta[None], m, axis=0), np.inf
    for _ in range(_MOST):
        step = np.stack([solve_gram(g, s, penalty) for g, s in zip(gram, slope, strict=True)])
        size = float(np.sqrt(np.maximum(np.einsum("fi,fij,fj->f", step, gram, step), 0.0)).max())
        thetas = thetas + step.reshape(m, k, p)
        rate = 1.0 if last == np.inf else min(size / last, 1.0)
        if size * rate <= enough:
            return thetas
        if size > 0.5 * last:
            return None
        last = size
        slope = scores(rows, thetas, folds).reshape(m, -1)
    return None


def class_probabilities(
    X: np.ndarray, codes: np.ndarray, w: np.ndarray, learner: Multinomial, folds: np.ndarray | None
) -> np.ndarray:
    """Probabilities (n, K) of every row by a fit that left its fold out; by the fit to all rows without folds.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    codes : ndarray of int, shape (n,)
    w : ndarray, shape (n,)
    learner : Multinomial
    folds : ndarray of int, shape (n,), or None
    """
    design, theta = whole_fit(X, codes, w, learner, near=folds is not None)
    count = int(codes.max()) + 1
    rows = RowsOfClasses(design.z, codes, w, contrasts(count), learner.ridge(design, count))
    thetas: np.ndarray | None = theta[None]
    if folds is not None:
        thetas = _steps(rows, theta, folds)
        if thetas is None:
            # Few rows or a strong fold: the common estimate is no guide.
            return _one_by_one(X, codes, w, learner, folds)
    assert thetas is not None
    log_odds = rows.odds @ thetas
    out = np.empty((len(X), count))

    def block(part: slice) -> None:
        for f, own in enumerate(log_odds):
            here = np.arange(part.start, part.stop) if folds is None else part.start + np.flatnonzero(folds[part] == f)
            others, first = _chances(np.dot(own, rows.z[here].T))
            out[here, 0], out[here, 1:] = first[0], others.T

    map_threads(block, row_blocks(*rows.z.shape), parallel=rows.z.size > PARALLEL_FROM)
    return out


def _one_by_one(X: np.ndarray, codes: np.ndarray, w: np.ndarray, learner: Multinomial, folds: np.ndarray) -> np.ndarray:
    out = np.zeros((len(X), int(codes.max()) + 1))
    for f in range(int(folds.max()) + 1):
        train, here = (folds != f) & (w > 0), folds == f
        fitted: FittedMultinomial = learner.fit(X[train], codes[train], w[train])
        out[np.ix_(here, fitted.classes_.astype(np.intp))] = fitted.predict_proba(X[here])
    return out
