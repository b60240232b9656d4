"""Bandwidths that are best under a bound on the second derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from statinf.effects.discontinuity.bounds import critical_value
from statinf.errors import NotIdentifiedError
from statinf.numerics.localpoly.kernels import KERNELS
from statinf.numerics.localpoly.side import Side, local_fit


@dataclass(frozen=True)
class WidthLoss:
    """What a bandwidth makes small: a function of the worst bias and the standard error.

    Attributes
    ----------
    name : {"mse", "length", "one-sided"}
    level, power : float
    """

    name: str
    level: float
    power: float

    def value(self, bias: float, se: float) -> float:
        """The criterion."""
        if self.name == "mse":
            return bias**2 + se**2
        if self.name == "length":
            return critical_value(bias / se, self.level) * se
        return 2.0 * bias + self._excess * se

    def gradient(self, bias: float, se: float) -> tuple[float, float]:
        """Its derivatives in the bias and in the standard error."""
        if self.name == "mse":
            return 2.0 * bias, 2.0 * se
        if self.name == "length":
            t = bias / se
            c = critical_value(t, self.level)
            # Ratio of normal densities at c - t and c + t.
            turn = float(np.tanh(c * t))
            return turn, c - t * turn
        return 2.0, self._excess

    @property
    def _excess(self) -> float:
        return float(ndtri(self.level) + ndtri(self.power))


@dataclass(frozen=True)
class Trade:
    """Worst bias and standard error of a local line as functions of the bandwidth.

    Attributes
    ----------
    both : tuple of Side
    variances : tuple of float
        Of the outcome on each side.
    bound : float
    kernel : str
    smoothness : {"holder", "taylor"}
    """

    both: tuple[Side, Side]
    variances: tuple[float, float]
    bound: float
    kernel: str
    smoothness: str

    def at(self, h: complex) -> tuple[complex, complex]:
        """Bias and standard error; analytic in h while the rows within stay the same."""
        bias, variance = 0.0 + 0.0j, 0.0 + 0.0j
        for side, spread in zip(self.both, self.variances, strict=True):
            rows = side.take(side.kernel_window(h.real, self.kernel))
            u = np.abs(rows.x) / h
            k = rows.w * np.polynomial.polynomial.polyval(u, KERNELS[self.kernel])
            s0, s1, s2 = k.sum(), k @ u, k @ u**2
            own = k * (s2 - s1 * u) / (s0 * s2 - s1**2)
            signed = own if self.smoothness == "holder" else own * np.sign(own.real)
            bias = bias + signed @ rows.x**2
            variance = variance + spread * (own @ own)
        bias = self.bound / 2.0 * bias
        return bias if bias.real >= 0 else -bias, np.sqrt(variance)

    def slope(self, h: float, criterion: WidthLoss) -> float:
        """Derivative of the criterion, by a step into the complex plane, which loses no digits."""
        step = 1e-100
        bias, se = self.at(h + step * 1j)
        along = criterion.gradient(float(bias.real), float(se.real))
        return (along[0] * bias.imag + along[1] * se.imag) / step


def optimal_bandwidth(
    both: tuple[Side, Side], guess: np.ndarray, pilot: float, bound: float, kernel: str, options: Any
) -> float:
    """The bandwidth that makes the criterion of the options smallest, with variances of each side as a pilot finds them.

    Parameters
    ----------
    both : tuple of Side
        Outcomes without covariates.
    guess : ndarray, shape (heads,)
        Combination of outcome and treatment whose variance counts.
    pilot : float
    bound : float
    kernel : str
    options : HonestOptions
    """
    # An outlier leaves next to nothing of a pilot: a line needs rows on both sides.
    low = max(_nearest(side, 3) for side in both)
    fits = [local_fit(side, 1, max(pilot, low), "triangular") for side in both]
    left, right = (float((((fit.side.y - fit.fitted()) @ guess) ** 2).mean()) for fit in fits)
    trade = Trade(both, (left, right), bound, kernel, options.smoothness)
    from scipy.optimize import brentq, minimize_scalar

    criterion = WidthLoss(options.bandwidth, options.level, options.power)

    def loss(h: float) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            bias, se = trade.at(complex(h))
            made = (
                criterion.value(float(bias.real), float(se.real)) if se.real > 0 or criterion.name == "mse" else np.nan
            )
        return made if np.isfinite(made) else np.inf

    high = max(max(side.reach for side in both) * (1.0 + 1e-9), low * 1.001)
    grid = np.geomspace(low, high, 25)
    values = np.array([loss(h) for h in grid])
    if not np.isfinite(values).any():
        raise NotIdentifiedError("no bandwidth has enough distinct values on both sides of the cutoff.")
    k = int(np.argmin(values))
    around = np.log([grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]])
    found = minimize_scalar(lambda t: loss(float(np.exp(t))), bounds=around, method="bounded", options={"xatol": 1e-6})
    h = float(np.exp(found.x)) if found.fun <= values[k] else float(grid[k])
    if kernel == "uniform":  # the window is what counts: up to its furthest row
        return max(float(np.abs(side.x[side.window(h, closed=True)]).max()) for side in both)
    ends = h * (1.0 - 1e-5), h * (1.0 + 1e-5)
    if not trade.slope(ends[0], criterion) < 0.0 < trade.slope(ends[1], criterion):
        return h
    # A minimum by values alone has half of the digits.
    return float(brentq(lambda at: trade.slope(at, criterion), *ends, xtol=1e-15 * h, rtol=1e-15))


def _nearest(side: Side, count: int) -> float:
    """Distance just beyond which that many distinct values lie."""
    distinct = np.sort(np.abs(side.x[side.groups[:-1]]))
    return float(distinct[min(count, len(distinct)) - 1]) * (1.0 + 1e-9) or 1e-300
