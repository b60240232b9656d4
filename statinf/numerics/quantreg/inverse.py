"""Inverse quantile regression: the value of one coefficient at which an instrument has no weight (Chernozhukov and Hansen 2006).

For each a the quantile regression of y - a d on [instrument, X] gives the instrument's coefficient g(a). Between changes of
basis g is linear in a, so that a root is found exactly: the root of the linear piece on which it lies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from statinf.numerics.quantreg.solver import QuantileSolution, solve_quantiles

_REACH = 3
_FINE = 1e-13
_STEPS = 200
_ZERO = 1e-11


class InverseSolution(NamedTuple):
    """Where the instrument's coefficient vanishes.

    alpha : the value; coef : (p,) coefficients of X there; basis, dual : (p + 1,) rows that the regression on
    [instrument, X] interpolates, and their subgradients; roots : (r,) all roots on the grid, empty if there is none and
    alpha makes the coefficient smallest; low, high : ends of the grid.
    """

    alpha: float
    coef: np.ndarray
    basis: np.ndarray
    dual: np.ndarray
    roots: np.ndarray
    low: float
    high: float


def inverse_quantile(
    instrument: np.ndarray,
    X: np.ndarray,
    d: np.ndarray,
    y: np.ndarray,
    tau: float,
    w: np.ndarray | None,
    grid: np.ndarray,
) -> InverseSolution:
    """The middle root of the instrument's coefficient.

    Parameters
    ----------
    instrument, d, y : ndarray, shape (n,)
    X : ndarray, shape (n, p)
    tau : float
    w : ndarray, shape (n,), optional
    grid : ndarray, shape (m,)
        Increasing values of the coefficient of d, among which changes of sign are looked for; widened fourfold, a few times,
        where there are none.
    """
    curve = _Curve(np.column_stack([instrument, X]), d, y, tau, w)
    middle = 0.5 * (grid[0] + grid[-1])
    for _ in range(_REACH):
        found = curve.at(grid)
        g = found.coef[:, 0]
        # A root on the grid itself counts once, as the left end of its interval.
        cells = np.flatnonzero((np.sign(g[:-1]) != np.sign(g[1:])) & (g[:-1] != 0.0) | (g[:-1] == 0.0))
        if len(cells):
            break
        grid = middle + 4.0 * (grid - middle)
    if not len(cells):
        return curve.smallest(grid, np.abs(g))
    roots = [curve.root(float(grid[i]), float(grid[i + 1]), float(g[i]), float(g[i + 1])) for i in cells]
    alpha = roots[(len(roots) - 1) // 2]
    return curve.solution(alpha, np.array(roots), grid)


class _Curve:
    """The instrument's coefficient as a function of the value a."""

    def __init__(self, Z: np.ndarray, d: np.ndarray, y: np.ndarray, tau: float, w: np.ndarray | None) -> None:
        self.Z, self.d, self.y, self.tau, self.w = Z, d, y, tau, w

    def at(self, values: np.ndarray) -> QuantileSolution:
        """Regressions of y - a d for each value, in one batch."""
        responses = self.y - np.asarray(values)[:, None] * self.d
        return solve_quantiles(self.Z, responses, np.full(len(responses), self.tau), self.w)

    def _piece(self, basis: np.ndarray) -> tuple[float, float]:
        """Intercept and slope of the linear piece of a basis."""
        both = np.linalg.solve(self.Z[basis], np.column_stack([self.y[basis], self.d[basis]]))
        return float(both[0, 0]), -float(both[0, 1])

    def root(self, low: float, high: float, at_low: float, at_high: float) -> float:
        """A root between two values at which the coefficient has different signs."""
        if at_low == 0.0:
            return low
        if at_high == 0.0:
            return high
        # Regula falsi starts, linear pieces go on, bisection guards.
        value = low - at_low * (high - low) / (at_high - at_low)
        for _ in range(_STEPS):
            found = self.at(np.array([value]))
            g = float(found.coef[0, 0])
            constant, slope = self._piece(found.basis[0])
            size = abs(constant) + abs(slope * value)
            if abs(g) <= _ZERO * size:
                return value
            if (g > 0) == (at_low > 0):
                low, at_low = value, g
            else:
                high, at_high = value, g
            if high - low <= _FINE * (abs(low) + abs(high)):
                return 0.5 * (low + high)
            value = -constant / slope if slope != 0.0 else np.nan
            if not low < value < high:
                value = 0.5 * (low + high)
        return 0.5 * (low + high)

    def smallest(self, grid: np.ndarray, size: np.ndarray) -> InverseSolution:
        """Where the coefficient has no root: the value that makes it smallest, by golden section about the grid's best."""
        i = int(np.argmin(size))
        low, high = float(grid[max(i - 1, 0)]), float(grid[min(i + 1, len(grid) - 1)])
        ratio = 0.5 * (np.sqrt(5.0) - 1.0)
        for _ in range(60):
            inner = np.array([high - ratio * (high - low), low + ratio * (high - low)])
            one, two = np.abs(self.at(inner).coef[:, 0])
            low, high = (low, float(inner[1])) if one <= two else (float(inner[0]), high)
        return self.solution(0.5 * (low + high), np.empty(0), grid)

    def solution(self, alpha: float, roots: np.ndarray, grid: np.ndarray) -> InverseSolution:
        found = self.at(np.array([alpha]))
        return InverseSolution(
            alpha, found.coef[0, 1:], found.basis[0], found.dual[0], roots, float(grid[0]), float(grid[-1])
        )
