"""`HonestFit`: a jump whose interval counts the worst bias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from scipy.special import ndtr, ndtri

from statinf.effects.discontinuity.bounds import critical_value
from statinf.effects.discontinuity.cutoff_fit import CutoffFit
from statinf.errors import DataError, NotIdentifiedError, OptionError, check_level


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HonestFit(CutoffFit):
    """A jump at a cutoff, with intervals and p-values that hold whatever the bias is under the bound.

    Attributes
    ----------
    bound : float
        On the second derivative; of fuzzy designs that of the ratio.
    bias : float
        The worst there can be.
    smoothness : {"holder", "taylor"}
    effective : float
        Rows that a uniform kernel would have at the same precision.
    leverage : float
        Largest share of a row in the sum of squared weights; small where the normal distribution is near.
    first : callable or None
        Makes the first stage of a fuzzy design; not saved.
    """

    bound: float
    bias: float
    smoothness: str
    effective: float
    leverage: float
    first: Callable[[], HonestFit] | None = field(default=None, metadata={"saved": False})

    beside = ("sides", "bins", "first_stage", "bandwidth", "one_sided", "critical")

    @property
    def title(self) -> str:
        ratio = f" over that of {self.treatment}" if self.treatment else ""
        return f"Jump of {self.outcome}{ratio} at {self.running} = {self.cutoff:g}, honest intervals"

    def lean(self) -> Self:
        return replace(super().lean(), first=None)

    def summary_facts(self) -> dict[str, Any]:
        facts = {"Second derivative": f"at most {self.bound:.4g} ({self.smoothness})", "Worst bias": f"{self.bias:.4g}"}
        return super().summary_facts() | facts | {"Largest leverage": f"{self.leverage:.2g}"}

    def glance_items(self) -> dict[str, Any]:
        more = {"bound": self.bound, "bias": self.bias, "effective": self.effective, "leverage": self.leverage}
        return super().glance_items() | more

    @property
    def first_stage(self) -> HonestFit:
        """The jump of the treatment in a fuzzy design, with the same bandwidths."""
        if self.treatment is None:
            raise NotIdentifiedError("a sharp design has no first stage; fuzzy= names the treatment of a fuzzy one.")
        if self.first is None:
            raise DataError("a saved or lean fit leaves the first stage out; fit again.")
        return self._with_errors(self.first())

    def critical(self, level: float = 0.95) -> float:
        """Standard errors on each side of the estimate in an interval: 1.96 at level 0.95 where nothing is biased."""
        check_level(level)
        return critical_value(self.bias / float(self._se()[0]), level)

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        check_level(level)
        if interval is not None:
            raise OptionError(f"interval={interval!r} is a bootstrap interval; honest ones count the worst bias.")
        half = self.critical(level) * self._se()
        return self.theta - half, self.theta + half

    def conf_int(self, level: float = 0.95, *, simultaneous: bool = False, **options: Any) -> Any:
        """Limits that count the worst bias; of one estimate, they are simultaneous too. See `Fit.conf_int`."""
        if simultaneous and options.get("interval") is None and options.get("bootstrap") is None:
            options.pop("seed", None)
            simultaneous = False
        return super().conf_int(level, simultaneous=simultaneous, **options)

    def _join(self) -> None:
        self.refuse("joint covariance with other fits", "limits from it leave the bias out")

    def one_sided(self, level: float = 0.95) -> tuple[float, float]:
        """Lower and upper limit, each of which alone holds at the level."""
        check_level(level)
        half = self.bias + float(ndtri(level)) * float(self._se()[0])
        return float(self.theta[0]) - half, float(self.theta[0]) + half

    def _p_values(self) -> np.ndarray:
        """Of no jump, the largest under the bound."""
        se = self._se()
        z, t = np.abs(self.theta) / se, self.bias / se
        return ndtr(t - z) + ndtr(-t - z)

    def test(self, hypothesis: Any, values: Any = None, **options: Any) -> Any:
        """Refused: a Wald test leaves the bias out."""
        self.refuse("test", "a Wald test leaves the bias out; tidy() has the p-value of no jump")

    def transform(self, function: Any, names: Any = None) -> Any:
        """Refused: the delta method leaves the bias out."""
        self.refuse("transform", "the delta method leaves the bias out")

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Any:
        """Refused: resampling does not see the bias."""
        self.refuse("bootstrap", "resampling does not see the bias")
