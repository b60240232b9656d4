"""Full conformal prediction in closed form for least squares, ridge and kernel ridge.

Vovk, Gammerman and Shafer (2005); Nouretdinov, Melluish and Vovk (2001, the ridge regression confidence machine).
The set at x is every y with ``#{i <= N + 1: |r_i(y)| >= |r_{N+1}(y)|} > (1 - level)(N + 1)``, where r(y) are the
residuals of the fit to the N rows and (x, y). These are linear in y, so the set is found exactly, as a union of closed
intervals, by sorting 2N end points: no grid. Coverage is at least the level, and all rows serve for fitting.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import chunks, rows_per_chunk
from statinf.inference.conformal import quantile_rank
from statinf.learners.smoother import LinearSmoother
from statinf.numerics.order.intervals import IntervalSets

SCORES = ("absolute", "studentised", "deleted")


def full_sets(smoother: LinearSmoother, X: np.ndarray, level: float, score: str = "absolute") -> IntervalSets:
    """Full conformal sets at rows X (m, p).

    Parameters
    ----------
    smoother : LinearSmoother
        The fit to the N training rows.
    X : ndarray, shape (m, p)
    level : float
    score : {"absolute", "studentised", "deleted"}
        Absolute residuals as they are, divided by the root of one minus the leverage, or by one minus the leverage,
        leverages being those of the fit with the new row.
    """
    n = len(smoother.residuals)
    if quantile_rank(n, level) > n:
        return IntervalSets.one_each(np.full(len(X), -np.inf), np.full(len(X), np.inf))
    size = rows_per_chunk(10 * 8.0 * n, 64 * 2**20)
    parts = [_block(smoother, X[part], level, score) for part in chunks(len(X), size)]
    return IntervalSets.concatenate(parts) if parts else IntervalSets.one_each(np.zeros(0), np.zeros(0))


def _block(smoother: LinearSmoother, X: np.ndarray, level: float, score: str) -> IntervalSets:
    centre, own, cross = smoother.fitted.predict(X), smoother.own(X)[:, None], smoother.cross(X)
    # With t = y - mu(x): r_i = e_i - cross_i t / (1 + own), r_new = t / (1 + own). Both sides times (1 + own).
    start, slope = smoother.residuals * (1.0 + own), -cross
    if score != "absolute":
        power = 0.5 if score == "studentised" else 1.0
        freedom = 1.0 - smoother.weights * (smoother.leverages - np.square(cross) / (1.0 + own))
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = ((1.0 / (1.0 + own)) / np.maximum(freedom, 0.0)) ** power
        # A row that the fit passes through scores zero over zero; its score counts as infinite, so it is always above.
        unit[~np.isfinite(unit)] = np.inf
        start, slope = _scaled(start, unit), _scaled(slope, unit)
    return _above_count(start, slope, centre, len(smoother.residuals) + 1 - quantile_rank(start.shape[1], level))


def _scaled(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(unit), np.inf, values * unit)


def _above_count(start: np.ndarray, slope: np.ndarray, centre: np.ndarray, needed: int) -> IntervalSets:
    """``{centre + t : #{i : |start_i + slope_i t| >= |t|} >= needed}`` row by row.

    For each i the condition holds between the roots of ``start + slope t = +-t`` if |slope| < 1, and outside them
    if |slope| > 1. Every i has one end where it begins to hold and one where it ceases, so a count that walks over
    the sorted ends, beginnings first, finds the closed set, single points included.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = start / (1.0 - slope), -start / (1.0 + slope)
    always = ~np.isfinite(start) | ((start == 0.0) & (np.abs(slope) >= 1.0))
    # Parallel lines meet at no more than one point; the missing root lies at infinity on the side it tends to.
    one, two = _parallel(one, start, slope, 1.0), _parallel(two, start, slope, -1.0)
    low, high = np.minimum(one, two), np.maximum(one, two)
    outside = np.abs(slope) > 1.0
    begins, ceases = np.where(outside, high, low), np.where(outside, low, high)
    outside |= always
    begins[always], ceases[always] = np.inf, np.inf
    m, n = start.shape
    ends = np.concatenate([begins, ceases], axis=1)
    order = np.argsort(ends, axis=1, kind="stable")
    step = np.where(order < n, 1, -1)
    base = outside.sum(axis=1)
    count = np.cumsum(step, axis=1)
    count += base[:, None]
    value = np.take_along_axis(ends, order, axis=1)
    opens = (step > 0) & (count == needed)
    closes = (step < 0) & (count == needed - 1)
    opens &= value < np.inf
    closes &= value < np.inf
    from_left = base >= needed
    row_open, at_open = np.nonzero(opens)
    row_close, at_close = np.nonzero(closes)
    lower = np.concatenate([np.full(from_left.sum(), -np.inf), value[row_open, at_open]])
    row_lower = np.concatenate([np.flatnonzero(from_left), row_open])
    missing = np.flatnonzero(np.bincount(row_lower, minlength=m) > np.bincount(row_close, minlength=m))
    upper = np.concatenate([value[row_close, at_close], np.full(len(missing), np.inf)])
    row_upper = np.concatenate([row_close, missing])
    first, second = np.argsort(row_lower, kind="stable"), np.argsort(row_upper, kind="stable")
    row = row_lower[first]
    return IntervalSets(lower[first] + centre[row], upper[second] + centre[row], row, m)


def _parallel(root: np.ndarray, start: np.ndarray, slope: np.ndarray, sign: float) -> np.ndarray:
    level = slope == sign
    return np.where(level, np.where(start * sign > 0, np.inf, -np.inf), root)
