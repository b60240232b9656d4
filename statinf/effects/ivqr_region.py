"""Robust tests and confidence sets of a quantile regression with instruments, by inversion (Chernozhukov and Hansen 2008)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.effects.weak_iv import AndersonRubin

_OUTWARD = np.concatenate([np.linspace(0.5, 4.0, 8), 4.0 * 2.0 ** np.arange(1, 13)])
"""Distances from the estimate, in standard errors, at which the set is looked at: up to 16,384."""
_ROUNDS = 7
_PARTS = np.arange(1, 8) / 8.0
"""Each round leaves an eighth of every bracket."""


@dataclass(frozen=True, repr=False)
class QuantileSet(AndersonRubin):
    """Test of a value of the effect on a quantile, and the set of values that it keeps.

    The statistic is a chi-square with `df` degrees of freedom at `null`; the rest is as in `AndersonRubin`.

    Attributes
    ----------
    tau : float
    """

    tau: float

    def __str__(self) -> str:
        head = f"Robust test of {self.null[0]:g} at tau = {self.tau:g} ({self.label})"
        test = f"{head}: chi2({self.df}) = {self.statistic:.6g}, p = {self.p_value:.4g}"
        united = " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in self.pieces or ()) or "empty"
        return f"{test}\n{100 * self.level:g}% confidence set: {united}"


Statistics = Callable[[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""From values (m,) and coefficients that may be near to statistics (m,) and coefficients (m, p)."""


def kept_values(statistics: Statistics, critical: float, centre: float, unit: float) -> tuple[tuple[float, float], ...]:
    """Intervals of the values whose statistic is at most `critical`.

    Values are tried on a grid about `centre`, dense within four of `unit` and wider outside; limits between two values of
    which one is kept are found by cutting their distance into eighths, the outermost
    where there are several. An end of the grid that is kept counts as infinite.

    Parameters
    ----------
    statistics : callable
    critical, centre, unit : float
    """
    grid, found, coef = _outward(statistics, centre, unit)
    inside = found <= critical
    turns = np.flatnonzero(inside[:-1] != inside[1:])
    ends, near = np.stack([grid[turns], grid[turns + 1]], axis=1), np.stack([coef[turns], coef[turns + 1]], axis=1)
    enters, place = inside[turns + 1], np.arange(len(turns))
    for _ in range(_ROUNDS if len(turns) else 0):
        inner = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * _PARTS
        start = near[:, :1] + (near[:, 1:] - near[:, :1]) * _PARTS[:, None]
        found, coef = statistics(inner.ravel(), start.reshape(inner.size, -1))
        kept = np.column_stack([~enters, (found <= critical).reshape(inner.shape), enters])
        # The statistic jumps from basis to basis: of several limits in a bracket the outermost counts.
        run = np.where(enters, np.argmax(kept, axis=1) - 1, kept.shape[1] - 1 - np.argmax(kept[:, ::-1], axis=1))
        every = np.column_stack([ends[:, 0], inner, ends[:, 1]])
        beside = np.concatenate([near[:, :1], coef.reshape(*inner.shape, -1), near[:, 1:]], axis=1)
        ends = np.stack([every[place, run], every[place, run + 1]], axis=1)
        near = np.stack([beside[place, run], beside[place, run + 1]], axis=1)
    # Of the two ends of each last bracket the limit is the one that is kept.
    limits = np.where(enters, ends[:, 1], ends[:, 0])
    edges = np.concatenate([[-np.inf] if inside[0] else [], limits, [np.inf] if inside[-1] else []])
    return tuple((float(low), float(high)) for low, high in edges.reshape(-1, 2))


def _outward(statistics: Statistics, centre: float, unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The grid with its statistics and coefficients, which go on outwards in proportion to the distance from the centre."""
    found, middle = statistics(np.array([centre]), None)
    values, coefs, start = [found], [middle], None
    for k, distance in enumerate(_OUTWARD):
        two, coef = statistics(centre + unit * np.array([-distance, distance]), start)
        if k + 1 < len(_OUTWARD):
            start = middle + (coef - middle) * (_OUTWARD[k + 1] / distance)
        values, coefs = [two[:1], *values, two[1:]], [coef[:1], *coefs, coef[1:]]
    grid = centre + unit * np.concatenate([-_OUTWARD[::-1], [0.0], _OUTWARD])
    return grid, np.concatenate(values), np.concatenate(coefs)
