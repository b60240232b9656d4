"""What every method of `si.ctd` gets: paths, features and how errors of rows belong together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.formula.design import Design
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.paths import Paths


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CtdProblem(Brief):
    """Paths of states with their rewards.

    Attributes
    ----------
    design : Design
        The rows used, in the caller's order.
    paths : Paths
        The same rows, episode by episode.
    order : ndarray of int, shape (n,), or None
        Row of the design of each row of the paths; None where they are the same.
    names : tuple of str
        Features.
    id : str
        Column of episodes; empty for one path.
    time : str
    seed : int
    """

    design: Design
    paths: Paths
    order: np.ndarray | None
    names: tuple[str, ...]
    id: str
    time: str
    seed: int

    @cached_property
    def scaled(self) -> FeatureScale:
        """How features are centred and scaled."""
        return FeatureScale.of(self.paths.x)

    @cached_property
    def features(self) -> np.ndarray:
        """Features centred and scaled, shape (n, q)."""
        return self.scaled.apply(self.paths.x)

    def by_row(self, values: np.ndarray) -> np.ndarray:
        """Values (n, ...) of the paths' rows in the order of the design."""
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[self.order] = values
        return out
