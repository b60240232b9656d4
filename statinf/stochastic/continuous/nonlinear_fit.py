"""`NonlinearCtdFit`: values of states that are no linear function of their parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.results.predicting import prediction_rows
from statinf.stochastic.continuous.fit import CtdFit
from statinf.stochastic.continuous.nonlinear import ConditionsAlong, ValueFamily


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NonlinearCtdFit(CtdFit):
    """Values of states by a function of the caller's.

    Attributes
    ----------
    family : ValueFamily or None
        The function with its conditions; not saved.
    """

    family: ValueFamily | None = field(default=None, metadata={"saved": False})

    def _known_family(self) -> ValueFamily:
        if self.family is None:
            raise DataError("values need value_function=, which a saved fit leaves out; fit again.")
        return self.family

    def _valued(self, newdata: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        family, new = self._known_family(), prediction_rows(self, newdata)
        value, slope = family.valued(new.part("covariates").values, self.theta)
        half = slope @ self.cov.root
        return new, value, np.sqrt(np.einsum("ij,ij->i", half, half))

    def _fitted(self) -> np.ndarray:
        made = self._need_rows("values of rows")
        return self._known_family().valued(made.parts[0].values, self.theta)[0]

    def _increments(self) -> tuple[np.ndarray, np.ndarray]:
        problem, family = self._paths("increments of the martingale"), self._known_family()
        # The loss is no sum of increments: those of its values are looked at like the conditions'.
        _, _, errors, derivative, _ = ConditionsAlong(family.plain, problem.paths).at(self.theta)
        return -derivative, errors
