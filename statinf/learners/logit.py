"""Logistic regression, with every complement of a fold in a few passes over the rows.

Minimises ``-sum_i w_i log p(y_i | x_i) + penalty / 2 * |b|^2`` with a free intercept. Leaving a fold out moves
the estimate by O(1/n), so that Newton steps with the information at the full estimate (less the fold's own)
converge in a few passes whose cost is two matrix products for all folds together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from statinf.backend import map_threads, row_blocks
from statinf.errors import ConvergenceError, OptionError
from statinf.learners.base import check_rows
from statinf.learners.cells import PARALLEL_FROM, Standard, cell_sums, predict_own_fold, solve_gram, standardise

_TOLERANCE = 1e-11
_FOLD_TOLERANCE = 1e-8
"""In standard errors; what is left after the step is smaller by the contraction, about p / n."""
_MOST = 60


@dataclass(frozen=True)
class FittedLogit:
    """An intercept and coefficients (p,) of the log odds."""

    intercept: float
    coefficients: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n,) of the outcome 1: the conditional mean."""
        return expit(np.asarray(X, np.float64) @ self.coefficients + self.intercept)

    predict_proba = predict


@dataclass(frozen=True)
class Logit:
    """Logistic regression by maximum likelihood, or with a ridge penalty.

    Parameters
    ----------
    penalty : float
        Multiplies half the sum of squared coefficients; 1 / C of scikit-learn.
    """

    penalty: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.penalty) or self.penalty < 0:
            raise OptionError(f"penalty={self.penalty!r} must be a finite number of at least 0.")

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLogit:
        """Fit to X (n, p), y (n,) in [0, 1], weights (n,); `seed` is not used.

        Raises
        ------
        ConvergenceError
            If the likelihood has no maximum (covariates separate the outcomes) or Newton's method fails.
        """
        X, y, w = check_rows(X, y, w)
        design = standardise(X, w)
        return FittedLogit(*design.raw(full_fit(design, y, w, self.penalty)[0]))


def full_fit(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (p + 1,) for standardised columns, and the fitted probabilities (n,)."""
    z, ridge = design.z, design.penalty(penalty)
    share = float(np.clip(w @ y / w.sum(), 1e-6, 1 - 1e-6))
    beta = np.zeros(z.shape[1])
    beta[0] = np.log(share / (1.0 - share))
    loss, gram, score, chance = _state(z, y, w, beta)
    loss += 0.5 * float(ridge @ beta**2)
    for _ in range(_MOST):
        step = solve_gram(gram, score - ridge * beta, ridge)
        size = float(np.sqrt(max(step @ (gram @ step), 0.0)))
        for _ in range(30):
            trial = beta + step
            new, gram, score, chance = _state(z, y, w, trial)
            new += 0.5 * float(ridge @ trial**2)
            if new <= loss + 1e-9 * (abs(loss) + 1.0):
                break
            step = step / 2.0
        beta, loss = trial, new
        if size <= _TOLERANCE * np.sqrt(w.sum()):
            return beta, chance
        if loss <= 1e-7 * w.sum() and penalty == 0.0:
            break
    raise ConvergenceError(
        "the logit has no maximum: covariates separate the outcomes. Use Logit(penalty=1.0) from statinf.learners, "
        "or leave the separating covariates out."
    )


def _state(
    z: np.ndarray, y: np.ndarray, w: np.ndarray, beta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    def block(rows: slice) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        part, target, weight = z[rows], y[rows], w[rows]
        eta = part @ beta
        chance = expit(eta)
        half = part * np.sqrt(weight * chance * (1.0 - chance))[:, None]
        loss = float(weight @ (np.logaddexp(0.0, eta) - target * eta))
        return loss, half.T @ half, part.T @ (weight * (target - chance)), chance

    parts = map_threads(block, row_blocks(*z.shape), parallel=z.size > PARALLEL_FROM)
    loss, gram, score = (sum(p[i] for p in parts) for i in range(3))
    return loss, gram, score, np.concatenate([p[3] for p in parts])  # type: ignore[return-value]


def fold_fits(
    design: Standard,
    y: np.ndarray,
    w: np.ndarray,
    folds: np.ndarray,
    start: tuple[np.ndarray, np.ndarray],
    penalty: float,
) -> np.ndarray:
    """Coefficients without each fold, for standardised columns.

    Parameters
    ----------
    design : Standard
    y, w : ndarray, shape (n,)
        Rows of weight zero are no part of any training set.
    folds : ndarray of int, shape (n,)
    start : tuple
        Of `full_fit` on the same rows.
    penalty : float

    Returns
    -------
    ndarray, shape (folds, p + 1)
    """
    z, ridge = design.z, design.penalty(penalty)
    count = int(folds.max()) + 1
    beta, chance = start
    sums = cell_sums(z, np.zeros((len(y), 0)), folds, count, w * chance * (1.0 - chance))
    grams = sums.gram.sum(axis=0) - sums.gram
    out = np.repeat(beta[None], count, axis=0)
    last = np.full(count, np.inf)
    for _ in range(_MOST):
        score = _scores(z, y, w, folds, out) - ridge * out
        steps = np.stack([solve_gram(g, s, ridge) for g, s in zip(grams, score, strict=True)])
        size = np.sqrt(np.maximum(np.einsum("ki,kij,kj->k", steps, grams, steps), 0.0))
        if (size > 0.3 * last).any() and size.max() > _FOLD_TOLERANCE:
            break
        out, last = out + steps, size
        if size.max() <= _FOLD_TOLERANCE:
            return out
    # Few rows or a strong fold: the full information is no guide, each training set gets its own Newton.
    return np.stack([full_fit(design, y, np.where(folds == k, 0.0, w), penalty)[0] for k in range(count)])


def _scores(z: np.ndarray, y: np.ndarray, w: np.ndarray, folds: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Score of every training set at its own coefficients, shape (folds, p + 1)."""

    def block(rows: slice) -> np.ndarray:
        residual = w[rows, None] * (y[rows, None] - expit(z[rows] @ beta.T))
        residual[np.arange(len(residual)), folds[rows]] = 0.0
        return residual.T @ z[rows]

    return np.sum(map_threads(block, row_blocks(len(z), 2 * z.shape[1]), parallel=z.size > PARALLEL_FROM), axis=0)


def out_of_fold(design: Standard, coef: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Probabilities (n,) by the fits that left each row's fold out."""
    return expit(predict_own_fold(design.z, coef[None], folds)[0])
