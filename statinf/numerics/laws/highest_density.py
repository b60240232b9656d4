"""Highest-density regions of normal mixtures, to solver precision.

Between two neighbouring turning points a density is monotone, so each piece of ``{log f >= level}`` ends at one
root in a known bracket, and its mass is a difference of distribution functions.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from statinf.backend import map_threads, row_blocks
from statinf.numerics.laws.normal_mixture import _LOG_ROOT_2PI, NormalMixture
from statinf.numerics.order.intervals import IntervalSets

_GRID = np.concatenate([[-9.0, -7.0, -5.5], np.linspace(-4.5, 4.5, 19), [5.5, 7.0, 9.0]])
"""Where turning points are looked for, in standard deviations of each component."""
_FEW = 500


def highest_density_sets(mixture: NormalMixture, log_level: np.ndarray) -> IntervalSets:
    """``{y : log f(y) >= log_level}`` for each of n mixtures and levels (n,); minus infinity gives the line."""
    if mixture.weights.shape[1] == 1:
        return _one_normal(mixture, np.asarray(log_level, np.float64))
    if not len(mixture):
        return IntervalSets.one_each(np.zeros(0), np.zeros(0))

    def part(rows: slice) -> IntervalSets:
        law = mixture.rows(rows)
        return _sets(law, _turning(law), log_level[rows])

    return IntervalSets.concatenate(map_threads(part, _blocks(mixture), parallel=len(mixture) > _FEW))


def highest_density_level(mixture: NormalMixture, mass: float) -> np.ndarray:
    """The log density (n,) whose upper level set holds `mass` of each mixture, mass met to 1e-10."""
    if mixture.weights.shape[1] == 1:
        z = ndtri(0.5 + 0.5 * mass)
        return -0.5 * z**2 - np.log(mixture.scales[:, 0]) - _LOG_ROOT_2PI
    if not len(mixture):
        return np.zeros(0)
    found = map_threads(lambda rows: _level(mixture.rows(rows), mass), _blocks(mixture), parallel=len(mixture) > _FEW)
    return np.concatenate(found)


def _blocks(mixture: NormalMixture) -> list[slice]:
    return row_blocks(len(mixture), len(_GRID) * mixture.weights.shape[1])


def _one_normal(mixture: NormalMixture, log_level: np.ndarray) -> IntervalSets:
    mean, scale = mixture.means[:, 0], mixture.scales[:, 0]
    square = -2.0 * (log_level + np.log(scale) + _LOG_ROOT_2PI)
    with np.errstate(invalid="ignore"):
        half = scale * np.sqrt(square)
    return IntervalSets.one_each(mean - half, mean + half)


def _log_density(mixture: NormalMixture, row: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density and its slope at points y (m,) of mixtures `row` (m,)."""
    return _value_slope(mixture.rows(row), y[:, None])


