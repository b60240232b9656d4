"""`RobustFit`: a regression of least worst-case loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, check_level, one_of
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds
from statinf.models.minimised import expit, predicted
from statinf.models.regression_fit import check_interval
from statinf.results import Fit, Weights, augmented, predictor, to_caller
from statinf.results.clusters import fit_clusters
from statinf.shifts.samples import Samples

NAMES = {"chi2": "chi-square", "kl": "Kullback-Leibler", "cvar": "CVaR", "wasserstein": "Wasserstein"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RobustFit(Fit):
    """A regression of least worst-case loss over a ball of laws.

    Attributes
    ----------
    ball : str
    size : float
        Radius; the level of a CVaR.
    loss : str
        "squared" is half the squared residual, "logistic" the negative log-likelihood.
    worst_case_risk, source_risk : float
        Mean loss under the worst law of the ball, and under the source; `risk` has their errors.
    worst_law : ndarray, shape (rows used,)
        Probabilities of the source rows in the worst case.
    aliases : ndarray
        How the columns that are not aliased make those that are.
    steps : int
    ratio : Weights or None
        The density ratio at whose law the ball is centred.
    target_rows : int
    """

    ball: str
    size: float
    loss: str
    worst_case_risk: float
    source_risk: float
    worst_law: np.ndarray
    aliases: np.ndarray
    steps: int = 0
    ratio: Weights | None = None
    target_rows: int = 0
    samples: Samples | None = field(default=None, metadata={"saved": False})
    worst_covariance: Callable[[Any, Any], Covariance] | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(
        default="HC0", names=("HC0", "HC1", "fixed"), robust="HC0", clustered=("HC0", "HC1")
    )
    beside = ("risk", "worst_law", "worst_case_risk")

    @property
    def title(self) -> str:
        name = "level" if self.ball == "cvar" else "radius"
        return f"Distributionally robust regression: {NAMES[self.ball]} ball, {name} {self.size:g}, {self.loss} loss"

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows}
        if self.ratio is not None:
            facts["Ball around"] = f"the source weighted by '{self.ratio.method}'"
        facts |= {"Mean loss, source": self.source_risk, "Mean loss, worst case": self.worst_case_risk}
        return facts

    def glance_items(self) -> dict[str, Any]:
        return {
            "nobs": self.nobs,
            "target_rows": self.target_rows,
            "df_resid": self.df_resid,
            "ball": self.ball,
            "size": self.size,
            "loss": self.loss,
            "source_risk": self.source_risk,
            "worst_case_risk": self.worst_case_risk,
            "ess": self.worst_ess,
        }

    @property
    def worst_ess(self) -> float:
        """Effective number of source rows in the worst case."""
        return float(1.0 / (self.worst_law**2).sum())

    def risk(self, level: float = 0.95) -> Any:
        """Mean loss in the worst case with its standard error, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
            Confidence.

        Returns
        -------
        data frame
            Row "worst case"; columns term, estimate, std_error, conf_low, conf_high.
        """
        import pandas as pd

        check_level(level)
        design = self._need_rows("errors of the worst case")
        if self.worst_covariance is None:
            raise NotIdentifiedError("the rows are fitted exactly: the worst-case loss has no standard error.")
        own = self._undrawn_kind
        kind = own if isinstance(own, dict) or own in self.vcov_kinds.names else "HC0"
        clusters = fit_clusters(design, kind)
        found = self.worst_covariance(kind, clusters)
        se = float(np.sqrt(found.matrix[0, 0]))
        half = float(t_quantile(0.5 + level / 2, found.df)) * se
        value = self.worst_case_risk
        row = {
            "term": "worst case",
            "estimate": value,
            "std_error": se,
            "conf_low": value - half,
            "conf_high": value + half,
        }
        return to_caller(pd.DataFrame([row]), self.kind)

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Predictions, by default at the target rows; with the logistic loss the probability of a one.

        Parameters
        ----------
        newdata : data frame, optional
            The target frame by default.
        interval : {None, "confidence"}
        level : float

        Returns
        -------
        data frame
            Columns estimate, std_error and, with an interval, conf_low and conf_high.
        """
        if interval == "prediction":
            raise NotIdentifiedError("a robust regression has no prediction interval; use si.conformal.")
        check_interval(interval, level, ("confidence",))
        if newdata is None:
            if self.samples is None:
                raise DataError("a saved fit leaves the target frame out; give newdata=.")
            newdata = self.samples.target.frame
        return predicted(self, newdata, self.loss == "logistic", interval, level)

    def augment(self) -> Any:
        """The data of the fit with the prediction and each row's probability in the worst case."""
        made = self._need_rows("row-wise diagnostics")
        fitted = predictor(made.parts[0], self.theta, made.offset)
        fitted = expit(fitted) if self.loss == "logistic" else fitted
        return augmented(made, {"fitted": fitted, "worst_law": self.worst_law})

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure of the coefficients' intervals.

        Parameters
        ----------
        kind : {"coefficients"}
        """
        one_of("kind", kind, ("coefficients",))
        return Fit.plot(self, kind, **options)

    def lean(self) -> Self:
        return replace(super().lean(), samples=None, worst_covariance=None, worst_law=np.empty(0))
