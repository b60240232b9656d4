"""Probability vectors that keep the largest of many gaps small, with a ridge on the weights, by an interior point method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrf, dpotrs

_BACK = 0.99
"""Share of the way to the boundary that a step may go."""


@dataclass(frozen=True)
class LargestGap:
    """Attributes
    ----------
    w : ndarray, shape (n,)
        Positive, sum 1.
    multipliers : ndarray, shape (k,)
        Of the gaps, positive; they sum to twice the bound `largest` at the optimum.
    largest : float
        Bound on the gaps.
    value : float
        ``largest^2 + sum price w^2``.
    lower : float
        No weights have a value below this.
    iterations : int
    """

    w: np.ndarray
    multipliers: np.ndarray
    largest: float
    value: float
    lower: float
    iterations: int


@dataclass
class _Iterate:
    w: np.ndarray
    t: float
    slack: np.ndarray
    multipliers: np.ndarray
    bound: np.ndarray
    level: float


def smallest_largest_gap(
    phi: np.ndarray,
    target: np.ndarray,
    price: np.ndarray,
    *,
    start: tuple | None = None,
    tol: float = 1e-8,
    max_iter: int = 80,
) -> LargestGap:
    """Minimise ``max_k (target - phi' w)_k^2 + sum price w^2`` over ``w >= 0``, ``sum w = 1``; negative gaps cost nothing.

    Predictor-corrector steps (Mehrotra 1992); each factors one k x k matrix.

    Parameters
    ----------
    phi : ndarray, shape (n, k)
    target : ndarray, shape (k,)
    price : ndarray, shape (n,)
        Positive.
    start : tuple of ndarrays, shapes (n,) and (k,), optional
        Weights and multipliers of a similar program.
    tol : float
        Duality gap relative to the value.
    max_iter : int
    """
    n, k = phi.shape
    phi = np.asfortranarray(phi)  # as BLAS reads it, without a copy at every step
    quadratic = 2.0 * price
    at = _start(phi, target, quadratic, start)
    value, iterations = np.inf, 0
    while iterations < max_iter:
        residuals = (
            quadratic * at.w - phi @ at.multipliers - at.bound - at.level,
            2.0 * at.t - at.multipliers.sum(),
            at.t - target + at.w @ phi - at.slack,
            at.w.sum() - 1.0,
        )
        value = at.t**2 + float(price @ at.w**2)
        complementarity = float(at.multipliers @ at.slack + at.bound @ at.w)
        if complementarity <= tol * value and _feasible(residuals, at, tol):
            break
        at = _advance(phi, quadratic, at, residuals, complementarity / (n + k))
        iterations += 1
    w = at.w / at.w.sum()
    return LargestGap(w, at.multipliers, at.t, value, _lower(phi, target, price, at), iterations)


def _start(phi: np.ndarray, target: np.ndarray, quadratic: np.ndarray, near: tuple | None) -> _Iterate:
    n, k = phi.shape
    even = np.full(n, 1.0 / n)
    w = even if near is None else 0.9 * near[0] + 0.1 * even
    gap = target - w @ phi
    t = max(1.1 * float(gap.max()), 1e-8)
    slack = np.maximum(t - gap, 0.05 * t)
    if near is None:
        return _Iterate(w, t, slack, np.full(k, 2.0 * t / k), quadratic / n, 0.0)
    centre = 0.1 * (t**2 + 0.5 * float(quadratic @ w**2)) / (n + k)
    multipliers = np.maximum(near[1], centre / slack)
    level = float(np.median(quadratic * w - phi @ multipliers))
    return _Iterate(w, t, slack, multipliers, centre / w, level)


def _feasible(residuals: tuple, at: _Iterate, tol: float) -> bool:
    dual, top, primal, total = residuals
    scale = 2.0 * at.t
    return (
        float(np.abs(primal).max()) <= tol * at.t
        and abs(total) <= tol
        and float(np.abs(dual).max()) <= tol * scale
        and abs(top) <= tol * scale
    )


def _lower(phi: np.ndarray, target: np.ndarray, price: np.ndarray, at: _Iterate) -> float:
    """The dual function at the multipliers, a lower bound whatever they are."""
    eta = np.maximum(at.level + phi @ at.multipliers, 0.0)
    return float(at.level + target @ at.multipliers - 0.25 * at.multipliers.sum() ** 2 - np.sum(eta**2 / (4.0 * price)))


def _advance(phi: np.ndarray, quadratic: np.ndarray, at: _Iterate, residuals: tuple, centre: float) -> _Iterate:
    dual, top, primal, total = residuals
    inverse = 1.0 / (quadratic + at.bound / at.w)
    root = phi * np.sqrt(inverse)[:, None]
    matrix = dsyrk(1.0, root, trans=1, lower=1)
    matrix += 0.5
    matrix[np.diag_indices_from(matrix)] += at.slack / at.multipliers
    factor, _ = dpotrf(matrix, lower=1, overwrite_a=1)
    column = inverse @ phi
    solved = dpotrs(factor, column, lower=1)[0]
    pivot = float(inverse.sum() - column @ solved)

    def direction(bound: np.ndarray, slack: np.ndarray) -> tuple:
        """Newton step that leaves ``bound * w`` and ``slack * multipliers`` changed by these amounts."""
        force = bound / at.w - dual
        right = slack / at.multipliers - primal + 0.5 * top - (inverse * force) @ phi
        reduced = dpotrs(factor, right, lower=1)[0]
        level = (-total - float(inverse @ force) - column @ reduced) / pivot
        multipliers = reduced - solved * level
        w = inverse * (phi @ multipliers + level + force)
        t = 0.5 * (multipliers.sum() - top)
        return (
            w,
            t,
            (slack - at.slack * multipliers) / at.multipliers,
            multipliers,
            (bound - at.bound * w) / at.w,
            level,
        )

    d = direction(-at.bound * at.w, -at.slack * at.multipliers)
    length = _length(at, d)
    after = (at.multipliers + length * d[3]) @ (at.slack + length * d[2])
    after += (at.bound + length * d[4]) @ (at.w + length * d[0])
    share = (after / (centre * (len(at.w) + len(at.slack)))) ** 3
    d = direction(
        share * centre - at.bound * at.w - d[4] * d[0], share * centre - at.slack * at.multipliers - d[3] * d[2]
    )
    length = _BACK * _length(at, d)
    return _Iterate(
        at.w + length * d[0],
        at.t + length * d[1],
        at.slack + length * d[2],
        at.multipliers + length * d[3],
        at.bound + length * d[4],
        at.level + length * d[5],
    )


def _length(at: _Iterate, d: tuple) -> float:
    """Longest step, at most one, that leaves everything nonnegative."""
    pairs = ((at.w, d[0]), (at.slack, d[2]), (at.multipliers, d[3]), (at.bound, d[4]))
    return 1.0 / max(1.0, *(float(np.max(-step / value)) for value, step in pairs))
