"""Jumps of one outcome at many cutoffs with the same bandwidths, without a loop over rows or cutoffs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.localpoly.kernels import KERNELS
from statinf.numerics.localpoly.neighbours import Runs, gather, left_over, runs_of
from statinf.numerics.localpoly.side import Side, inverse_of
from statinf.numerics.localpoly.windows import Powers


@dataclass(frozen=True)
class Along:
    """Estimates at each cutoff.

    Attributes
    ----------
    plain, corrected : ndarray, shape (cutoffs,)
        Jump, and jump less its leading bias; NaN where polynomials are not determined.
    variance, robust : ndarray, shape (cutoffs,)
        Of the plain and of the corrected jump.
    within : ndarray of int, shape (cutoffs, 2)
        Rows within the bandwidth on the left and on the right.
    """

    plain: np.ndarray
    corrected: np.ndarray
    variance: np.ndarray
    robust: np.ndarray
    within: np.ndarray


def jumps_along(
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    cutoffs: np.ndarray,
    *,
    h: tuple[float, float],
    b: tuple[float, float],
    order: int,
    bias_order: int,
    kernel: str,
    neighbours: int = 3,
) -> Along:
    """Jumps with errors from nearest neighbours.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Ascending.
    y, w : ndarray, shape (n,)
        Outcome, and positive weights.
    cutoffs : ndarray, shape (cutoffs,)
        Rows at a cutoff count to the right.
    h, b : tuple of float
        Bandwidths of the estimate and of its bias, left and right.
    order, bias_order : int
    kernel : str
    neighbours : int
    """
    settings = (order, bias_order, kernel, neighbours)
    right = _levels(x, y, w, cutoffs, h[1], b[1], True, *settings)
    left = _levels(-x[::-1], y[::-1], w[::-1], -cutoffs, h[0], b[0], False, *settings)
    jump = right[0] - left[0]
    spread = right[1] + left[1]
    return Along(jump[:, 0], jump[:, 1], spread[:, 0], spread[:, 1], np.column_stack([left[2], right[2]]))


def _levels(
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    at: np.ndarray,
    h: float,
    b: float,
    closed: bool,
    order: int,
    bias_order: int,
    kernel: str,
    neighbours: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plain and corrected level at each point from the rows above it, their variances (points, 2), and rows within h.

    `closed` says whether rows at the point count.
    """
    everyone = Side(x, y[:, None], w, np.arange(len(x)), True)
    runs = runs_of(everyone)
    run_first = np.searchsorted(runs.x, at, side="left" if closed else "right")
    run_h, run_b = (_beyond(runs.x, at, width, kernel == "uniform") for width in (h, b))
    first, last_h, last_b = (everyone.groups[rows] for rows in (run_first, run_h, run_b))
    count, total, low, high = _alone(runs, neighbours)
    of = np.repeat(np.arange(len(runs.x)), runs.size)
    e2 = (w * left_over(y[:, None], count[of], total[of])[:, 0]) ** 2
    degree = 2 * bias_order + 2 * (len(KERNELS[kernel]) - 1)
    powers = Powers.of(x, np.column_stack([w, w * y, e2]), h, degree)
    in_h = powers.over(at, first, last_h)
    in_b = in_h if b == h else powers.over(at, first, last_b)
    polynomials, levels = _weights(in_h, in_b, h / b, order, bias_order, kernel)
    narrow = in_h if h <= b else in_b
    variances = _variances([in_h[:, 2], narrow[:, 2], in_b[:, 2]], polynomials)
    # Rows whose neighbours lie beyond a window look for others within it.
    last, run_last = np.maximum(last_h, last_b), np.maximum(run_h, run_b)
    window, run = _edges(run_first, run_last, neighbours)
    crossing = (low[run] + 1 < run_first[window]) | (high[run] > run_last[window])
    window, run = window[crossing], run[crossing]
    rows = last - first
    wanted = np.minimum(neighbours, rows[window] - 1)
    again = gather(runs, run, run_first[window], run_last[window], wanted)
    sums = np.add.reduceat(np.column_stack([w**2, w**2 * y, (w * y) ** 2]), everyone.groups[:-1], axis=0)[run]
    change = _squares(sums, again[0], again[1][:, 0]) - _squares(sums, count[run], total[run, 0])
    u = (runs.x[run] - at[window]) / h
    for k, weight in enumerate(_values(u, polynomials, window, h / b, kernel)):
        variances[:, k] += np.bincount(window, change * weight**2, len(at))
    return levels, np.where(rows[:, None] > 1, variances, np.nan), last_h - first


def _beyond(x: np.ndarray, at: np.ndarray, width: float, closed: bool) -> np.ndarray:
    """The first of ascending distinct x that is `width` or more above each point, by the rounding of x - at."""
    found = np.searchsorted(x, at + width)

    # A rounding of at + width may be off by one value.
    for step in (1, -1):
        k = found if step == 1 else found - 1
        gap = x[np.clip(k, 0, len(x) - 1)] - at
        inside = (gap <= width) if closed else (gap < width)
        moves = (k < len(x)) & inside if step == 1 else (k >= 0) & ~inside & (gap >= 0)
        found = np.where(moves, found + step, found)
    return found


