"""Logistic regressions that each leave one fold out, from a fit to all rows and a pass or two over them.

Leaving a fold out moves the estimate by O(sqrt(p / n)). The first step costs no pass: information and score at
the common centre are sums by fold. The information at a moved estimate is then followed to first order by the
third derivative of the likelihood, estimated from some rows: an error there slows the steps and moves nothing,
since each pass computes the exact score of every training set at its own coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import generator, map_threads, row_blocks
from statinf.learners.cells import PARALLEL_FROM, Standard, inverse_grams, solve_grams
from statinf.learners.logit import full_fit
from statinf.numerics.glm.families import sigmoid

_TOLERANCE = 1e-8
"""Distance from the maximum in standard errors, as the last step and its contraction tell it."""
_MOST = 60
_TURN_ROWS, _TURN_COLUMNS = 4096, 64


@dataclass(frozen=True, eq=False)
class Centre:
    """A fit near the maximum on all rows, and the derivatives of each row's log likelihood there.

    Attributes
    ----------
    beta : ndarray, shape (p,)
        For standardised columns, the constant first.
    curvature : ndarray, shape (n,)
        Each row's weight in the information.
    residual : ndarray, shape (n, 1)
        Weighted: the score is its sum times the row.
    turn : ndarray, shape (p, p * p)
        Derivative of the information along each coefficient; zero where columns are too many to be worth it.
    ridge : ndarray, shape (p,)
    target, weight : ndarray, shape (n,)
    penalty : float
    plain : bool
        Whether all weights are one.
    """

    beta: np.ndarray
    curvature: np.ndarray
    residual: np.ndarray
    turn: np.ndarray
    ridge: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    penalty: float
    plain: bool


def centre(design: Standard, y: np.ndarray, w: np.ndarray, penalty: float) -> Centre:
    """Fit all rows roughly and keep what every split of them shares."""
    beta = full_fit(design, y, w, penalty, near=True)
    curvature, residual = np.empty(len(y)), np.empty((len(y), 1))

    def block(rows: slice) -> None:
        chance = sigmoid(design.z[rows] @ beta)
        residual[rows, 0] = w[rows] * (y[rows] - chance)
        curvature[rows] = w[rows] * chance * (1.0 - chance)

    map_threads(block, row_blocks(*design.z.shape), parallel=design.z.size > PARALLEL_FROM)
    return Centre(
        beta,
        curvature,
        residual,
        _turn(design.z, w, beta),
        design.penalty(penalty),
        y,
        w,
        penalty,
        bool((w == 1.0).all()),
    )


def _turn(z: np.ndarray, w: np.ndarray, beta: np.ndarray) -> np.ndarray:
    n, p = z.shape
    if p > _TURN_COLUMNS:
        return np.zeros((p, p * p))
    if n > 2 * _TURN_ROWS:
        chosen = generator(0, 29).integers(0, n, _TURN_ROWS)
        z, w = z[chosen], w[chosen] * (n / _TURN_ROWS)
    upper, lower = np.triu_indices(p)
    chance = sigmoid(z @ beta)
    slope = w * chance * (1.0 - chance) * (1.0 - 2.0 * chance)
    packed = np.zeros((p, len(upper)))
    for rows in row_blocks(len(z), len(upper)):
        packed += (z[rows] * slope[rows, None]).T @ (z[rows][:, upper] * z[rows][:, lower])
    out = np.empty((p, p, p))
    out[:, upper, lower] = out[:, lower, upper] = packed
    return out.reshape(p, p * p)


def fold_fits(
    design: Standard,
    at: Centre,
    splits: np.ndarray,
    gram: np.ndarray,
    score: np.ndarray,
    *,
    parallel: bool | None = None,
) -> np.ndarray:
    """Coefficients without each fold of several splits, for standardised columns.

    Parameters
    ----------
    design : Standard
    at : Centre
    splits : ndarray of int, shape (r, n)
        Fold numbers of each split.
    gram, score : ndarray, shape (r, folds, p, p) and (r, folds, p)
        Each fold's own information and score at the centre.
    parallel : bool, optional

    Returns
    -------
    ndarray, shape (r, folds, p)

    Raises
    ------
    ConvergenceError
        If a training set is separated by its covariates.
    """
    r, count, p = score.shape
    total = gram.sum(axis=1, keepdims=True)
    rest = (total - gram).reshape(-1, p, p)
    # The first column is the constant, so that its entry is the sum of the information's weights.
    share = (1.0 - gram[..., 0, 0] / np.maximum(total[..., 0, 0], 1e-300)).reshape(-1, 1)

    def information(move: np.ndarray) -> np.ndarray:
        moved = rest + ((share * move) @ at.turn).reshape(-1, p, p)
        ratio = np.diagonal(moved, axis1=1, axis2=2) / np.maximum(np.diagonal(rest, axis1=1, axis2=2), 1e-300)
        return np.where((ratio.min(axis=1) < 0.5)[:, None, None], rest, moved)

    first = (score.sum(axis=1, keepdims=True) - score - at.ridge * at.beta).reshape(-1, p)
    move = solve_grams(rest, first, at.ridge)
    start = _length(move, rest).reshape(r, count)
    # Half the move's curvature makes the step right to second order.
    move = solve_grams(information(0.5 * move), first, at.ridge)
    inverse = inverse_grams(information(move), at.ridge).reshape(r, count, p, p)
    out, done = at.beta + move.reshape(r, count, p), np.zeros(r, bool)
    live, last, rest = np.arange(r), start, rest.reshape(r, count, p, p)
    for _ in range(_MOST):
        left = _scores(design.z, at, splits[live], out[live], parallel) - at.ridge * out[live]
        step = (inverse[live] @ left[..., None])[..., 0]
        size = _length(step, rest[live])
        rate = np.minimum(size / np.maximum(last[live], 1e-300), 1.0)
        out[live] += step
        last[live] = size
        enough = _TOLERANCE * np.sqrt(at.weight.mean())
        lost = ((rate > 0.3) & (size > enough)).any(axis=1)
        done[live] = (size * rate <= enough).all(axis=1) & ~lost
        live = live[~done[live] & ~lost]
        if not len(live):
            break
    # Few rows or a strong fold: the centre is no guide, each training set gets its own Newton.
    for s in np.flatnonzero(~done):
        for k in range(count):
            out[s, k] = full_fit(design, at.target, np.where(splits[s] == k, 0.0, at.weight), at.penalty)
    return out


def _length(step: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Steps (..., p) in standard errors."""
    moved = (information @ step[..., None])[..., 0]
    return np.sqrt(np.maximum((step * moved).sum(axis=-1), 0.0))


def _scores(z: np.ndarray, at: Centre, splits: np.ndarray, beta: np.ndarray, parallel: bool | None) -> np.ndarray:
    """Score of every training set at its own coefficients (r, folds, p), shape (r, folds, p)."""
    r, count, p = beta.shape
    columns = r * count
    flat = np.ascontiguousarray(beta.reshape(columns, p).T)
    places = (np.arange(r) * count)[:, None]

    def block(rows: slice) -> np.ndarray:
        part = z[rows]
        residual = sigmoid(part @ flat)
        np.subtract(at.target[rows, None], residual, out=residual)
        if not at.plain:
            residual *= at.weight[rows, None]
        residual.ravel()[splits[:, rows] + places + np.arange(0, residual.size, columns)] = 0.0
        return np.dot(residual.T, part)

    spread = z.size > PARALLEL_FROM if parallel is None else parallel
    blocks = row_blocks(len(z), p + columns, 1 << 17)
    return np.sum(map_threads(block, blocks, parallel=spread), axis=0).reshape(r, count, p)
