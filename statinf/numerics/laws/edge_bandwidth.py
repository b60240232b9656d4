"""Bandwidths for densities at an edge: smallest mean squared error of either density, their difference or their sum."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from statinf.numerics.laws.edge_density import Ranked, edge_constants, edge_density

FEWEST = 20
"""Points that every window holds on each side, beside one per coefficient."""


@dataclass(frozen=True)
class EdgeBandwidths:
    """Bandwidths by what they are best for.

    Attributes
    ----------
    each : (float, float)
        For the density on the left, and on the right.
    difference, total : float
        For the densities' difference, and their sum.
    """

    each: tuple[float, float]
    difference: float
    total: float

    def chosen(self, rule: str, *, restricted: bool) -> tuple[float, float]:
        """Those of a rule: "comb" (per side the median of three), "each", "diff" or "sum"."""
        if rule == "each":
            return self.each
        if rule == "comb" and not restricted:
            left, right = (float(np.median([one, self.difference, self.total])) for one in self.each)
            return left, right
        one = {"diff": self.difference, "sum": self.total, "comb": min(self.difference, self.total)}[rule]
        return one, one


def edge_bandwidths(
    ranked: Ranked, order: int, kernel: str, *, restricted: bool = False, plugin: bool = False
) -> EdgeBandwidths:
    """Bandwidths for densities from fits of an order.

    Parameters
    ----------
    ranked : Ranked
    order : int
    kernel : str
    restricted : bool
        For one polynomial whose slope alone may jump.
    plugin : bool
        Variances from the pilot's density and the kernel's constants; otherwise from the influence of each point.
    """
    n, (narrow, wide) = ranked.n, pilots(ranked, order)
    bent = edge_density(ranked, order + 2, _enough(ranked, wide, order + 2, restricted), kernel, restricted=restricted)
    h = _enough(ranked, narrow, order, restricted)
    made = edge_density(ranked, order, h, kernel, restricted=restricted)
    spread, constants = edge_constants(order, 1, kernel, restricted)
    if plugin:
        each = made.density * spread
        variances = np.r_[each, each.sum(), each.sum()]
    else:
        influence = made.unit[ranked.order] * ranked.w[:, None] * np.sqrt(h)
        cross = influence.T @ influence * n
        both = 2.0 * cross[0, 1]
        variances = np.r_[np.diag(cross), np.trace(cross) - both, np.trace(cross) + both]
    bias = constants * bent.top
    with np.errstate(divide="ignore"):
        biases = np.r_[bias, bias[1] - bias[0], bias[1] + bias[0]]
        found = (variances / (2.0 * order * biases**2 * n)) ** (1.0 / (2 * order + 1))
    each = (_enough(ranked, found[0], order)[0], _enough(ranked, found[1], order)[1])
    return EdgeBandwidths(each, *(max(_enough(ranked, one, order)) for one in found[2:]))


def pilots(ranked: Ranked, order: int) -> tuple[float, float]:
    """Bandwidths for the densities and for the coefficient behind their bias, as if all points were normal.

    Constants are those of the uniform kernel at an edge, whatever the kernel of the fit.
    """
    n, mean = ranked.n, float(np.mean(ranked.w * ranked.x))
    sd = float(np.sqrt(np.sum(ranked.w * (ranked.x - mean) ** 2) / (n - 1.0)))
    t = mean / sd
    height = np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)
    found = []
    for degree, at in ((order, 1), (order + 2, order + 1)):
        spread, bias = (side[1] for side in edge_constants(degree, at, "uniform"))
        bend = np.polynomial.hermite_e.hermeval(t, np.eye(degree + 1)[degree])
        constant = spread * (factorial(degree + 1) / bias) ** 2 * (2 * at - 1) / (2.0 * (degree + 1 - at))
        with np.errstate(divide="ignore"):
            found.append(sd * (constant / (bend**2 * height * n)) ** (1.0 / (2 * degree + 1)))
    return found[0], found[1]


def _enough(ranked: Ranked, h: float, order: int, alike: bool = False) -> tuple[float, float]:
    """The bandwidth on either side: wide enough for `FEWEST` points and distinct values, and no wider than the data.

    With `alike` both sides have the larger.
    """
    found = []
    need = FEWEST + order + 1
    for side in (-ranked.x[ranked.x < 0.0][::-1], ranked.x[ranked.x >= 0.0]):
        least = max(side[min(need, len(side)) - 1], np.unique(side)[:need][-1])
        found.append(float(min(max(h, least), side[-1])))
    return (max(found), max(found)) if alike else (found[0], found[1])
