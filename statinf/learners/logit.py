"""Logistic regression by Newton's method.

Minimises ``-sum_i w_i log p(y_i | x_i) + penalty / 2 * |b|^2`` with a free intercept.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.errors import ConvergenceError
from statinf.learners.base import check_penalty, check_rows
from statinf.learners.cells import PARALLEL_FROM, Standard, solve_gram, standardise
from statinf.numerics.glm.families import sigmoid

_TOLERANCE = 1e-11
_MOST = 60
_SAMPLE_FROM, _EVERY = 200_000, 16
"""From so many rows the first steps use one row in so many."""


@dataclass(frozen=True)
class FittedLogit:
    """An intercept and coefficients (p,) of the log odds."""

    intercept: float
    coefficients: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n,) of the outcome 1: the conditional mean."""
        return sigmoid(np.asarray(X, np.float64) @ self.coefficients + self.intercept)

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
        check_penalty(self.penalty)

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLogit:
        """Fit to X (n, p), y (n,) in [0, 1], weights (n,); `seed` is not used.

        Raises
        ------
        ConvergenceError
            If the likelihood has no maximum (covariates separate the outcomes) or Newton's method fails.
        """
        X, y, w = check_rows(X, y, w)
        design = standardise(X, w)
        return FittedLogit(*design.raw(full_fit(design, y, w, self.penalty)))


def full_fit(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float, *, near: bool = False) -> np.ndarray:
    """Coefficients (p + 1,) for standardised columns, by Newton's method.

    Parameters
    ----------
    design : Standard
    y, w : ndarray, shape (n,)
    penalty : float
    near : bool
        Stop where the next step would be small beside a standard error: enough for a start.

    Raises
    ------
    ConvergenceError
        If the likelihood has no maximum.
    """
    z, ridge, mass = design.z, design.penalty(penalty), float(w.sum())
    enough = 0.5 * np.sqrt(mass) * len(y) ** -0.25 if near else _TOLERANCE * np.sqrt(mass)
    beta = _first(design, y, w, penalty)
    loss, gram, score = _state(z, y, w, beta)
    loss += 0.5 * float(ridge @ beta**2)
    for _ in range(_MOST):
        step = solve_gram(gram, score - ridge * beta, ridge)
        size = float(np.sqrt(max(step @ (gram @ step), 0.0)))
        if size <= enough and (loss > 1e-7 * mass or penalty > 0.0):
            return beta + step
        for _ in range(30):
            trial = beta + step
            new, gram, score = _state(z, y, w, trial)
            new += 0.5 * float(ridge @ trial**2)
            if new <= loss + 1e-9 * (abs(loss) + 1.0):
                break
            step = step / 2.0
        beta, loss = trial, new
        if loss <= 1e-7 * mass and penalty == 0.0:
            break
    raise ConvergenceError(
        "the logit has no maximum: covariates separate the outcomes; of a treatment this says that the arms do not overlap. "
        "Restrict the sample to where both occur, leave the separating covariates out, or use Logit(penalty=1.0) from "
        "statinf.learners."
    )


def _first(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float) -> np.ndarray:
    """Start of Newton's method: from a share of the rows where they are many, else the log odds alone."""
    if len(y) >= _SAMPLE_FROM and w[::_EVERY].any():
        few = replace(design, z=np.ascontiguousarray(design.z[::_EVERY]))
        with suppress(ConvergenceError):
            return full_fit(few, y[::_EVERY], w[::_EVERY], penalty / _EVERY, near=True)
    share = float(np.clip(w @ y / w.sum(), 1e-6, 1 - 1e-6))
    beta = np.zeros(design.z.shape[1])
    beta[0] = np.log(share / (1.0 - share))
    return beta


def _state(z: np.ndarray, y: np.ndarray, w: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    def block(rows: slice) -> tuple[float, np.ndarray, np.ndarray]:
        part, target, weight = z[rows], y[rows], w[rows]
        eta = part @ beta
        chance = sigmoid(eta)
        half = part * np.sqrt(weight * chance * (1.0 - chance))[:, None]
        loss = float(weight @ (np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0) - target * eta))
        return loss, np.dot(half.T, half), np.dot(part.T, weight * (target - chance))

    parts = map_threads(block, row_blocks(*z.shape), parallel=z.size > PARALLEL_FROM)
    return tuple(sum(p[i] for p in parts) for i in range(3))  # type: ignore[return-value]