def _value_slope(law: NormalMixture, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density and its slope where y broadcasts against the components' axis, the last one."""
    with np.errstate(divide="ignore"):
        terms = np.log(law.weights / law.scales)
    z = (y - law.means) / law.scales
    terms = terms - 0.5 * z**2
    largest = terms.max(axis=-1)
    terms -= largest[..., None]
    np.exp(terms, out=terms)
    total = terms.sum(axis=-1)
    terms *= z
    terms /= law.scales
    return largest + np.log(total) - _LOG_ROOT_2PI, -terms.sum(axis=-1) / total


def _turning(mixture: NormalMixture) -> np.ndarray:
    """Turning points (n, E) of the densities in order, padded with the last one."""
    n, _K = mixture.weights.shape
    grid = np.sort((mixture.means[:, :, None] + mixture.scales[:, :, None] * _GRID).reshape(n, -1), axis=1)
    wide = NormalMixture(mixture.weights[:, None], mixture.means[:, None], mixture.scales[:, None])
    slope = _value_slope(wide, grid[:, :, None])[1]
    row, cell = np.nonzero(np.signbit(slope[:, 1:]) != np.signbit(slope[:, :-1]))
    low, high, rising = grid[row, cell], grid[row, cell + 1], slope[row, cell] > 0
    for _ in range(50):
        middle = 0.5 * (low + high)
        same = (_log_density(mixture, row, middle)[1] > 0) == rising
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    counts = np.bincount(row, minlength=n)
    first = np.cumsum(counts) - counts
    # The outermost component rises from the left and falls to the right, so every row has a turning point.
    at = np.minimum(np.arange(counts.max())[None, :], counts[:, None] - 1) + first[:, None]
    return (0.5 * (low + high))[at]


def _sets(mixture: NormalMixture, turning: np.ndarray, log_level: np.ndarray) -> IntervalSets:
    n, E = turning.shape
    top = _log_density(mixture, np.repeat(np.arange(n), E), turning.ravel())[0].reshape(n, E)
    inside = top >= log_level[:, None]
    line = np.isneginf(log_level)
    left_row = np.flatnonzero(inside[:, 0] & ~line)
    right_row = np.flatnonzero(inside[:, -1] & ~line)
    row, cell = np.nonzero((inside[:, 1:] != inside[:, :-1]) & ~line[:, None])
    rises = inside[row, cell + 1]
    starts = np.concatenate([left_row, row[rises]])
    stops = np.concatenate([row[~rises], right_row])
    inner = np.concatenate([turning[left_row, 0], turning[row, cell + rises], turning[right_row, -1]])
    outer = np.concatenate(
        [
            _beyond(mixture, left_row, turning[left_row, 0], log_level, -1.0),
            turning[row, cell + ~rises],
            _beyond(mixture, right_row, turning[right_row, -1], log_level, 1.0),
        ]
    )
    every = np.concatenate([left_row, row, right_row])
    root = _root(mixture, every, inner, outer, log_level[every])
    a, b = len(left_row), len(left_row) + len(row)
    lower = np.concatenate([root[:a], root[a:b][rises]])
    upper = np.concatenate([root[a:b][~rises], root[b:]])
    whole = np.flatnonzero(line)
    starts, stops = np.concatenate([starts, whole]), np.concatenate([stops, whole])
    lower = np.concatenate([lower, np.full(len(whole), -np.inf)])
    upper = np.concatenate([upper, np.full(len(whole), np.inf)])
    first, second = np.lexsort((lower, starts)), np.lexsort((upper, stops))
    return IntervalSets(lower[first], upper[second], starts[first], n)


def _beyond(
    mixture: NormalMixture, row: np.ndarray, start: np.ndarray, log_level: np.ndarray, sign: float
) -> np.ndarray:
    """Points outside every turning point where the density has fallen below the level."""
    step = mixture.scales[row].max(axis=1)
    out = start + sign * step
    for _ in range(200):
        high = _log_density(mixture, row, out)[0] >= log_level[row]
        if not high.any():
            break
        step = np.where(high, 2.0 * step, step)
        out = np.where(high, start + sign * step, out)
    return out


def _root(
    mixture: NormalMixture, row: np.ndarray, inner: np.ndarray, outer: np.ndarray, level: np.ndarray
) -> np.ndarray:
    """Where log f crosses the level between a point above it and one below, by bracketed Newton steps."""
    out = 0.5 * (inner + outer)
    active = np.arange(len(out))
    for _ in range(200):
        at = out[active]
        value, slope = _log_density(mixture, row[active], at)
        above = value >= level[active]
        inner[active], outer[active] = np.where(above, at, inner[active]), np.where(above, outer[active], at)
        gap = value - level[active]
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = at - gap / slope
        low, high = np.minimum(inner[active], outer[active]), np.maximum(inner[active], outer[active])
        good = (newton > low) & (newton < high)
        out[active] = np.where(good, newton, 0.5 * (low + high))
        # Newton's last step is kept, so a gap of 1e-7 leaves an error of its square.
        done = (good & (np.abs(gap) < 1e-7)) | (high - low <= 4e-16 * (np.abs(low) + np.abs(high)))
        active = active[~done]
        if not len(active):
            break
    return out


def _mass(mixture: NormalMixture, sets: IntervalSets) -> np.ndarray:
    ends = np.column_stack([sets.lower, sets.upper])
    value = mixture.rows(sets.row).cdf(ends)
    return np.bincount(sets.row, weights=value[:, 1] - value[:, 0], minlength=sets.n)


def _level(mixture: NormalMixture, mass: float) -> np.ndarray:
    """Safeguarded Newton on the level's log, all rows at once, rows leaving as they converge."""
    turning = _turning(mixture)
    n, E = turning.shape
    top = _log_density(mixture, np.repeat(np.arange(n), E), turning.ravel())[0].reshape(n, E).max(axis=1)
    high, low = top, top - 50.0
    out = top - 0.5 * ndtri(0.5 + 0.5 * mass) ** 2
    active = np.arange(n)
    for _ in range(200):
        part, at = mixture.rows(active), out[active]
        sets = _sets(part, turning[active], at)
        excess = _mass(part, sets) - mass
        low[active] = np.where(excess >= 0, at, low[active])
        high[active] = np.where(excess < 0, at, high[active])
        slope = np.zeros(len(active))
        for end in (sets.lower, sets.upper):
            with np.errstate(divide="ignore"):
                slope += np.bincount(
                    sets.row, weights=1.0 / np.abs(_log_density(part, sets.row, end)[1]), minlength=sets.n
                )
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = at + excess / (np.exp(at) * slope)
        good = (newton > low[active]) & (newton < high[active])
        done = (np.abs(excess) < 1e-11) | (high[active] - low[active] < 1e-14 * (1.0 + np.abs(at)))
        out[active] = np.where(done, at, np.where(good, newton, 0.5 * (low[active] + high[active])))
        active = active[~done]
        if not len(active):
            break
    return out
