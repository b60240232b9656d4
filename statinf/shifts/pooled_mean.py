"""The result of multilevel regression and poststratification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.inference.vcov import VcovKinds
from statinf.results import to_caller
from statinf.shifts.target_mean_fit import TargetMean


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PooledMean(TargetMean):
    """Poststratified means of a multilevel model: the target's, and those of its groups.

    Attributes
    ----------
    variances : mapping of str to float
        Of the effects of each pooled term, and "residual" of a gaussian outcome.
    labels : tuple of (str, str)
        Term and level of each coefficient and effect; an empty level for coefficients.
    estimates, errors : ndarray, shape (p + q,)
        Of coefficients and effects, and their standard errors.
    """

    variances: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[tuple[str, str], ...] = ()
    estimates: np.ndarray = field(default_factory=lambda: np.empty(0))
    errors: np.ndarray = field(default_factory=lambda: np.empty(0))

    normal_reference = False
    lacks = ("influence", "bootstrap", "augment", "predict")
    beside = ("effects", "variances")
    vcov_kinds = VcovKinds(default="model", names=("model",), robust="model", stacked="model", clustered=())

    @property
    def title(self) -> str:
        return "Poststratified means of a multilevel model"

    def effects(self) -> Any:
        """Coefficients and pooled effects, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns term, level, estimate, std_error; coefficients have an empty level. Errors of effects are those of the
            estimate about the effect.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "term": [term for term, _ in self.labels],
                "level": [level for _, level in self.labels],
                "estimate": self.estimates,
                "std_error": self.errors,
            }
        )
        return to_caller(frame, self.kind)

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows}
        return facts | {f"Std. dev. of {name}": float(np.sqrt(v)) for name, v in self.variances.items()}
