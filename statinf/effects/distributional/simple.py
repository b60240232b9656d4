"""Local polynomials of units' quantiles, level by level, rearranged (Van Dijcke 2025, arXiv 2504.03992).

The estimand and the assumptions are those of `frechet`; each level has a window of its own, and curves that fall somewhere are
sorted.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.distributional.estimating import CurveOptions, estimate_curves
from statinf.effects.distributional.frechet import cell_widths
from statinf.effects.distributional.problem import UnitCurves
from statinf.results import Estimate
from statinf.results.methods import Method


def rearranged(curves: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Increasing rearrangements of curves (k, m): sorted on an even grid, by shares of cells on another."""
    width = cell_widths(tau)
    order = np.argsort(curves, axis=1, kind="stable")
    ends = np.cumsum(width[order], axis=1)
    middle = np.cumsum(width) - width / 2.0
    place = np.stack([np.searchsorted(row, middle) for row in ends])
    return np.take_along_axis(np.sort(curves, axis=1), np.minimum(place, len(tau) - 1), axis=1)


def estimate(problem: UnitCurves, options: CurveOptions) -> Estimate:
    """Curves whose levels have windows of their own, sorted."""
    return estimate_curves(problem, options, rule="mse", increasing=lambda curves: rearranged(curves, problem.tau))


METHOD = Method(
    verb="rd_distribution",
    name="simple",
    estimate=estimate,
    options=CurveOptions,
    summary="mean quantile functions on both sides by local polynomials at each level",
    citation="Van Dijcke (2025), Regression discontinuity design with distribution-valued outcomes",
    arxiv="2504.03992",
    guarantee="uniform bands over levels that hold as units grow in number, if units are large",
    vignette="rd-distribution",
)
