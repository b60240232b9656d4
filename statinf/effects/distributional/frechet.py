"""Local Frechet regression of distributions on both sides of a cutoff (Van Dijcke 2025, arXiv 2504.03992).

Estimand: the difference of the mean quantile functions of units at the cutoff, above less below, at each level: the local
average quantile effect. Assumptions: the mean quantile functions under either treatment are continuous at the cutoff, and units do
not sort around it. The quantile function of pooled rows, which quantile regression discontinuity looks at, is another estimand.

The distribution nearest to the units in the 2-Wasserstein distance, under the weights of a local polynomial, has as its quantile
function the increasing function nearest to the local polynomials of the quantiles, all with one window.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.distributional.estimating import CurveOptions, estimate_curves
from statinf.effects.distributional.problem import UnitCurves
from statinf.errors import OptionError
from statinf.results import Estimate
from statinf.results.methods import Method


def cell_widths(tau: np.ndarray) -> np.ndarray:
    """Widths of the cells around levels, shape (m,): alike on an even grid."""
    if len(tau) < 3:
        return np.ones(len(tau))
    middle = (tau[1:] + tau[:-1]) / 2.0
    edges = np.r_[tau[0] - (middle[0] - tau[0]), middle, tau[-1] + (tau[-1] - middle[-1])]
    return np.diff(edges)


def projected(curves: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """The increasing functions nearest to curves (k, m) in mean square."""
    from scipy.optimize import isotonic_regression

    width = cell_widths(tau)
    return np.stack([isotonic_regression(curve, weights=width).x for curve in curves])


def estimate(problem: UnitCurves, options: CurveOptions) -> Estimate:
    """Curves with one window, projected on increasing functions."""
    several = (
        not isinstance(options.bandwidth, str) and options.bandwidth is not None and len(set(options.bandwidth)) > 1
    )
    if options.bandwidth == "mse" or several:
        raise OptionError("method='frechet' has one bandwidth for all levels; use method='simple' for one per level.")
    return estimate_curves(problem, options, rule="imse", increasing=lambda curves: projected(curves, problem.tau))


METHOD = Method(
    verb="rd_distribution",
    name="frechet",
    estimate=estimate,
    options=CurveOptions,
    summary="mean distributions on both sides by local Frechet regression",
    citation="Van Dijcke (2025), Regression discontinuity design with distribution-valued outcomes",
    arxiv="2504.03992",
    guarantee="uniform bands over levels that hold as units grow in number, if units are large",
    vignette="rd-distribution",
)