def _alone(runs: Runs, neighbours: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `gather` gives for each run among all."""
    g, n = len(runs.x), int(runs.size.sum())
    return gather(runs, np.arange(g), np.zeros(g, int), np.full(g, g), np.full(g, min(neighbours, n - 1)))


def _edges(first: np.ndarray, last: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows and runs within `neighbours` of a window's ends."""
    step = np.arange(neighbours)
    near = first[:, None] + step
    far = last[:, None] - 1 - step
    near_ok = near < last[:, None]
    far_ok = far >= first[:, None] + neighbours
    run = np.concatenate([near[near_ok], far[far_ok]])
    window = np.concatenate([np.nonzero(near_ok)[0], np.nonzero(far_ok)[0]])
    return window, run


def _squares(sums: np.ndarray, count: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Sums over runs of w^2 e^2, with e from `count` rows that have that `total`; sums are of w^2, w^2 y and w^2 y^2."""
    j = np.maximum(count - 1, 1)
    own, mean = 1.0 + 1.0 / j, total / j
    return j / (j + 1.0) * (own**2 * sums[:, 2] - 2.0 * own * mean * sums[:, 1] + mean**2 * sums[:, 0])


@dataclass(frozen=True)
class _Polynomials:
    """Kernel weights times polynomials in u, by window: of the plain level, and what the correction takes off."""

    plain: np.ndarray
    less: np.ndarray


def _weights(
    in_h: np.ndarray, in_b: np.ndarray, ratio: float, order: int, bias_order: int, kernel: str
) -> tuple[_Polynomials, np.ndarray]:
    """The weights of rows, and the two levels (windows, 2) that they make."""
    kappa = np.asarray(KERNELS[kernel])

    def smoothed(sums: np.ndarray, top: int, scale: float) -> np.ndarray:
        """Sums of K(u) u^k of the scaled u, (windows, top + 1)."""
        scaled = sums * scale ** np.arange(sums.shape[1])
        return sum(c * scaled[:, d : d + top + 1] for d, c in enumerate(kappa))  # type: ignore[return-value]

    p, q = np.arange(order + 1), np.arange(bias_order + 1)
    small = smoothed(in_h[:, 0], 2 * order + 1, 1.0)
    row = inverse_of(small[:, p[:, None] + p])[:, 0]
    bias = np.einsum("cj,cj->c", row, small[:, p + order + 1]) * ratio ** (order + 1)
    large = smoothed(in_b[:, 0], 2 * bias_order, ratio)
    top = inverse_of(large[:, q[:, None] + q])[:, order + 1] * bias[:, None]
    plain = np.einsum("cj,cj->c", row, smoothed(in_h[:, 1], order, 1.0))
    less = np.einsum("cj,cj->c", top, smoothed(in_b[:, 1], bias_order, ratio))
    stretched = kappa * ratio ** np.arange(len(kappa))
    made = _Polynomials(_product(kappa, row), _product(stretched, top * ratio**q))
    return made, np.column_stack([plain, plain - less])


def _product(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Products of polynomials: one (i,), or one per window (windows, i), with many (windows, j)."""
    one = np.broadcast_to(one, (len(many), one.shape[-1]))
    out = np.zeros((len(many), one.shape[1] + many.shape[1] - 1))
    for i in range(one.shape[1]):
        out[:, i : i + many.shape[1]] += one[:, i, None] * many
    return out


def _variances(sums: list[np.ndarray], made: _Polynomials) -> np.ndarray:
    """Variances (windows, 2) from sums of w^2 e^2 u^k within h, within both, and within b."""
    parts = [
        _product(made.plain, made.plain),
        -2.0 * _product(made.plain, made.less),
        _product(made.less, made.less),
    ]
    found = [np.einsum("ck,ck->c", part, s[:, : part.shape[1]]) for part, s in zip(parts, sums, strict=True)]
    return np.column_stack([found[0], found[0] + found[1] + found[2]])


def _values(u: np.ndarray, made: _Polynomials, window: np.ndarray, ratio: float, kernel: str) -> list[np.ndarray]:
    """Weights at u of the plain and of the corrected level."""

    def at(coefficients: np.ndarray) -> np.ndarray:
        powers = u[:, None] ** np.arange(coefficients.shape[1])
        return np.einsum("ik,ik->i", coefficients[window], powers)

    inside = (lambda v: v <= 1.0) if kernel == "uniform" else (lambda v: v < 1.0)
    plain = np.where(inside(u), at(made.plain), 0.0)
    return [plain, plain - np.where(inside(u * ratio), at(made.less), 0.0)]
