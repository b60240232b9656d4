"""Exponential tilting on more and more columns, each problem started from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.linalg.blas import dsyr
from scipy.linalg.lapack import dpotrf, dpotrs

from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import Tilt, exponential_tilt

_HALVINGS = 6
_SLOW = 0.8
"""Share of the imbalance left by a step from which the covariance is computed anew."""


def tilt_path(
    z: np.ndarray, base: np.ndarray, counts: Sequence[int], *, tol: float = 1e-8, max_iter: int = 100
) -> Iterator[Tilt]:
    """The tilts that balance the first ``counts[0]``, ``counts[1]``, ... columns; ends at the first without a solution.

    A further column changes the weights little, so the covariance in the Newton steps is kept from problem to problem,
    extended by the new columns, corrected by what each step shows of it (BFGS), and computed anew only where steps
    converge slowly.

    Parameters
    ----------
    z : ndarray, shape (n, k)
        Columns centred at their targets and scaled.
    base : ndarray, shape (n,)
        Nonnegative base weights.
    counts : sequence of int
        Increasing.
    tol : float
        Largest absolute imbalance at convergence.
    max_iter : int
        Steps allowed for one problem.
    """
    z = np.asfortranarray(z)
    point = _DualPoint(z, base, np.zeros(z.shape[1]))
    # Of its two triangles only the lower is kept up.
    covariance, known = np.zeros((z.shape[1], z.shape[1]), order="F"), 0
    for q in counts:
        mean = z[:, :q].T @ point.p
        covariance[known:q, :q] = (_products(z[:, :q], z[:, known:q], point.p) - np.outer(mean, mean[known:])).T
        known, fresh, before, steps = q, False, np.inf, 0
        size = float(np.max(np.abs(mean), initial=0.0))
        while size > tol and steps < max_iter:
            if not fresh and size > _SLOW * before:
                covariance[:q, :q] = _products(z[:, :q], z[:, :q], point.p) - np.outer(mean, mean)
                fresh = True
            trial, length, tried = _step(point, covariance, mean)
            steps += tried
            if trial is None and fresh:
                break
            if trial is None:
                before = 0.0
                continue
            # After a step the covariance is that of the point before.
            last, moved = mean, trial.slope - point.slope
            point, before, fresh = trial, size, False
            mean = z[:, :q].T @ point.p
            _correct(covariance, moved, -length * last, mean - last)
            size = float(np.max(np.abs(mean), initial=0.0))
        if size > tol:
            tilt = exponential_tilt(
                ScaledRows(z[:, :q], np.zeros(q), np.ones(q)), base, start=point.slope[:q], tol=tol, max_iter=max_iter
            )
            if not tilt.converged:
                return
            point = _DualPoint(z, base, np.r_[tilt.slope, np.zeros(z.shape[1] - q)])
            mean = z[:, :q].T @ point.p
            covariance[:q, :q] = _products(z[:, :q], z[:, :q], point.p) - np.outer(mean, mean)
            size, steps = tilt.residual, steps + tilt.iterations
        yield Tilt(point.p, point.slope[:q].copy(), size, steps, True)


class _DualPoint:
    """Weights and value of the dual at a slope whose last entries are zero."""

    def __init__(self, z: np.ndarray, base: np.ndarray, slope: np.ndarray, eta: np.ndarray | None = None) -> None:
        self.z, self.base, self.slope = z, base, slope
        self.eta = z @ slope if eta is None else eta
        largest = float(np.max(self.eta, where=base > 0, initial=-np.inf))
        terms = base * np.exp(np.minimum(self.eta - largest, 0.0))
        mass = float(terms.sum())
        self.value = largest + float(np.log(mass)) if mass > 0 else np.inf
        self.p = terms / mass


def _step(point: _DualPoint, covariance: np.ndarray, mean: np.ndarray) -> tuple[_DualPoint | None, float, int]:
    """A Newton step, shortened until it goes down, its length and the points tried; None where there is none."""
    q = len(mean)
    factor, failed = dpotrf(covariance[:q, :q], lower=1)
    if failed:
        return None, 0.0, 0
    step = -dpotrs(factor, mean, lower=1)[0]
    slope, along = point.slope.copy(), point.z[:, :q] @ step
    fall = float(mean @ step)
    for halvings in range(_HALVINGS):
        length = 0.5**halvings
        slope[:q] = point.slope[:q] + length * step
        with np.errstate(over="ignore", invalid="ignore"):
            trial = _DualPoint(point.z, point.base, slope, point.eta + length * along)
        # Near the minimum the decrease drowns in rounding.
        if trial.value <= point.value + 1e-4 * length * fall + 1e-13 * max(1.0, abs(point.value)):
            return trial, length, halvings + 1
    return None, 0.0, _HALVINGS


def _correct(covariance: np.ndarray, moved: np.ndarray, foretold: np.ndarray, seen: np.ndarray) -> None:
    """Change the lower triangle so that it maps a move of the slope to the change of the mean that was seen."""
    q = len(seen)
    ahead, behind = float(seen @ moved[:q]), float(foretold @ moved[:q])
    if not min(ahead, behind) > 0.0:
        return
    for change, size in ((seen, 1.0 / ahead), (foretold, -1.0 / behind)):
        whole = np.zeros(len(moved))
        whole[:q] = change
        dsyr(size, whole, a=covariance, lower=1, overwrite_a=1)


def _products(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
    return a.T @ (b * p[:, None])
