"""Curves on both sides of a cutoff, their difference, and the influence of units on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.effects.distributional.problem import UnitCurves
from statinf.numerics.localpoly.curves import CurveSide


@dataclass(frozen=True, repr=False)
class SolvedCurves(Brief):
    """Estimates of one fit.

    Attributes
    ----------
    problem : UnitCurves
    below, above : CurveSide
        Local polynomials of the quantiles.
    curves : ndarray, shape (2, m)
        Mean quantile functions below and above, increasing.
    stages : (CurveSide, CurveSide) or None
        Local polynomials of the treatment, in fuzzy designs.
    """

    problem: UnitCurves
    below: CurveSide
    above: CurveSide
    curves: np.ndarray
    stages: tuple[CurveSide, CurveSide] | None = None

    @property
    def jump(self) -> np.ndarray:
        """Difference of the curves, shape (m,)."""
        return self.curves[1] - self.curves[0]

    @cached_property
    def first_stage(self) -> float:
        """Jump of the treatment; one in sharp designs."""
        return 1.0 if self.stages is None else float(self.stages[1].level[0] - self.stages[0].level[0])

    @property
    def effect(self) -> np.ndarray:
        """The jump over that of the treatment, shape (m,)."""
        return self.jump / self.first_stage

    def by_side(self, kind: str, clusters: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Influence of units on the curves below and above, shape (n, m) each; see `CurveSide.influence`."""
        n = self.problem.n
        return self.below.influence(n, kind, clusters), self.above.influence(n, kind, clusters)

    def on_stage(self, kind: str, clusters: np.ndarray | None = None) -> np.ndarray:
        """Influence of units on the jump of the treatment, shape (n,)."""
        assert self.stages is not None
        below, above = (side.influence(self.problem.n, kind, clusters)[:, 0] for side in self.stages)
        return above - below

    def influence(self, kind: str, clusters: np.ndarray | None = None) -> np.ndarray:
        """Influence of units on the effect, shape (n, m)."""
        below, above = self.by_side(kind, clusters)
        found = above - below
        if self.stages is None:
            return found
        return (found - np.outer(self.on_stage(kind, clusters), self.effect)) / self.first_stage
