"""A fitted model of regions with the scores of calibration rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.regions.models import Measures
from statinf.conformity.regions.transforms import OutcomeUnits
from statinf.inference.conformal import Calibration, smallest_n


@dataclass(frozen=True, repr=False)
class RegionSplit(Brief):
    """What regions are made from.

    Attributes
    ----------
    model : RegionModel
    units : OutcomeUnits
    calibration : Calibration
    signed : bool
        Whether thresholds below zero shrink regions.
    seed : int
        Of the draws that measure volumes.
    grid : int
        Points or draws that volumes are counted on.
    trained, held : int
        Rows the model was fitted to, and rows held apart to stop training or to choose the direction.
    covered : float
        Share of the calibration rows inside before calibration.
    names : tuple of str
        Outcomes.
    """

    model: Any
    units: OutcomeUnits
    calibration: Calibration
    signed: bool
    seed: int
    grid: int
    trained: int
    held: int
    covered: float
    names: tuple[str, ...]

    takes_columns = False
    per_row = False

    @property
    def n(self) -> int:
        """Calibration rows."""
        return len(self.calibration.scores)

    def scores(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Scores (n,) of outcomes (n, d) in their own units at covariates (n, p)."""
        return self.model.scores(X, self.units.standard(Y), self.signed)

    def thresholds(
        self, level: float, m: int, ratio: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> np.ndarray:
        """Thresholds (m,) of new rows, with density ratios and group numbers where calibration had them."""
        return self.calibration.thresholds(level, m, ratio, groups)[:, 0]

    def measures(self, X: np.ndarray, q: np.ndarray) -> Measures:
        """Boxes and volumes, in the outcomes' own units, of the regions at covariates (m, p) and thresholds (m,)."""
        found = self.model.measures(X, q, self.signed, self.grid, self.seed)
        cell = float(np.prod(self.units.scale))
        ends = self.units.original(found.lower), self.units.original(found.upper)
        return Measures(*ends, found.area * cell, found.std_error * cell)

    def smallest(self, level: float) -> int:
        """Fewest calibration rows (of a group) at which regions are bounded."""
        return smallest_n(level)

    def guarantee(self, level: float) -> str:
        """What theory says of coverage."""
        per = " in every group" if self.calibration.groups is not None else ""
        if self.calibration.weights is not None:
            return f"at least {level:g} on the target population{per} if the density ratio is right"
        return f"at least {level:g}{per}, and below {level:g} + 1/(n + 1) if scores are distinct, for exchangeable rows"
