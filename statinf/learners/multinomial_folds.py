"""Multinomial logits that each leave one fold out, from a fit to all rows and a few passes over them.

Leaving a fold out moves the estimate by O(sqrt(p / n)). Information by fold is summed at the common estimate; each
training set then takes steps with its own information there, and every pass computes the exact score of all training
sets at their own coefficients, so that what the steps converge to is the maximum of each likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.learners.cells import PARALLEL_FROM, Standard, solve_gram, standardise
from statinf.learners.multinomial import FittedMultinomial, Multinomial, contrasts, softmax

_TOLERANCE = 1e-9
"""Distance from the maximum in standard errors."""
_MOST = 30
_SAMPLE_FROM, _EVERY = 200_000, 16
"""From so many rows the first steps use one row in so many."""


@dataclass(frozen=True)
class RowsOfClasses:
    """Standardised rows of known classes: z (n, p), class numbers and weights (n,), contrasts (K, K - 1) and ridge (p,)."""

    z: np.ndarray
    codes: np.ndarray
    w: np.ndarray
    basis: np.ndarray
    ridge: np.ndarray

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
    k, p = theta.shape

    def block(part: slice) -> np.ndarray:
        out = np.zeros((count, k, p, k, p))
        chance, z, w, own = rows.chances(theta, part), rows.z[part], rows.w[part], folds[part]
        mean = chance @ rows.basis
        for f in range(count):
            here = np.flatnonzero(own == f)
            if not len(here):
                continue
            zf = z[here]
            for a in range(k):
                for b in range(a, k):
                    spread = chance[here] @ (rows.basis[:, a] * rows.basis[:, b]) - mean[here, a] * mean[here, b]
                    out[f, a, :, b, :] = np.dot(zf.T, zf * (w[here] * spread)[:, None])
        return out

    blocks = row_blocks(len(rows.z), p * (k + 1))
    found = np.sum(map_threads(block, blocks, parallel=rows.z.size > PARALLEL_FROM), axis=0)
    for a in range(k):
        for b in range(a):
            found[:, a, :, b, :] = found[:, b, :, a, :].transpose(0, 2, 1)
    return found.reshape(count, k * p, k * p)


def scores(rows: RowsOfClasses, thetas: np.ndarray, folds: np.ndarray | None) -> np.ndarray:
    """Score of every training set at its own coefficients thetas (m, K - 1, p), less the penalty's slope.

    Training set f leaves the rows of fold f out; with no folds there is one, of all rows.
    """

    def block(part: slice) -> np.ndarray:
        out = np.empty_like(thetas)
        for f, theta in enumerate(thetas):
            weight = rows.w[part] if folds is None else np.where(folds[part] == f, 0.0, rows.w[part])
            left = rows.residual(rows.chances(theta, part), part, weight)
            out[f] = np.dot(left.T, rows.z[part])
        return out

    blocks = row_blocks(len(rows.z), rows.z.shape[1] + 4 * len(rows.basis))
    made = map_threads(block, blocks, parallel=rows.z.size > PARALLEL_FROM)
    return np.sum(made, axis=0) - rows.ridge * thetas


def whole_fit(X: np.ndarray, codes: np.ndarray, w: np.ndarray, learner: Multinomial) -> tuple[Standard, np.ndarray]:
    """Standardised columns and coefficients (K - 1, p) of all rows; many rows start from some of them.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    codes : ndarray of int, shape (n,)
        Class numbers from 0; every class occurs at positive weight.
    w : ndarray, shape (n,)
    learner : Multinomial
    """
    count = int(codes.max()) + 1
    design = standardise(X, w)
    basis = contrasts(count)
    if len(X) >= _SAMPLE_FROM and len(np.unique(codes[::_EVERY][w[::_EVERY] > 0])) == count:
        first = learner.fit(X[::_EVERY], codes[::_EVERY], w[::_EVERY])
        slopes = first.coefficients[:, 1:] / first.scale
        level = first.coefficients[:, 0] + slopes @ (design.centre - first.centre)
        theta = basis.T @ np.column_stack([level, slopes * design.scale])
        rows = RowsOfClasses(design.z, codes, w, basis, learner.ridge(design, count))
        found = _steps(rows, theta[None], None)
        if found is not None:
            return design, found[0]
    fitted = learner.fit(X, codes, w)
    return design, basis.T @ fitted.coefficients


def _steps(rows: RowsOfClasses, thetas: np.ndarray, folds: np.ndarray | None) -> np.ndarray | None:
    """Coefficients of every training set from a common start, or None where the steps do not contract."""
    m, k, p = thetas.shape
    codes = np.zeros(len(rows.z), np.intp) if folds is None else folds
    gram = information(rows, thetas[0], codes, m)
    gram = gram if folds is None else gram.sum(axis=0) - gram
    penalty, enough = np.tile(rows.ridge, k), _TOLERANCE * np.sqrt(max(float(rows.w.mean()), 1e-300))
    last = np.inf
    for _ in range(_MOST):
        slope = scores(rows, thetas, folds).reshape(m, -1)
        step = np.stack([solve_gram(g, s, penalty) for g, s in zip(gram, slope, strict=True)])
        size = float(np.sqrt(np.maximum(np.einsum("fi,fij,fj->f", step, gram, step), 0.0)).max())
        thetas = thetas + step.reshape(m, k, p)
        rate = 1.0 if last == np.inf else min(size / last, 1.0)
        if size * rate <= enough:
            return thetas
        if size > 0.5 * last:
            return None
        last = size
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
    design, theta = whole_fit(X, codes, w, learner)
    count = int(codes.max()) + 1
    rows = RowsOfClasses(design.z, codes, w, contrasts(count), learner.ridge(design, count))
    thetas: np.ndarray | None = theta[None]
    if folds is not None:
        m = int(folds.max()) + 1
        thetas = _steps(rows, np.repeat(theta[None], m, axis=0), folds)
        if thetas is None:
            # Few rows or a strong fold: the common estimate is no guide.
            return _one_by_one(X, codes, w, learner, folds)
    assert thetas is not None
    out = np.empty((len(X), count))

    def block(part: slice) -> None:
        if folds is None:
            out[part] = rows.chances(thetas[0], part)
            return
        for f in range(len(thetas)):
            here = np.flatnonzero(folds[part] == f)
            out[part.start + here] = softmax((rows.z[part][here] @ thetas[f].T) @ rows.basis.T)

    map_threads(block, row_blocks(*rows.z.shape), parallel=rows.z.size > PARALLEL_FROM)
    return out


def _one_by_one(X: np.ndarray, codes: np.ndarray, w: np.ndarray, learner: Multinomial, folds: np.ndarray) -> np.ndarray:
    out = np.zeros((len(X), int(codes.max()) + 1))
    for f in range(int(folds.max()) + 1):
        train, here = (folds != f) & (w > 0), folds == f
        fitted: FittedMultinomial = learner.fit(X[train], codes[train], w[train])
        out[np.ix_(here, fitted.classes_.astype(np.intp))] = fitted.predict_proba(X[here])
    return out
