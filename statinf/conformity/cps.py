"""Conformal predictive systems: a distribution for each new outcome, calibrated on held-out rows.

Vovk, Shen, Manokhin and Xie (2019, Machine Learning 108); Vovk, Petej, Nouretdinov, Manokhin and Gammerman (2020,
Neurocomputing 397) for the split version, which moves the calibration rows' errors to the new row's prediction. Evaluated
at the new outcome, and smoothed over its own point and ties, the distribution function is exactly uniform for
exchangeable rows, so quantiles on either side and central intervals hold their levels in finite samples. Groups (Mondrian)
have distributions of their own, `score="normalised"` stretches errors by a fitted scale, a density ratio moves them to
another population.

The same errors give the percentiles, intervals and p-values of crepes 0.9 to rounding. Its CRPS multiplies the cell in
which the outcome lies by the scale once too often; with scales of one it is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.conformity.held_out import HeldOutOptions, held_out
from statinf.conformity.predictive_system import PredictiveSystem
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.score import Ends, Local
from statinf.conformity.split import Normalised, Signed
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import choice


@dataclass(frozen=True)
class Scaled:
    """Signed errors over a fitted scale, one threshold per tail."""

    task = "mean"
    tails = 2

    def learner(self, model: Any, level: float) -> Any:
        return Normalised().learner(model, level)

    def local(self, fitted: Any, X: np.ndarray, seed: int) -> Local:
        return Normalised().local(fitted, X, seed)

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        size = Normalised().score(local, y)[:, 0]
        error = np.where(y < local[0], -size, size)
        return np.column_stack([-error, error])

    def band(self, local: Local, q: np.ndarray) -> Ends:
        return local[0] - local[1] * q[:, 0], local[0] + local[1] * q[:, 1]

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        return IntervalSets.one_each(*self.band(local, q))


@dataclass(frozen=True, kw_only=True)
class CPSOptions(HeldOutOptions):
    """Options of conformal predictive systems."""

    score: str = choice("residual", ("residual", "normalised"), "errors as they are, or over a fitted scale")


def estimate(problem: ConformalProblem, options: CPSOptions) -> Split:
    """Fit to the training rows and keep the errors of the others."""
    return held_out(problem, options, Scaled() if options.score == "normalised" else Signed())


METHOD = ConformalMethod(
    verb="conformal",
    name="cps",
    estimate=estimate,
    options=CPSOptions,
    result=PredictiveSystem,
    summary="a predictive distribution for each row: the errors of held-out rows around its prediction",
    citation="Vovk, Petej, Nouretdinov, Manokhin, Gammerman (2020)",
    guarantee="distribution function at the outcome uniform; P(covered) >= level, finite sample",
    vignette="conformal-predictive-systems",
    traits={"row order": "the split draws row numbers"},
)
