"""Any learner on every level set, one fit per level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError


@dataclass(frozen=True, repr=False)
class AnyLevels(Brief):
    """One fitted learner per level.

    Attributes
    ----------
    models : tuple
        None for levels without a fit, and where the outcome is constant.
    constants : ndarray, shape (levels,)
        The outcome where it is constant.
    """

    models: tuple[Any, ...]
    constants: np.ndarray
    deficient: int = 0

    @property
    def foreign(self) -> bool:
        """Whether a model belongs to another library, which files leave out."""
        return any(getattr(model, "foreign", None) is not None for model in self.models)

    def predict(self, Z: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Values (n,) at rows Z (n, p) by the models of their levels."""
        out = self.constants[codes]
        for v in np.unique(codes):
            model = self.models[v]
            if model is not None:
                rows = codes == v
                out[rows] = np.asarray(model.predict(Z[rows]), np.float64)
        if not np.isfinite(out).all():
            raise DataError("learner: its predictions are not finite numbers on some level sets.")
        return out


@dataclass(frozen=True, repr=False)
class AnyLearner(Brief):
    """Fits `AnyLevels`, round after round, to the same rows.

    Attributes
    ----------
    learner : Learner
    Z : ndarray, shape (n, p)
    y, w : ndarray, shape (n,)
    seed : int
    """

    learner: Any
    Z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    seed: int

    def fit(self, codes: np.ndarray, active: np.ndarray) -> AnyLevels:
        """One model per active level (levels,) bool, from the rows' levels (n,)."""
        models: list[Any] = [None] * len(active)
        constants = np.full(len(active), np.nan)
        for v in np.flatnonzero(active):
            rows = codes == v
            y = self.y[rows]
            if self.Z.shape[1] == 0 or np.ptp(y) == 0.0:
                constants[v] = np.average(y, weights=self.w[rows])
            else:
                models[v] = self.learner.fit(self.Z[rows], y, self.w[rows], seed=self.seed)
        return AnyLevels(tuple(models), constants)
