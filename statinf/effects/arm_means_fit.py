"""The result of `fit.means()`: means of the outcome by arm, jointly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.inference.vcov import VcovKinds
from statinf.results import Fit

_WHOSE = {"ATE": "all rows", "ATT": "the treated", "ATC": "the reference's rows", "ATO": "the overlap population"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ArmMeans(Fit):
    """Means of the outcome in every arm; tables use the normal distribution.

    Attributes
    ----------
    estimand : str
        Whose means they are.
    treatment : str
    """

    estimand: str
    treatment: str

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", robust="HC0")

    @property
    def title(self) -> str:
        return f"Mean outcome of {_WHOSE.get(self.estimand, self.estimand)} by arm, {self.method}"

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "estimand": self.estimand}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionMeans(ArmMeans):
    """Means that are combinations of a regression's coefficients; tables use Student's t."""

    normal_reference = False
    vcov_kinds = VcovKinds(default="HC2", robust="HC2")
