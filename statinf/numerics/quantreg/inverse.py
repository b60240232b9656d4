"""Inverse quantile regression: the value of one coefficient at which an instrument has no weight (Chernozhukov and Hansen 2006).

For each a the quantile regression of y - a d on [instrument, X] gives the instrument's coefficient g(a). Between changes of
basis g is linear in a, so that a root is found exactly: the root of the linear piece on which it lies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from statinf.errors import ConvergenceError, DataError
from statinf.numerics.quantreg.solver import QuantileSolution, solve_quantiles

_REACH = 3
_FINE = 1e-13
_STEPS = 200
_ZERO = 1e-11
_MANY = 2000
"""From so many rows about so many are looked at first."""


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
        where there are none. Of many rows a part is looked at first, and all of them where that shows no root, or several.
    """
    curve = _Curve(np.column_stack([instrument, X]), d, y, tau, w)
    middle = 0.5 * (grid[0] + grid[-1])
    if len(y) > _MANY and (narrow := _bracket(curve, grid)) is not None:
        return curve.solution(curve.root(*narrow), None, grid)
    cells, g = np.empty(0, np.intp), np.empty(0)
    for _ in range(_REACH):
        g = curve.at(grid).coef[:, 0]
        cells = _turns(g)
        if len(cells):
            break
        grid = middle + 4.0 * (grid - middle)
    if not len(cells):
        return curve.smallest(grid, np.abs(g))
    roots = [curve.root(float(grid[i]), float(grid[i + 1]), float(g[i]), float(g[i + 1])) for i in cells]
    alpha = roots[(len(roots) - 1) // 2]
    return curve.solution(alpha, np.array(roots), grid)


def _turns(g: np.ndarray) -> np.ndarray:
    """Intervals of a grid in which the coefficient vanishes; a root on the grid is that of the interval it begins."""
    return np.flatnonzero((np.sign(g[:-1]) != np.sign(g[1:])) & (g[:-1] != 0.0) | (g[:-1] == 0.0))


def _bracket(curve: _Curve, grid: np.ndarray) -> tuple[float, float, float, float] | None:
    """Two values about the one root and the coefficient at either, where every so many rows have one root on the grid.

    None where these have none or several, or where the coefficient of all rows does not change its sign nearby.
    """
    try:
        found = curve.every(len(curve.y) // _MANY + 1).at(grid)
    except (DataError, ConvergenceError):  # rare cells are not among these rows
        return None
    cells = _turns(found.coef[:, 0])
    if len(cells) != 1:
        return None
    ends = np.array([max(cells[0] - 1, 0), min(cells[0] + 2, len(grid) - 1)])
    low, high = curve.at(grid[ends], found.coef[ends]).coef[:, 0]
    return (float(grid[ends[0]]), float(grid[ends[1]]), float(low), float(high)) if low * high < 0 else None


class _Curve:
    """The instrument's coefficient as a function of the value a."""

    def __init__(self, Z: np.ndarray, d: np.ndarray, y: np.ndarray, tau: float, w: np.ndarray | None) -> None:
        self.Z, self.d, self.y, self.tau, self.w = Z, d, y, tau, w

    def every(self, step: int) -> _Curve:
        """The curve of every so many rows."""
        w = None if self.w is None else self.w[::step]
        return _Curve(np.ascontiguousarray(self.Z[::step]), self.d[::step], self.y[::step], self.tau, w)

    def at(self, values: np.ndarray, start: np.ndarray | None = None) -> QuantileSolution:
        """Regressions of y - a d for each value, in one batch."""
        responses = self.y - np.asarray(values)[:, None] * self.d
        return solve_quantiles(self.Z, responses, np.full(len(responses), self.tau), self.w, start=start)

    def _piece(self, basis: np.ndarray) -> np.ndarray:
        """Coefficients of y and of d on a basis, shape (p + 1, 2): those at a are the first less a times the second."""
        return np.linalg.solve(self.Z[basis], np.column_stack([self.y[basis], self.d[basis]]))

    def root(self, low: float, high: float, at_low: float, at_high: float) -> float:
        """A root between two values at which the coefficient has different signs."""
        if at_low == 0.0:
            return low
        if at_high == 0.0:
            return high
        # Regula falsi starts, linear pieces go on, bisection guards.
        value = low - at_low * (high - low) / (at_high - at_low)
        start = None
        for _ in range(_STEPS):
            found = self.at(np.array([value]), start)
            g = float(found.coef[0, 0])
            piece = self._piece(found.basis[0])
            constant, slope = float(piece[0, 0]), -float(piece[0, 1])
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
            start = (piece[:, 0] - value * piece[:, 1])[None]
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

    def solution(self, alpha: float, roots: np.ndarray | None, grid: np.ndarray) -> InverseSolution:
        """The solution at a value, which is the one root where no roots are given."""
        found = self.at(np.array([alpha]))
        roots = np.array([alpha]) if roots is None else roots
        return InverseSolution(
            alpha, found.coef[0, 1:], found.basis[0], found.dual[0], roots, float(grid[0]), float(grid[-1])
        )
