"""The result of `target_mean`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.inference.covariance import Covariance
from statinf.inference.effective import by_effective_rows
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetMean(Fit):
    """The mean outcome of the target.

    Attributes
    ----------
    on_source, on_target : ndarray, shape (n,) and (m,)
        Influence of the rows of either sample, estimated models included; not saved.
    ess : float
        Effective sample size of the weighted source; NaN without weights.
    parts : mapping of str to float
        The outcome model's mean over the target, and the weighted mean residual.
    target_rows : int
    """

    on_source: np.ndarray = field(metadata={"saved": False}, default_factory=lambda: np.empty(0))
    on_target: np.ndarray = field(metadata={"saved": False}, default_factory=lambda: np.empty(0))
    ess: float = np.nan
    parts: Mapping[str, float] = field(default_factory=dict)
    target_rows: int = 0

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", names=("HC0",), robust="HC0", clustered=("HC0", "HC1"))

    @property
    def title(self) -> str:
        return f"Mean outcome of the target population: {self.method}"

    def _covariance(self, kind: Any) -> Covariance:
        found = super()._covariance(kind)
        # What makes covariances of blocks counts the rows behind them itself.
        return found if self.source is None else self._counted(found, kind, self.moments)

    def _counted(self, found: Covariance, kind: Any, moments: Callable[[], Moments]) -> Covariance:
        """Where weights are uneven, few rows carry the variance: limits are those of a t law with so many degrees of freedom."""
        if not np.isfinite(self.ess) or isinstance(kind, Mapping):
            return found
        return by_effective_rows(found, moments().influence)

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows or "known margins"}
        if np.isfinite(self.ess):
            facts["Effective sample size"] = self.ess
        return facts | {name.capitalize(): value for name, value in self.parts.items()} | dict(self.facts)

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "target_rows": self.target_rows, "ess": self.ess}
