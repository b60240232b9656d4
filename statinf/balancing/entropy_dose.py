"""Entropy balancing of a dose.

Tuebbicke (2022), "Entropy balancing for continuous treatments", Journal of Econometric Methods 11(1), arXiv 2001.06281;
Vegetabile et al. (2021), Health Services and Outcomes Research Methodology 21.

Of all weights under which no column is correlated with the dose and all means are those of the sample, the ones closest to the
sampling weights in Kullback-Leibler divergence. The sample's means are estimated, and the standard errors count that; R WeightIt
takes them as known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.balancing.dose_moments import DoseFeatures
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import exponential_tilt

if TYPE_CHECKING:
    from statinf.balancing.entropy import EntropyOptions


def estimate_dose(problem: BalanceProblem, options: EntropyOptions) -> BalanceSolution:
    """Weights with mean one.

    Raises
    ------
    InfeasibleError
        If no positive weights meet the conditions; the message names the one in the way.
    """
    features = DoseFeatures.of(problem, options.d_moments)
    f, s = features.values, problem.s
    scale = np.maximum(np.sqrt(s @ f**2 / s.sum()), 1e-300)
    rows = ScaledRows(f, np.zeros(f.shape[1]), scale)
    tilt = exponential_tilt(rows, s, tol=options.tol, max_iter=options.max_iter)
    if not tilt.converged:
        features.explain("entropy", s, residual=tilt.residual, iterations=tilt.iterations, max_iter=options.max_iter)
    values = tilt.p * s.sum()
    details = {"prices": dict(zip(features.names, (tilt.slope / scale).tolist(), strict=True))}
    return BalanceSolution(
        values, lambda: features.expand(s, values, values), tilt.iterations, tilt.residual, details=details
    )
