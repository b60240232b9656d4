"""Bounds on curvature by rule, and bandwidths that are best under a bound."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from statinf.numerics.localpoly.side import Side, local_fit


def critical_value(bias: float, level: float) -> float:
    """Quantile of |N(bias, 1)|: what an estimate whose bias is that many standard errors has to be widened by."""
    from scipy.stats import ncx2

    t = abs(bias)
    return float(t + ndtri(level)) if t >= 10 else float(np.sqrt(ncx2.ppf(level, 1, t**2)))


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
