"""Bounds on curvature by rule, and bandwidths that are best under a bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import ncx2, norm

from statinf.errors import NotIdentifiedError
from statinf.numerics.localpoly.side import LocalFit, Side, local_fit


def critical_value(bias: float, level: float) -> float:
    """Quantile of |N(bias, 1)|: what an estimate whose bias is that many standard errors has to be widened by."""
    t = abs(bias)
    return float(t + norm.ppf(level)) if t >= 10 else float(np.sqrt(ncx2.ppf(level, 1, t**2)))


def bound_by_rule(both: tuple[Side, Side], outcome: int = 0) -> float:
    """Largest second derivative of a polynomial of order four of one outcome, fitted to all rows of each side."""
    found = []
    for side in both:
        scale = side.reach
        root = np.sqrt(side.w)
        basis = np.vander(side.x / scale, 5, increasing=True)
        c = np.linalg.lstsq(root[:, None] * basis, root * side.y[:, outcome], rcond=None)[0]
        second = np.polynomial.Polynomial([2 * c[2], 6 * c[3], 12 * c[4]])
        ends = np.array([side.x.min(), side.x.max()]) / scale
        inside = -c[3] / (4 * c[4]) if c[4] else np.nan
        at = [*ends, *([inside] if ends[0] < inside < ends[1] else [])]
        found.append(np.abs(second(np.array(at))).max() / scale**2)
    return float(max(found))


def pilot_bandwidth(both: tuple[Side, Side]) -> float:
    """Imbens and Kalyanaraman's bandwidth (2012) for local lines with the triangular kernel."""
    x, y = np.concatenate([s.x for s in both]), np.concatenate([s.y[:, 0] for s in both])
    n, reach = len(x), max(s.reach for s in both)
    h = 1.84 * x.std(ddof=1) / n**0.2
    density = np.count_nonzero(np.abs(x) <= h) / (2.0 * n * h)
    u = x / reach
    basis = np.column_stack([np.ones(n), x >= 0, u, u**2, u**3])
    third = 6.0 * np.linalg.lstsq(basis, y, rcond=None)[0][4] / reach**3
    variances, curves, penalty = [], [], 0.0
    for side in both:
        near = side.y[side.window(h, closed=True), 0]
        variance = float(near.var(ddof=1)) if len(near) > 1 else float(side.y[:, 0].var())
        wide = reach
        if third and density and variance:
            wide = (7200.0 * variance / (density * third**2 * len(side.x))) ** (1 / 7)
        fit = local_fit(side, 2, min(wide, 2.0 * reach), "uniform")
        if not fit.determined:
            fit = local_fit(side, 2, 2.0 * reach, "uniform")
        variances.append(variance)
        curves.append(float(fit.derivative(2)[0]))
        penalty += 2160.0 * variance / (len(fit.side.x) * min(wide, 2.0 * reach) ** 4)
    below = density * n * ((curves[1] - curves[0]) ** 2 + penalty)
    made = (480.0 * sum(variances) / below) ** 0.2 if below > 0 else reach
    return float(made) if np.isfinite(made) and made > 0 else reach


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
    fits = [local_fit(side, 1, pilot, "triangular") for side in both]
    variances = [float((((fit.side.y - fit.fitted()) @ guess) ** 2).mean()) for fit in fits]
    target = _criterion(options)

    def loss(h: float) -> float:
        made = [local_fit(side, 1, h, kernel) for side in both]
        if not all(fit.determined for fit in made):
            return np.inf
        spread = sum(v * float((fit.equivalent() ** 2).sum()) for v, fit in zip(variances, made, strict=True))
        worst = bound / 2.0 * abs(sum(_moment(fit, options.smoothness) for fit in made))
        return target(worst, np.sqrt(spread))

    low = max(_nearest(side, 3) for side in both)
    high = max(side.reach for side in both) * (1.0 + 1e-9)
    grid = np.geomspace(low, max(high, low * 1.001), 25)
    values = np.array([loss(h) for h in grid])
    if not np.isfinite(values).any():
        raise NotIdentifiedError("no bandwidth has enough distinct values on both sides of the cutoff.")
    k = int(np.nanargmin(values))
    around = (np.log(grid[max(k - 1, 0)]), np.log(grid[min(k + 1, len(grid) - 1)]))
    found = minimize_scalar(lambda t: loss(float(np.exp(t))), bounds=around, method="bounded", options={"xatol": 1e-9})
    if found.fun > values[k]:
        return float(grid[k])
    if kernel == "uniform":  # the window is what counts: up to its furthest row
        return max(float(np.abs(side.x[side.window(np.exp(found.x), closed=True)]).max()) for side in both)
    return _polished(loss, float(found.x))


def _polished(loss: Callable[[float], float], t: float) -> float:
    """The bandwidth where the loss is level: a minimum by values alone has half of the digits."""
    step, reach = 3e-3, 1e-2

    def slope(t: float) -> float:
        one, two = (loss(float(np.exp(t + k * step))) - loss(float(np.exp(t - k * step))) for k in (1, 2))
        return 8.0 * one - two

    if not slope(t - reach) < 0.0 < slope(t + reach):
        return float(np.exp(t))
    return float(np.exp(brentq(slope, t - reach, t + reach, xtol=1e-14, rtol=1e-14)))


def _moment(fit: LocalFit, smoothness: str) -> float:
    own = fit.equivalent() if smoothness == "holder" else np.abs(fit.equivalent())
    return float(own @ fit.side.x**2)


def _criterion(options: Any) -> Callable[[float, float], float]:
    if options.bandwidth == "mse":
        return lambda bias, se: bias**2 + se**2
    if options.bandwidth == "length":
        return lambda bias, se: critical_value(bias / se, options.level) * se
    z = float(norm.ppf(options.level) + norm.ppf(options.power))
    return lambda bias, se: 2.0 * bias + z * se


def _nearest(side: Side, count: int) -> float:
    """Distance just beyond which that many distinct values lie."""
    distinct = np.sort(np.abs(side.x[side.groups[:-1]]))
    return float(distinct[min(count, len(distinct)) - 1]) * (1.0 + 1e-9) or 1e-300
