"""Bandwidths of smallest mean squared error, or of smallest coverage error (Calonico, Cattaneo, Farrell 2018, 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.effects.discontinuity.combining import combine, covariate_products, slopes
from statinf.effects.discontinuity.errors import ErrorRule
from statinf.numerics.localpoly.side import Side, local_fit

SELECTORS = tuple(f"{loss}{kind}" for loss in ("mse", "cer") for kind in ("rd", "two", "sum", "comb1", "comb2"))
_PILOT = {"triangular": 2.576, "epanechnikov": 2.34, "uniform": 1.843}
_PAD = 1.0 + float(np.sqrt(np.finfo(float).eps))
FEW_DISTINCT = 10
"""Distinct values that pilot bandwidths cover on each side where many rows share theirs."""

Widths = tuple[float, float]


@dataclass(frozen=True)
class WidthSearch:
    """What bandwidths are chosen for.

    Attributes
    ----------
    both : tuple of Side
    order, bias_order, deriv : int
    kernel : str
    fuzzy : bool
    rule : ErrorRule
    scale : float
        Of the regularisation, which keeps bandwidths small where curvature is not estimated well.
    masspoints : {"adjust", "check", "off"}
    bwcheck : int or None
        Distinct values that pilots cover on each side.
    """

    both: tuple[Side, Side]
    order: int
    bias_order: int
    deriv: int
    kernel: str
    fuzzy: bool
    rule: ErrorRule
    scale: float = 1.0
    masspoints: str = "adjust"
    bwcheck: int | None = None

    @property
    def floor(self) -> float:
        """Smallest pilot bandwidth."""
        tied = any(1.0 - side.distinct / len(side.x) >= 0.2 for side in self.both)
        count = FEW_DISTINCT if self.bwcheck is None and self.masspoints == "adjust" and tied else self.bwcheck
        if count is None:
            return 0.0
        return max(_reach(side, count) for side in self.both)

    @property
    def sample(self) -> int:
        """Rows, or clusters."""
        index = np.concatenate([side.index for side in self.both])
        return len(index) if self.rule.clusters is None else len(np.unique(self.rule.clusters[index]))

    @cached_property
    def unit(self) -> float:
        """Standard deviation of x."""
        return float(np.concatenate([side.x for side in self.both]).std(ddof=1))

    @property
    def start(self) -> float:
        """Pilot by a rule of thumb."""
        x = np.concatenate([side.x for side in self.both])
        low, high = (_quantile(x, share) for share in (0.25, 0.75))
        spread = min(self.unit, (high - low) / 1.349) or self.unit
        points = len(x) if self.masspoints == "off" else sum(side.distinct for side in self.both)
        return _PILOT[self.kernel] * spread * points ** (-0.2)


def _quantile(x: np.ndarray, share: float) -> float:
    """Of ascending x, the mean of both values where the distribution function is flat at the share."""
    place = len(x) * share
    k = int(np.ceil(place))
    return float((x[k - 1] + x[min(k, len(x) - 1)]) / 2.0 if k == place else x[k - 1])


def _reach(side: Side, count: int) -> float:
    """Distance that covers the nearest distinct values of a side."""
    distinct = np.sort(np.abs(side.x[side.groups[:-1]]))
    return float(distinct[min(count, len(distinct)) - 1]) * _PAD


@dataclass(frozen=True)
class WidthParts:
    """Variance, bias and regularisation of one side, and the power of the bandwidth."""

    variance: float
    bias: float
    penalty: float


def width_parts(
    search: WidthSearch, side: Side, order: int, deriv: int, top: int, h: float, wide: float, scale: float
) -> WidthParts:
    """What a bandwidth of a fit of that order needs, from fits at h and, for the bias, of order `top` at `wide`."""
    small = local_fit(side, order, h, search.kernel)
    heads = 1 + search.fuzzy
    if side.y.shape[1] > 1:
        gamma = slopes([covariate_products(small, heads)]) if side.y.shape[1] > heads else np.zeros((0, heads))
        s = combine(small.derivative(deriv), gamma, search.fuzzy).gradient
    else:
        s = np.ones(1)
    spread = search.rule.variance(small, small.row(deriv), s)
    constant = float(small.inverse[deriv] @ small.leading)
    large = local_fit(side, top, wide, search.kernel)
    # The highest coefficient stands for that of x^(order + 1); where it is of a higher power, x counts in standard deviations.
    with np.errstate(divide="ignore"):
        unit = float((search.unit / np.float64(wide)) ** top) / search.unit ** (order + 1)
    share = 2.0 * (order + 1 - deriv)
    penalty = 0.0
    if scale > 0:
        noise = search.rule.variance(large, large.row(top), s) * unit**2
        penalty = scale * share * 3.0 * constant**2 * noise
    bias = np.sqrt(share) * constant * float(large.coef[-1] @ s) * unit
    return WidthParts((2 * deriv + 1) * h * spread, bias, penalty)


def _rd(left: WidthParts, right: WidthParts, rate: float) -> Widths:
    below = (right.bias - left.bias) ** 2 + left.penalty + right.penalty
    return _power((left.variance + right.variance), below, rate), 0.0


def _sum(left: WidthParts, right: WidthParts, rate: float) -> Widths:
    below = (right.bias + left.bias) ** 2 + left.penalty + right.penalty
    return _power((left.variance + right.variance), below, rate), 0.0


def _two(left: WidthParts, right: WidthParts, rate: float) -> Widths:
    made = [_power(one.variance, one.bias**2 + one.penalty, rate) for one in (left, right)]
    return made[0], made[1]


def _power(above: float, below: float, rate: float) -> float:
    # Without any curvature, or any noise to weigh it against, the cap decides.
    return np.inf if below == 0.0 or above == 0.0 else float((above / below) ** rate)


def chain(search: WidthSearch, rule: Callable[[WidthParts, WidthParts, float], Widths]) -> tuple[Widths, Widths]:
    """Bandwidths h and b, of the left and of the right, by three steps."""
    reach = [side.reach for side in search.both]
    caps = reach if rule is _two else [max(reach)] * 2
    p, q, floor = search.order, search.bias_order, search.floor
    start = max(min(search.start, max(reach)), floor)

    def step(order: int, deriv: int, top: int, wide: Widths, scale: float) -> Widths:
        found = [
            width_parts(search, side, order, deriv, top, start, w, scale)
            for side, w in zip(search.both, wide, strict=True)
        ]
        made = rule(found[0], found[1], 1.0 / (2 * order + 3))
        made = made if rule is _two else (made[0], made[0])
        return min(made[0], caps[0]), min(made[1], caps[1])

    d = step(q + 1, q + 1, q + 2, (reach[0] * _PAD, reach[1] * _PAD), 0.0)
    b = step(q, p + 1, q + 1, (max(d[0], floor), max(d[1], floor)), search.scale)
    return step(p, search.deriv, q, b, search.scale), b


def choose(search: WidthSearch, selector: str) -> tuple[Widths, Widths]:
    """Bandwidths h and b by one of `SELECTORS`."""
    kind = selector[3:]
    needed = {"rd": ("rd",), "two": ("two",), "sum": ("sum",), "comb1": ("rd", "sum"), "comb2": ("rd", "sum", "two")}
    rules = {"rd": _rd, "sum": _sum, "two": _two}
    found = np.array([chain(search, rules[one]) for one in needed[kind]])
    h, b = found.min(axis=0) if kind == "comb1" else np.median(found, axis=0)
    if selector.startswith("cer"):
        p = search.order
        h = h * search.sample ** (-p / ((3.0 + p) * (3.0 + 2.0 * p)))
    return (float(h[0]), float(h[1])), (float(b[0]), float(b[1]))
