"""The result of `effect(method="tmle")`: differences, or logs of ratios, of targeted means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.effect_fit import EffectFit
from statinf.effects.sensitivity import ratio_e_values
from statinf.results import to_caller

_NAMES = {"ratio": "Ratio of means", "odds-ratio": "Odds ratio"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetedEffect(EffectFit):
    """Effects from targeted means; tables use the normal distribution.

    Attributes
    ----------
    measure : str
        "difference"; "ratio" or "odds-ratio", whose estimates are logs.
    """

    measure: str = "difference"

    @property
    def title(self) -> str:
        return super().title if self.measure == "difference" else f"{super().title}, log {_NAMES[self.measure].lower()}"

    def summary_facts(self) -> dict[str, Any]:
        facts = super().summary_facts()
        if self.measure == "difference":
            return facts
        low, high = self._limits(0.95, None)
        for term, value, a, b in zip(self.terms, *np.exp([self.theta, low, high]), strict=True):
            facts[f"{_NAMES[self.measure]}, {term}"] = f"{value:.4g} [{a:.4g}, {b:.4g}]"
        return facts

    def e_value(self, *, sd: float | None = None, level: float = 0.95) -> Any:
        """E-values, of ratios without a detour by standard deviations; an odds ratio counts as its square root.

        Parameters
        ----------
        sd : float, optional
            As for other effects; for differences alone.
        level : float

        Returns
        -------
        data frame
            Columns term, risk_ratio, e_value, e_value_limit (of the interval's limit nearer to no effect).
        """
        if self.measure == "difference":
            return super().e_value(sd=sd, level=level)
        root = 1.0 if self.measure == "ratio" else 0.5
        logs = root * np.stack([self.theta, *self._limits(level, None)])
        return to_caller(ratio_e_values(self.terms, *np.exp(logs)), self.kind)
