"""`DidPath`: averages of group-time effects, over all and along a path."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.brief import Later
from statinf.effects.did.aggregate import PathAverages
from statinf.effects.did.bands import limits, uniform_critical
from statinf.effects.did.influence import UnitInfluence
from statinf.effects.did.problem import DidProblem
from statinf.errors import DataError, one_of
from statinf.frames import to_caller
from statinf.inference.vcov import VcovKinds
from statinf.internal import internal
from statinf.results import Estimate, Fit

if TYPE_CHECKING:
    from statinf.effects.did.fit import DidFit

VCOV = VcovKinds(default="HC0", names=("HC0",), robust="HC0", clustered=("HC0",), cluster_type="HC0")
"""Units are what is sampled: influence values have no leverages and no degrees of freedom to correct by."""

_ALONG = {"dynamic": "event", "group": "cohort", "calendar": "time", "simple": ""}
_TITLE = {
    "simple": "Average effect on the treated",
    "dynamic": "Effects by time since treatment",
    "group": "Effects by cohort",
    "calendar": "Effects by period",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DidPath(Fit):
    """Averages of group-time effects; tables use the normal distribution.

    Attributes
    ----------
    treatment : str
    average : {"simple", "dynamic", "group", "calendar"}
    at : ndarray, shape (k,)
        Times since treatment, cohorts or periods; empty for "simple".
    reference : ndarray, shape (r,)
        Times since treatment whose effect is zero by definition.
    units : UnitInfluence or None
        Not saved.
    """

    treatment: str
    average: str
    at: np.ndarray
    reference: np.ndarray
    units: UnitInfluence | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VCOV
    beside = ("path",)
    lacks = ("predict", "augment")

    @classmethod
    @internal
    def estimate(cls, made: PathAverages, problem: DidProblem, kind: str, fit: DidFit) -> Estimate:
        """The averages as an estimate."""
        units = UnitInfluence.of(problem, made.influence)
        return Estimate(
            terms=("overall", *(f"{_ALONG[kind]}[{value:.10g}]" for value in made.at.tolist())),
            theta=made.theta,
            moments=Later(UnitInfluence.by_row, units),
            nobs=fit.nobs,
            df_resid=fit.df_resid,
            facts=fit.facts,
            extra={
                "treatment": fit.treatment,
                "average": kind,
                "at": made.at,
                "reference": made.reference,
                "units": units,
            },
            covary=Later(UnitInfluence.covariance, units, problem.design),
        )

    @property
    def title(self) -> str:
        return f"{_TITLE[self.average]} of {self.treatment}, {self.method}"

    def lean(self) -> Self:
        return replace(super().lean(), units=None)

    def path(self, level: float = 0.95, *, replicas: int = 999, law: str = "mammen", seed: int = 0) -> Any:
        """The averages along the path with pointwise limits, and bands that hold for the whole path at once.

        Parameters
        ----------
        level : float
        replicas, law, seed
            Of the multiplier bootstrap behind the bands.

        Returns
        -------
        data frame
            A column event, cohort or time, and estimate, std_error, conf_low, conf_high, band_low, band_high.

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("mpdta")
        >>> fit = si.did("lemp ~ 1 | lpop", data, id="countyreal", time="year", cohort="first_treat")
        >>> fit.aggregate("group").path().round(3)[["cohort", "estimate", "band_low", "band_high"]]
           cohort  estimate  band_low  band_high
        0  2004.0    -0.085    -0.142     -0.028
        1  2006.0    -0.020    -0.061      0.020
        2  2007.0    -0.029    -0.066      0.009
        """
        return to_caller(self._path(level, replicas, law, seed), self.kind)

    def _path(self, level: float, replicas: int, law: str, seed: int) -> Any:
        import pandas as pd

        if not len(self.at):
            raise DataError("the simple average has no path; aggregate('dynamic'), 'group' or 'calendar' have one.")
        how: dict[str, Any] = {"level": level, "replicas": replicas, "law": law, "seed": seed}
        critical = uniform_critical(self, self.units, self.design, which=slice(1, None), **how)
        return pd.DataFrame({_ALONG[self.average]: self.at} | limits(self.theta[1:], self._se()[1:], level, critical))

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"path", "coefficients"}, optional
            The path with pointwise limits and uniform bands (the default, the event study of "dynamic"), or intervals of all
            averages.
        **options
            Of "path": `level`, `replicas`, `law`, `seed`, `ax`.
        """
        usual = "path" if len(self.at) else "coefficients"
        kind = one_of("kind", kind or usual, ("path", "coefficients"))
        if kind == "coefficients":
            return super().plot(kind, **options)
        from statinf.plotting.did import plot_path

        how = {"level": 0.95, "replicas": 999, "law": "mammen", "seed": 0}
        how |= {name: options.pop(name) for name in list(options) if name in how}
        return plot_path(self._path(**how), self.reference, event=self.average == "dynamic", **options)
