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
_POLISH_FROM, _FEWEST = 30_000, 50
"""A fit to the end starts from a share of the rows if there are so many, and the share has so many per coefficient."""


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


def full_fit(
    design: Standard,
    y: np.ndarray,
    w: np.ndarray,
    penalty: float,
    *,
    near: bool = False,
    parallel: bool | None = None,
) -> np.ndarray:
    """Coefficients (p + 1,) for standardised columns, by Newton's method.

    Parameters
    ----------
    design : Standard
    y, w : ndarray, shape (n,)
    penalty : float
    near : bool
        Stop where the next step would be small beside a standard error: enough for a start.
    parallel : bool, optional
        Whether to use threads; by default where the rows are many.

    Raises
    ------
    ConvergenceError
        If the likelihood has no maximum.
    """
    spread = design.z.size > PARALLEL_FROM if parallel is None else parallel
    if not near and len(y) >= max(_POLISH_FROM, _FEWEST * _EVERY * design.z.shape[1]):
        with suppress(ConvergenceError):
            found = _polished(design, y, w, penalty, spread)
            if found is not None:
                return found
    if near and len(y) >= _SAMPLE_FROM:
        with suppress(ConvergenceError):
            found = _beside(design, y, w, penalty, spread)
            if found is not None:
                return found
    return _newton(design, y, w, penalty, near=near, parallel=spread)


def _newton(
    design: Standard, y: np.ndarray, w: np.ndarray, penalty: float, *, near: bool, parallel: bool
) -> np.ndarray:
    """Newton's method with steps halved until the loss falls."""
    z, ridge, mass = design.z, design.penalty(penalty), float(w.sum())
    enough = _enough(w, near=near)
    beta = _first(design, y, w, penalty, parallel)
    loss, gram, score = _state(z, y, w, beta, parallel)
    loss += 0.5 * float(ridge @ beta**2)
    for _ in range(_MOST):
        step = solve_gram(gram, score - ridge * beta, ridge)
        size = float(np.sqrt(max(step @ (gram @ step), 0.0)))
        if size <= enough and (loss > 1e-7 * mass or penalty > 0.0):
            return beta + step
        for _ in range(30):
            trial = beta + step
            new, gram, score = _state(z, y, w, trial, parallel)
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


def _beside(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float, parallel: bool) -> np.ndarray | None:
    """A start: one step on all rows from the fit to a share of them, by the share's information; None where it is a long one."""
    few, some = replace(design, z=np.ascontiguousarray(design.z[::_EVERY])), w[::_EVERY]
    if not some.any():
        return None
    beta, ridge = (
        _newton(few, y[::_EVERY], some, penalty / _EVERY, near=True, parallel=parallel),
        design.penalty(penalty),
    )
    gram, _ = _slopes(few.z, y[::_EVERY], some, beta, curved=True, parallel=parallel)
    gram *= float(w.sum() / some.sum())
    _, score = _slopes(design.z, y, w, beta, curved=False, parallel=parallel)
    step = solve_gram(gram, score - ridge * beta, ridge)
    size = float(np.sqrt(max(step @ (gram @ step), 0.0)))
    # The step leaves a few hundredths of its length: the information of a share errs by as much.
    return beta + step if size <= 4.0 * _enough(w, near=True) else None


def _enough(w: np.ndarray, *, near: bool) -> float:
    """Length of a step to stop at, in the information's norm."""
    return float(np.sqrt(w.sum()) * (0.5 * len(w) ** -0.25 if near else _TOLERANCE))


def _polished(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float, parallel: bool) -> np.ndarray | None:
    """The maximum from that of a share of the rows, with one information matrix of all; None where steps do not contract.

    Errors of the information slow the steps and move nothing, as each pass computes the exact score. Newton's method
    from the log odds alone needs twice as many passes, each with its own information and loss.
    """
    few = replace(design, z=np.ascontiguousarray(design.z[::_EVERY]))
    some, ridge = w[::_EVERY], design.penalty(penalty)
    if not some.any():
        return None
    beta = _newton(few, y[::_EVERY], some, penalty / _EVERY, near=True, parallel=False)
    gram, _ = _slopes(few.z, y[::_EVERY], some, beta, curved=True, parallel=False)
    gram *= float(w.sum() / some.sum())
    enough, last = 0.01 * _TOLERANCE * np.sqrt(float(w.sum())), np.inf
    before, step = np.zeros(len(beta)), np.zeros(len(beta))
    for turn in range(_MOST):
        fresh, score = _slopes(design.z, y, w, beta, curved=turn == 1, parallel=parallel)
        score = score - ridge * beta
        # What the last step did to the score tells the curvature along it, free of charge.
        gram = fresh if turn == 1 else _along(gram, ridge, step, before - score) if turn > 1 else gram
        before, step = score, solve_gram(gram, score, ridge)
        size = float(np.sqrt(max(step @ (gram @ step), 0.0)))
        rate = 1.0 if turn == 0 else min(size / last, 1.0)
        if turn > 0 and rate > 0.3 and size > enough:
            return None
        beta = beta + step
        if size * rate <= enough:
            return beta
        last = size
    return None


def _along(gram: np.ndarray, ridge: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The information whose product with a step is the change of the score that the step made (symmetric rank one)."""
    miss = change - gram @ step - ridge * step
    below = float(miss @ step)
    if abs(below) <= 1e-8 * np.linalg.norm(miss) * np.linalg.norm(step):
        return gram
    return gram + np.outer(miss, miss) / below


def _first(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float, parallel: bool) -> np.ndarray:
    """Start of Newton's method: from a share of the rows where they are many, else the log odds alone."""
    if len(y) >= _SAMPLE_FROM and w[::_EVERY].any():
        few = replace(design, z=np.ascontiguousarray(design.z[::_EVERY]))
        with suppress(ConvergenceError):
            return _newton(few, y[::_EVERY], w[::_EVERY], penalty / _EVERY, near=True, parallel=parallel)
    share = float(np.clip(w @ y / w.sum(), 1e-6, 1 - 1e-6))
    beta = np.zeros(design.z.shape[1])
    beta[0] = np.log(share / (1.0 - share))
    return beta


def _state(
    z: np.ndarray, y: np.ndarray, w: np.ndarray, beta: np.ndarray, parallel: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, information and score of all rows."""

    def block(rows: slice) -> tuple[float, np.ndarray, np.ndarray]:
        part, target, weight = z[rows], y[rows], w[rows]
        eta = part @ beta
        chance = sigmoid(eta)
        half = part * np.sqrt(weight * chance * (1.0 - chance))[:, None]
        loss = float(weight @ (np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0) - target * eta))
        return loss, np.dot(half.T, half), np.dot(part.T, weight * (target - chance))

    parts = map_threads(block, row_blocks(*z.shape), parallel=parallel)
    return tuple(sum(p[i] for p in parts) for i in range(3))  # type: ignore[return-value]


def _slopes(
    z: np.ndarray, y: np.ndarray, w: np.ndarray, beta: np.ndarray, *, curved: bool, parallel: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Information (zeros unless `curved`) and score of all rows, without the loss."""

    def block(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        part, weight = z[rows], w[rows]
        chance = sigmoid(np.dot(part, beta))
        score = np.dot(weight * (y[rows] - chance), part)
        if not curved:
            return np.zeros((0, 0)), score
        half = part * np.sqrt(weight * chance * (1.0 - chance))[:, None]
        return np.dot(half.T, half), score

    parts = map_threads(block, row_blocks(*z.shape), parallel=parallel)
    return sum(p[0] for p in parts), sum(p[1] for p in parts)  # type: ignore[return-value]
