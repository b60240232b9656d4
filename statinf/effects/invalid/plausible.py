"""Sensitivity of a two-stage least squares effect to direct effects of the instruments.

Conley, Hansen and Rossi (2012), "Plausibly exogenous", Review of Economics and Statistics 94. In y = a beta + z gamma + x delta + e
the effect at a given gamma is two-stage least squares of y - z gamma; the set over all gamma within bounds is the union of its
intervals. Their limits are convex in gamma, so that the vertices of the bounds decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.invalid.rows import InvalidRows
from statinf.errors import DataError, OptionError
from statinf.findings import Finding
from statinf.inference.distributions import t_quantile
from statinf.numerics.linear.symmetric import symmetric_inverse

_FARTHEST = 1e6


@dataclass(frozen=True, repr=False)
class PlausibleSet(Finding):
    """The effects that direct effects within bounds allow.

    Attributes
    ----------
    lower, upper : float
        Estimates at the bounds that move them most.
    conf_low, conf_high : float
        Limits of the union of intervals.
    level : float
    null : float
    breakdown : float
        By how much the bounds may be multiplied before the set holds `null`; 0 if the interval does without direct effects.
    bounds : str
    label : str
    """

    lower: float
    upper: float
    conf_low: float
    conf_high: float
    level: float
    null: float
    breakdown: float
    bounds: str
    label: str

    def __str__(self) -> str:
        return (
            f"Effects with direct effects of the instruments within {self.bounds} (two-stage least squares, {self.label})\n"
            f"estimates {self.lower:.6g} to {self.upper:.6g}; "
            f"{100 * self.level:g}% set [{self.conf_low:.6g}, {self.conf_high:.6g}]; "
            f"holds {self.null:g} from bounds {self.breakdown:.4g} times as wide"
        )


@dataclass(frozen=True, repr=False)
class TwoStage(Brief):
    """Two-stage least squares of the outcome and of each instrument on the treatment, in units of the columns.

    Attributes
    ----------
    effect : float
    by_direct : ndarray, shape (m,)
        By how much a unit of each direct effect moves the effect down.
    scores, by_scores : ndarray, shapes (n,) and (n, m)
        Influence of each row on both.
    """

    effect: float
    by_direct: np.ndarray
    scores: np.ndarray
    by_scores: np.ndarray

    def error(self, gamma: np.ndarray, codes: np.ndarray | None) -> float:
        """Standard error (HC0, or of clusters) at direct effects (m,)."""
        own = self.scores - self.by_scores @ gamma
        summed = own if codes is None else np.bincount(codes, own)
        return float(np.linalg.norm(summed))


def two_stage(rows: InvalidRows) -> TwoStage:
    """Two-stage least squares with instruments z and exogenous covariates."""
    w, z = rows.w, rows.z
    x, columns = rows.x, np.column_stack([rows.a, rows.x])
    instruments = np.column_stack([z, x])
    root = np.sqrt(w)[:, None]
    q, r = np.linalg.qr(instruments * root)
    size = np.abs(np.diag(r))
    q = q[:, size > 1e-10 * size.max()]
    fitted = q @ (q.T @ (columns * root))
    inverse = symmetric_inverse(fitted.T @ fitted)
    targets = np.column_stack([rows.y, z])
    coef = inverse @ (fitted.T @ (targets * root))
    left = (targets - columns @ coef) * root
    influence = (fitted @ inverse[:, 0])[:, None] * left
    # From standard units: y over its scale, z over theirs, a such that rows.scale carries an effect.
    unit = np.append(rows.scale, rows.scale * rows.z_scale / rows.y_scale)
    return TwoStage(
        float(coef[0, 0] * unit[0]), coef[0, 1:] * unit[1:], influence[:, 0] * unit[0], influence[:, 1:] * unit[1:]
    )


def read_bounds(given: Any, names: tuple[str, ...]) -> np.ndarray:
    """Bounds of direct effects, shape (m, 2), from a number, a pair, or a mapping from instruments to these."""
    if isinstance(given, Mapping):
        unknown = [n for n in given if n not in names]
        if unknown:
            raise OptionError(
                f"bound={given!r}: {unknown[0]!r} is no instrument of the fit; it has {', '.join(names)}."
            )
        return np.array([_pair(given.get(n, 0.0)) for n in names])
    return np.array([_pair(given)] * len(names))


def _pair(given: Any) -> tuple[float, float]:
    try:
        found = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if found.shape == () and np.isfinite(found) and found >= 0:
        return -float(found), float(found)
    if found.shape == (2,) and np.isfinite(found).all() and found[0] <= found[1]:
        return float(found[0]), float(found[1])
    raise OptionError(f"bound={given!r} is neither a number of at least 0 nor a pair (low, high) of direct effects.")


def plausible_set(
    made: TwoStage, bounds: np.ndarray, codes: np.ndarray | None, level: float, null: float, label: str
) -> PlausibleSet:
    """The union of intervals over all direct effects within bounds (m, 2)."""
    if len(bounds) > 12:
        raise DataError(f"bounds on {len(bounds)} direct effects have too many vertices; use at most 12 instruments.")
    critical = t_quantile(0.5 + level / 2.0, np.inf)

    def limits(times: float) -> np.ndarray:
        ends = []
        for vertex in product(*(times * bounds)):
            gamma = np.array(vertex)
            value, half = made.effect - float(made.by_direct @ gamma), critical * made.error(gamma, codes)
            ends.append((value, value, value - half, value + half))
        found = np.array(ends)
        return np.array([found[:, 0].min(), found[:, 1].max(), found[:, 2].min(), found[:, 3].max()])

    lower, upper, low, high = limits(1.0)
    shown = ", ".join(f"[{a:g}, {b:g}]" for a, b in np.unique(bounds, axis=0))
    return PlausibleSet(lower, upper, low, high, level, null, _breakdown(limits, null), shown, label)


def _breakdown(limits: Any, null: float) -> float:
    """The multiple of the bounds at which the set first holds the null."""

    def outside(times: float) -> float:
        _, _, low, high = limits(times)
        return max(low - null, null - high)

    if outside(0.0) <= 0:
        return 0.0
    far = 1.0
    while outside(far) > 0:
        far *= 2.0
        if far > _FARTHEST:
            return float("inf")
    from scipy.optimize import brentq

    return float(brentq(outside, 0.0, far, xtol=1e-12, rtol=1e-12))
