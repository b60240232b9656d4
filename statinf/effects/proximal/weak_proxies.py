"""A confidence set of the effect that holds however little treatment proxies say of the one outcome proxy.

Given the coefficient g of the outcome proxy in the bridge, the effect is that of least squares of y - g w on treatment and
covariates. The set is the union of its intervals over all g that the Anderson-Rubin test keeps, both at half of the error: limits
are convex in g, so that the ends of what is kept decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.numerics.linear.symmetric import symmetric_inverse


@dataclass(frozen=True, repr=False)
class WeakProxySet(Finding):
    """Effects that are kept, whatever the strength of the proxies.

    Attributes
    ----------
    conf_low, conf_high : float
        Least and largest effect kept; infinite where the set is unbounded.
    level : float
    pieces : tuple of (float, float)
    label : str
    """

    conf_low: float
    conf_high: float
    level: float
    pieces: tuple[tuple[float, float], ...]
    label: str

    def __contains__(self, value: float) -> bool:
        return any(low <= value <= high for low, high in self.pieces)

    def __str__(self) -> str:
        united = " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in self.pieces) or "empty"
        return f"{100 * self.level:g}% confidence set of the effect, robust to weak proxies ({self.label}): {united}"

    def tidy(self) -> Any:
        """One row per piece, in the caller's kind of data frame."""
        import pandas as pd

        rows = [{"level": self.level, "conf_low": low, "conf_high": high} for low, high in self.pieces]
        return to_caller(pd.DataFrame(rows, columns=["level", "conf_low", "conf_high"]), self.frame_kind)


@dataclass(frozen=True)
class GivenProxy:
    """The effect as a function of the outcome proxy's coefficient.

    Attributes
    ----------
    value, slope : float
        The effect is ``value - slope g``.
    own, by_g : ndarray, shape (n,) or (clusters,)
        Influence on both.
    """

    value: float
    slope: float
    own: np.ndarray
    by_g: np.ndarray

    @staticmethod
    def of(
        x: np.ndarray, y: np.ndarray, w: np.ndarray, weights: np.ndarray, contrast: np.ndarray, codes: np.ndarray | None
    ) -> GivenProxy:
        """Least squares of y and w (n,) on x (n, k), and a combination (k,) of their coefficients."""
        v = x * weights[:, None]
        inverse = symmetric_inverse(v.T @ x)
        both = np.column_stack([y, w])
        coef = inverse @ (v.T @ both)
        influence = (v @ (inverse @ contrast))[:, None] * (both - x @ coef)
        if codes is not None:
            influence = np.column_stack([np.bincount(codes, column) for column in influence.T])
        value, slope = contrast @ coef
        return GivenProxy(float(value), float(slope), influence[:, 0], influence[:, 1])

    def limits(self, g: float, critical: float) -> tuple[float, float]:
        """The interval at a coefficient; at an infinite one what the limits tend to."""
        if np.isinf(g):
            half = critical * float(np.linalg.norm(self.by_g))
            return tuple(np.sign(-np.sign(g) * self.slope + side * half) * np.inf for side in (-1.0, 1.0))  # type: ignore[return-value]
        middle = self.value - self.slope * g
        half = critical * float(np.linalg.norm(self.own - g * self.by_g))
        return middle - half, middle + half


def united(made: GivenProxy, kept: Sequence[tuple[float, float]], critical: float) -> tuple[tuple[float, float], ...]:
    """The union of intervals over all coefficients kept, as pieces that do not overlap."""
    found = []
    for piece in kept:
        ends = [made.limits(g, critical) for g in piece]
        found.append((min(e[0] for e in ends), max(e[1] for e in ends)))
    return _merged(found)


def _merged(pieces: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    out: list[tuple[float, float]] = []
    for low, high in sorted(pieces):
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple((float(low), float(high)) for low, high in out)
