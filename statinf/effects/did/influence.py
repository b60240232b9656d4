"""Influence values of units, and the moments and covariances that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.did.cohorts import check_constant
from statinf.effects.did.problem import DidProblem
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance


@dataclass(frozen=True, eq=False, repr=False)
class UnitInfluence(Brief):
    """Influence of each unit on each estimate; the units are what is sampled.

    Attributes
    ----------
    values : ndarray, shape (U, q)
        Sum to the estimates' error.
    unit : ndarray of int, shape (n,)
        Unit of each row.
    holder : ndarray of int, shape (U,)
        The first row of each unit.
    id : str
        Column of units; empty in repeated cross-sections.
    """

    values: np.ndarray
    unit: np.ndarray
    holder: np.ndarray
    id: str

    @classmethod
    def of(cls, problem: DidProblem, values: np.ndarray) -> UnitInfluence:
        """Values (U, q) with the rows of the problem's units."""
        return cls(values, problem.unit, problem.holder, problem.id)

    @property
    def moments(self) -> Moments:
        """Of units, shape (U, q)."""
        count, q = self.values.shape
        return Moments(self.values, np.eye(q), count, float(count - 1))

    def by_row(self) -> Moments:
        """Of rows, shape (n, q): each unit's at its first row, zero at its others."""
        n = len(self.unit)
        values = np.zeros((n, self.values.shape[1]))
        values[self.holder] = self.values
        return Moments(values, np.eye(values.shape[1]), n, float(len(self.values) - 1))

    def codes(self, design: Design, name: str) -> np.ndarray:
        """Cluster of each unit, shape (U,); a `DataError` if a unit is in several."""
        codes = design.cluster_codes(name)
        return check_constant(codes, self.unit, self.holder, self.id, f"the cluster column '{name}'").astype(np.intp)

    def covariance(self, design: Design, kind: Any) -> Covariance:
        """Covariance of the estimates, of units or of clusters of units."""
        unit = f"units of '{self.id}'" if self.id else "rows"
        if isinstance(kind, Mapping):
            names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
            if names != [self.id]:
                codes = {name: self.codes(design, name) for name in names}
                return covariance(self.moments, kind, codes, normal=True)
            return Covariance(self.values.T @ self.values, kind, f"clustered by {self.id}", np.inf)
        return Covariance(self.values.T @ self.values, kind, f"{kind}, {unit}", np.inf)
