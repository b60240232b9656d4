"""The result of `effect(method="dose")`: a dose-response curve with pointwise and uniform bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.band import Band
from statinf.effects.effect_fit import EffectFit
from statinf.errors import check_level, one_of
from statinf.inference.bands import sup_t_critical


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DoseFit(EffectFit):
    """Mean outcomes at doses, jointly; tables use the normal distribution.

    Attributes
    ----------
    doses : ndarray, shape (m,)
    bandwidth : float
        Of the local lines.
    """

    doses: np.ndarray
    bandwidth: float

    figures = ("curve", "coefficients")
    beside = ("curve",)

    @property
    def title(self) -> str:
        return f"Mean outcome by {self.treatment}, {self.method}"

    def curve(self, level: float = 0.95, *, seed: int = 0) -> Band:
        """The curve with limits at each dose, and a band that holds at all of them at once.

        Parameters
        ----------
        level : float
        seed : int
            Of the draws behind the band.

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("k401ksubs")
        >>> fit = si.effect("nettfa ~ age | inc + fsize + marr", data, method="dose", doses=[30, 40, 50])
        >>> list(fit.curve().frame().columns)
        ['age', 'estimate', 'std_error', 'conf_low', 'conf_high', 'band_low', 'band_high']
        """
        check_level(level)
        critical = sup_t_critical(self.cov.matrix, level, seed=seed)
        return Band(
            self.treatment, np.asarray(self.doses), self.theta, self._se(), level, critical, "mean outcome"
        ).handed(self.kind)

    def plot(self, kind: str = "curve", **options: Any) -> Any:
        """A figure: the "curve" with both bands, or "coefficients"."""
        one_of("kind", kind, ("curve", "coefficients"))
        if kind == "curve":
            return self.curve().plot(**options)
        return super().plot(kind, **options)
