"""`DidFit`: effects of each cohort at each period, their averages, the test of trends before treatment, and bands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.did.aggregate import KINDS, average, check_window
from statinf.effects.did.bands import limits, uniform_critical
from statinf.effects.did.estimation import GroupTimes
from statinf.effects.did.influence import UnitInfluence
from statinf.effects.did.path_fit import VCOV, DidPath
from statinf.effects.did.problem import DidProblem
from statinf.errors import NotIdentifiedError, one_of
from statinf.frames import to_caller
from statinf.inference.hypotheses import WaldTest, wald
from statinf.results import Fit


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DidFit(Fit):
    """Average effects on the treated by cohort and period; tables use the normal distribution.

    Attributes
    ----------
    treatment : str
    anticipation : float
    group, time, base : ndarray, shape (q,)
        Cohort, period and base period of each effect.
    left_out : tuple of str
        Cells without an effect, with the reason.
    found : GroupTimes or None
        Effects with influence values of units; not saved.
    problem : DidProblem or None
        Units, periods and cohorts; not saved.
    units : UnitInfluence or None
        Of the coefficients; not saved.
    """

    treatment: str
    anticipation: float
    group: np.ndarray
    time: np.ndarray
    base: np.ndarray
    left_out: tuple[str, ...] = ()
    found: GroupTimes | None = field(default=None, metadata={"saved": False})
    problem: DidProblem | None = field(default=None, metadata={"saved": False})
    units: UnitInfluence | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VCOV
    beside = ("aggregate", "group_time", "pretrends")
    lacks = ("predict", "augment")

    @property
    def title(self) -> str:
        return f"Group-time effects of {self.treatment}, {self.method}"

    def lean(self) -> Self:
        return replace(super().lean(), found=None, problem=None, units=None)

    def glance_items(self) -> dict[str, Any]:
        # Of units, one is the mean's.
        units = int(self.df_resid) + 1
        return {"nobs": self.nobs, "units": units, "cohorts": len(np.unique(self.group)), "effects": len(self.theta)}

    def aggregate(
        self,
        kind: str = "simple",
        *,
        min_e: float | None = None,
        max_e: float | None = None,
        balance_e: float | None = None,
        vcov: Any = None,
    ) -> DidPath:
        """Averages of the effects at and after treatment, and along a path; cells without an effect (`left_out`) do not count.

        Parameters
        ----------
        kind : {"simple", "dynamic", "group", "calendar"}
            "simple": all, weighted by the cohorts' sizes. "dynamic": by time since treatment, before it too; overall the mean of
            those from 0 on. "group": by cohort, alike over periods; overall by their sizes. "calendar": by period; overall the
            mean over periods.
        min_e, max_e : float, optional
            First and last time since treatment that counts.
        balance_e : float, optional
            Of "dynamic": only cohorts that are seen for so long after treatment, so that every average is over the same ones.
        vcov : str or mapping, optional
            That of the effects by default.

        Returns
        -------
        DidPath
            A fit whose first coefficient is `overall`; `path()` has uniform bands, `plot()` is the event study.

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("mpdta")
        >>> fit = si.did("lemp ~ 1 | lpop", data, id="countyreal", time="year", cohort="first_treat")
        >>> study = fit.aggregate("dynamic")
        >>> study.tidy()[["term", "estimate", "std_error"]].round(4)
                term  estimate  std_error
        0    overall   -0.0804     0.0190
        1  event[-3]    0.0267     0.0141
        2  event[-2]   -0.0036     0.0129
        3  event[-1]   -0.0232     0.0145
        4   event[0]   -0.0211     0.0115
        5   event[1]   -0.0530     0.0163
        6   event[2]   -0.1404     0.0354
        7   event[3]   -0.1069     0.0329
        """
        one_of("kind", kind, KINDS)
        window = check_window(min_e, max_e, balance_e, kind)
        design = self._need_rows("averages of effects")
        assert self.found is not None and self.problem is not None
        made = average(self.found, self.problem, kind, window)
        from statinf.effects.table import DID

        return DidPath.of(
            design,
            DidPath.estimate(made, self.problem, kind, self),
            self._kind_of(vcov),
            method=DID[self.method],
        )

    def _kind_of(self, vcov: Any) -> Any:
        """A covariance as asked for, or that of this fit where it can be made anew."""
        if vcov is not None:
            return vcov
        kind = self._undrawn_kind
        return kind if isinstance(kind, dict) else None

    def pretrends(self) -> WaldTest:
        """Wald test that all effects before treatment, and before its anticipation, are zero.

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("mpdta")
        >>> fit = si.did("lemp ~ 1 | lpop", data, id="countyreal", time="year", cohort="first_treat")
        >>> fit.pretrends()
        effects before treatment = 0: chi2(5) = 6.84182, p = 0.2327
        """
        before = self.time < self.group - self.anticipation
        if not before.any():
            raise NotIdentifiedError(
                "there are no effects before treatment to test: every cohort has one period before it, the base."
            )
        matrix = np.eye(len(self.theta))[before]
        return wald(
            self.theta, self.cov, matrix, np.zeros(len(matrix)), self.cov.df, "effects before treatment = 0"
        ).handed(self.kind)

    def group_time(self, level: float = 0.95, *, replicas: int = 999, law: str = "mammen", seed: int = 0) -> Any:
        """The effects with pointwise limits, and bands that hold for all of them at once.

        Parameters
        ----------
        level : float
        replicas, law, seed
            Of the multiplier bootstrap behind the bands.

        Returns
        -------
        data frame
            Columns group, time, event, base, estimate, std_error, conf_low, conf_high, band_low, band_high.
        """
        import pandas as pd

        how: dict[str, Any] = {"level": level, "replicas": replicas, "law": law, "seed": seed}
        critical = uniform_critical(self, self.units, self.design, **how)
        columns = {"group": self.group, "time": self.time, "event": self.time - self.group, "base": self.base}
        return to_caller(pd.DataFrame(columns | limits(self.theta, self._se(), level, critical)), self.kind)

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"event", "cohorts", "coefficients"}, optional
            The event study with uniform bands (the default); effects of each cohort against the period; intervals of all.
        **options
            `level`, `ax`; of "event" those of `DidPath.plot`.
        """
        kind = one_of("kind", kind or "event", ("event", "cohorts", "coefficients"))
        if kind == "coefficients":
            return super().plot(kind, **options)
        if kind == "event":
            return self.aggregate("dynamic").plot("path", **options)
        from statinf.plotting.did import plot_cohorts

        low, high = self._limits(options.pop("level", 0.95), None)
        return plot_cohorts(self.group, self.time, self.theta, low, high, **options)
