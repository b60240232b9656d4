"""`VisitsFit`: a regression of outcomes seen at informative visits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.visits.intensity import IntensityFit
from statinf.errors import DataError, one_of
from statinf.inference.vcov import VcovKinds
from statinf.models.generalized_fit import GeneralizedFit
from statinf.results import Weights


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class VisitsFit(GeneralizedFit):
    """A generalised linear model of outcomes weighted by inverse intensities of their visits.

    Attributes
    ----------
    unit : str
        Column of units, by which standard errors cluster.
    intensity : IntensityFit or None
        Log hazard ratios of visits; not saved.
    weights : Weights or None
        Of the visits; go into any verb as `weights=`. Not saved.
    """

    unit: str
    intensity: IntensityFit | None = field(default=None, metadata={"saved": False})
    weights: Weights | None = field(default=None, metadata={"saved": False})

    vcov_kinds = VcovKinds(default="HC0", names=("HC0", "HC1", "fixed"), robust="HC0")
    beside = ("intensity", "weights")

    @property
    def title(self) -> str:
        return f"Outcomes at informative visits: {self.family}, {self.link} link"

    def lean(self) -> Self:
        return replace(super().lean(), intensity=None, weights=None)

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"coefficients", "weights"}, optional
            Intervals of the coefficients (the default), or a histogram of the visits' weights.
        """
        kind = kind or "coefficients"
        if kind != "weights":
            one_of("kind", kind, ("coefficients", "weights"))
            return super().plot(kind, **options)
        if self.weights is None:
            raise DataError("a saved or lean fit leaves its weights out; fit again.")
        from statinf.plotting import balance as drawn

        values = self.weights.values
        return drawn.weight_histogram(values, {"visits": np.ones(len(values), bool)}, **options)
