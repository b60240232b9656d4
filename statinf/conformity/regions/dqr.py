"""Directional quantile regions of several outcomes, calibrated on held-out rows.

Paindaveine and Siman (2011); Feldman, Bates and Romano (2021, arXiv 2110.00816). The region of a row is where u'y is at least
its quantile of a small level for every direction u. Calibration moves all half-spaces out, or in, by one distance,
so that regions stay convex. With one outcome and `score="signed"` it is conformalized quantile regression.

The authors measure distances to points of the region on a grid; here they are those to the half-spaces, which are exact.
"""

from __future__ import annotations

import numpy as np

from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.regions.fitting import RegionOptions, directional, region_split
from statinf.conformity.regions.models import DirectionalModel
from statinf.conformity.regions.procedure import RegionSplit
from statinf.conformity.regions.result import Regions
from statinf.conformity.regions.transforms import OutcomeUnits


def estimate(problem: ConformalProblem, options: RegionOptions) -> RegionSplit:
    """Fit directional quantiles to the training rows and score the others."""

    def make(X: np.ndarray, Y: np.ndarray, held: np.ndarray, units: OutcomeUnits) -> DirectionalModel:
        return DirectionalModel(directional(X[~held], Y[~held], options, problem))

    return region_split(problem, options, make)


METHOD = ConformalMethod(
    verb="conformal",
    name="dqr",
    estimate=estimate,
    options=RegionOptions,
    outcome="several",
    result=Regions,
    summary="convex regions of several outcomes from quantiles in every direction",
    citation="Feldman, Bates, Romano (2021)",
    arxiv="2110.00816",
    guarantee="P(covered) >= level, finite sample",
    vignette="multioutput-quantile-regions",
    traits={"row order": "the split draws row numbers"},
)
