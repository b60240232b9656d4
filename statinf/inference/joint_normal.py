"""The largest of several dependent t statistics, by quadrature.

The probability that all of them lie in a symmetric box is an integral over the unit cube after Genz's (1992) sequential
conditioning; Student's common scale is one dimension more (Genz and Bretz 1999, as R's mvtnorm has it). Lattice points with
random shifts (Cranley and Patterson 1976) give probabilities to about 3e-4, three times closer than as many plain draws.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from statinf.backend import generator
from statinf.inference.distributions import t_quantile, two_sided_p

_SHIFTS = 8
_FLAT = 1e-10
_EDGE = 1e-15


class LargestT:
    """The largest absolute value of jointly distributed t statistics with one scale.

    Parameters
    ----------
    covariance : ndarray, shape (q, q)
        Of the estimates; its correlations count. It may be singular.
    df : float
        Infinite for the normal distribution.
    seed : int
        Of the shifts of the lattice.
    """

    def __init__(self, covariance: np.ndarray, df: float, seed: int = 0) -> None:
        spread = np.sqrt(np.diag(covariance))
        self.q, self.df = len(spread), float(df)
        self._factor = _pivoted(covariance / np.outer(spread, spread))
        self._points = _lattice(self.q + int(np.isfinite(df)), _size(self.q), seed)
        self._scale = np.ones(self._points.shape[1])
        if np.isfinite(df):  # chi over the root of its degrees of freedom
            self._scale = np.sqrt(2.0 * special.gammaincinv(0.5 * df, self._points[-1]) / df)

    def tail(self, value: float) -> float:
        """P(largest >= value)."""
        single = float(two_sided_p(value, self.df))
        if self.q == 1:
            return single
        # The probability lies between that of one statistic and the sum of all.
        return float(np.clip(1.0 - self._box(value), single, min(1.0, self.q * single)))

    def critical(self, level: float) -> float:
        """The value that the largest stays below with probability `level`."""
        low, high = (float(t_quantile(1.0 - (1.0 - level) / (2.0 * m), self.df)) for m in (1, self.q))
        if self.q == 1:
            return low
        above, below = self.tail(low) - (1.0 - level), self.tail(high) - (1.0 - level)
        for _ in range(50):  # the tail falls smoothly: secants that keep the root between them (Illinois)
            if high - low < 1e-9 * high or above <= 0.0 or below >= 0.0:
                break
            at = low + (high - low) * above / (above - below)
            found = self.tail(at) - (1.0 - level)
            if abs(found) < 1e-12:
                return at
            if found > 0.0:
                low, above, below = at, found, 0.5 * below
            else:
                high, below, above = at, found, 0.5 * above
        return low if above <= 0.0 else high

    def _box(self, value: float) -> float:
        """P(all below value), the mean over the lattice."""
        points, bound = self._points, value * self._scale
        weight, made = np.ones(points.shape[1]), np.zeros((self.q, points.shape[1]))
        for i, row in enumerate(self._factor):
            centre = row[:i] @ made[:i]
            if row[i] <= 0.0:  # the statistics before it determine this one
                weight *= np.abs(centre) <= bound * (1.0 + _FLAT)
                continue
            low, high = special.ndtr((-bound - centre) / row[i]), special.ndtr((bound - centre) / row[i])
            weight *= high - low
            if i + 1 < self.q:
                made[i] = special.ndtri(np.clip(low + points[i] * (high - low), _EDGE, 1.0 - 1e-16))
        return float(weight.mean())


def _size(q: int) -> int:
    return 2048 if q <= 6 else 1024 if q <= 20 else 256


def _lattice(dimension: int, size: int, seed: int) -> np.ndarray:
    """Points of a Richtmyer lattice under random shifts, folded, shape (dimension, shifts * size)."""
    shifts = generator(seed, 0).random((dimension, _SHIFTS, 1))
    steps = np.sqrt(_primes(dimension))[:, None, None] * np.arange(1, size + 1)
    return np.abs(2.0 * np.mod(steps + shifts, 1.0) - 1.0).reshape(dimension, -1)


def _primes(count: int) -> np.ndarray:
    most = max(20, int(count * (np.log(count + 1.0) + np.log(np.log(count + 3.0) + 1.0) + 2.0)))
    sieve = np.ones(most, bool)
    sieve[:2] = False
    for i in range(2, int(most**0.5) + 1):
        if sieve[i]:
            sieve[i * i :: i] = False
    return np.flatnonzero(sieve)[:count].astype(np.float64)


def _pivoted(correlation: np.ndarray) -> np.ndarray:
    """Lower triangular L with L L' the correlations; a zero on the diagonal where a row depends on those before it."""
    q = len(correlation)
    out = np.zeros((q, q))
    for i in range(q):
        for j in range(i):
            rest = correlation[i, j] - out[i, :j] @ out[j, :j]
            out[i, j] = rest / out[j, j] if out[j, j] > 0 else 0.0
        left = correlation[i, i] - out[i, :i] @ out[i, :i]
        out[i, i] = np.sqrt(left) if left > _FLAT else 0.0
    return out
