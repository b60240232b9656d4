"""`ShiftFit`: a regression fitted on the source and judged on the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import prediction_half_width
from statinf.inference.effective import by_effective_rows
from statinf.inference.least_squares import refit_solver
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovKinds
from statinf.models.generalized_fit import GeneralizedFit
from statinf.models.regression_fit import blocks_read, check_interval
from statinf.passes.block_weights import BlockWeights
from statinf.results import Weights, to_caller
from statinf.results.clusters import fit_clusters
from statinf.results.predicting import prediction_frame
from statinf.shifts.cross_validation import cross_validate
from statinf.shifts.problem import ShiftProblem
from statinf.shifts.samples import Samples
from statinf.shifts.specification import risk, specification_test


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ShiftFit(GeneralizedFit):
    """A generalised linear model for the target population.

    Attributes
    ----------
    ratio : Weights, BlockWeights or None
        The density ratio that weights the source rows; None for maximum likelihood.
    inflation : float
        ``tr(I_T I_S^{-1}) / p`` with the mean information of a target and of a source row: how much larger the target's
        prediction error from estimating coefficients is than it were without a shift. 1 where the samples are alike.
    target_rows : int
        Target rows of positive weight.
    samples : Samples or None
        Both samples; not saved.
    ratio_given : object
        How `specification_test`, `risk` and `cross_validate` find the ratio where the fit has none; not saved.
    """

    ratio: Weights | BlockWeights | None = None
    inflation: float = np.nan
    target_rows: int = 0
    samples: Samples | None = field(default=None, metadata={"saved": False})
    ratio_given: Any = field(default=None, metadata={"saved": False})

    vcov_kinds = VcovKinds(default="HC1")
    beside = ("specification_test", "risk", "cross_validate")

    @property
    def title(self) -> str:
        kind = "maximum likelihood on the source" if self.ratio is None else "importance-weighted likelihood"
        return f"Regression under covariate shift: {kind}, {self.family}, {self.link} link"

    @property
    def _linear(self) -> bool:
        return self.family == "gaussian" and self.link == "identity"

    def _covariance(self, kind: Any) -> Covariance:
        found = super()._covariance(kind)
        # What makes covariances of blocks counts the rows behind them itself.
        return found if self.source is None else self._counted(found, kind, self.moments)

    def _counted(self, found: Covariance, kind: Any, moments: Callable[[], Moments]) -> Covariance:
        """Where weights are uneven, few rows carry a variance: intervals are those of a t law with so many degrees of freedom."""
        if self.ratio is None or isinstance(kind, Mapping) or kind == "iid":
            return found
        return by_effective_rows(found, moments().influence)

    def _notes(self) -> tuple[str, ...]:
        notes = super()._notes()
        if self.ratio is None or self.cov.each is None:
            return notes
        said = "Intervals are those of the t distribution with the effective number of rows behind each standard error"
        return (*notes, f"{said}, {self.cov.df:.1f} at least.")

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if not self._linear:
            return GeneralizedFit.refit_solver(self, studentize)
        made, x = self._columns("bootstrap refits")
        outcome = made.y if made.offset is None else made.y - made.offset
        return refit_solver(x, outcome, made.weights, studentize=studentize)

    def glance_items(self) -> dict[str, Any]:
        items = {"nobs": self.nobs, "target_rows": self.target_rows, "df_resid": self.df_resid}
        items |= {"dispersion": self.dispersion, "shift_inflation": self.inflation}
        if self.ratio is not None:
            largest, total = largest_weight(self.ratio)
            items |= {"ess": self.ratio.ess, "largest_weight": largest * self.nobs / total}
        return items

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows or "known margins"}
        if self.ratio is not None:
            g = self.glance_items()
            facts |= {"Density ratio": self.ratio.method, "Effective sample size": self.ratio.ess}
            facts["Largest weight"] = g["largest_weight"]
        inflation = {"Shift inflation": self.inflation} if np.isfinite(self.inflation) else {}
        return facts | {"Dispersion": self.dispersion} | inflation | blocks_read(self.facts)

    def _diagnostics(self) -> dict[str, np.ndarray]:
        made = GeneralizedFit._diagnostics(self)
        if not self._linear:
            return made
        h = made["leverage"]
        with np.errstate(divide="ignore", invalid="ignore"):
            cooks = made["std_residual"] ** 2 * h / (self.rank * (1.0 - h))
        return made | {"residual": self.residuals, "cooks_distance": cooks}

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, scale: str = "response"
    ) -> Any:
        """Predicted means, by default at the target rows.

        Parameters
        ----------
        newdata : data frame, optional
            The target frame by default.
        interval : {None, "confidence", "prediction"}
            Limits for the mean, made on the link's scale and mapped back; or for a new outcome of a linear gaussian
            model.
        level : float
        scale : {"response", "link"}

        Returns
        -------
        data frame
            Columns estimate and std_error; conf_low and conf_high with "confidence", lower and upper with "prediction".
        """
        if newdata is None and self.samples is None:
            raise DataError("a saved fit and one of data read in blocks leave the target's rows out; give newdata=.")
        if newdata is None and self.samples is not None and self.samples.target.known is not None:
            raise DataError("the target is known margins, which have no rows to predict; give newdata=.")
        rows = newdata if newdata is not None or self.samples is None else self.samples.target.frame
        if interval != "prediction" or not self._linear:
            return GeneralizedFit.predict(self, rows, interval=interval, level=level, scale=scale)
        check_interval(interval, level, ("prediction",))
        new, mean, se = self._predicted(rows)
        half = prediction_half_width(se, self.cov.df, float(np.sqrt(self.dispersion)), self.df_resid, level)
        return prediction_frame(new, {"estimate": mean, "std_error": se, "lower": mean - half, "upper": mean + half})

    def specification_test(self, ratio: Any = None) -> Any:
        """Hausman-type test that likelihood and weighted likelihood estimate the same coefficients.

        Parameters
        ----------
        ratio : str or Weights, optional
            The density ratio of the weighted fit; the fit's own, or "logistic", by default.

        Returns
        -------
        statinf.inference.WaldTest
            Chi-square with as many degrees of freedom as directions in which the two can differ, by clusters where the fit's
            covariance is. A small p-value says that the model is wrong on the target and that the weighted fit is the one to
            use.
        """
        return specification_test(self._problem(), self._chosen(ratio), self._undrawn_kind).handed(self.kind)

    def risk(self, ratio: Any = None) -> Any:
        """Estimated excess risk on the target of likelihood and weighted likelihood, side by side.

        Parameters
        ----------
        ratio : str or Weights, optional
            As in `specification_test`.

        Returns
        -------
        data frame
            Rows mle and mwle; columns estimator, variance, squared_bias, excess_risk, in units of the mean negative
            log-likelihood of a target row. The weighted fit counts as unbiased.
        """
        if self.samples is not None and self.samples.target.known is not None:
            raise NotIdentifiedError("the risk on the target needs its rows, and only margins are known.")
        return to_caller(risk(self._problem(), self._chosen(ratio), self._undrawn_kind), self.kind)

    def cross_validate(
        self, powers: Any = (0.0, 0.25, 0.5, 0.75, 1.0), *, folds: int = 5, ratio: Any = None, seed: int = 0
    ) -> Any:
        """Importance-weighted cross-validation over powers of the density ratio (Sugiyama et al. 2007).

        Parameters
        ----------
        powers : sequence of float
            0 is maximum likelihood, 1 the full weights.
        folds : int
            Clusters of the fit's covariance stay whole.
        ratio : str or Weights, optional
            As in `specification_test`.
        seed : int
            Of the folds; the order of the rows does not matter.

        Returns
        -------
        data frame
            Columns power, risk (mean deviance on the target, estimated from held-out source rows), std_error.
        """
        found = cross_validate(self._problem(), powers, folds, self._chosen(ratio), seed, self._clusters())
        return to_caller(found, self.kind)

    def _clusters(self) -> list[np.ndarray]:
        """Codes of the covariance's clusters on the rows of the samples, numbered as they come."""
        kind = self._undrawn_kind
        if self.samples is None or not isinstance(kind, Mapping):
            return []
        made = []
        for codes in fit_clusters(self.samples.design, kind).values():
            _, first, code = np.unique(codes[self.samples.at_source], return_index=True, return_inverse=True)
            made.append(np.argsort(np.argsort(first))[code])
        return made

    def _problem(self) -> ShiftProblem:
        if self.samples is None:
            raise DataError(
                "comparisons with the weighted fit need both samples, which a saved fit and one of data read in blocks leave "
                "out; fit again, on rows in memory."
            )
        return ShiftProblem(self.samples, self._family, self.ratio if isinstance(self.ratio, Weights) else None)

    def _chosen(self, ratio: Any) -> Any:
        """The ratio asked for, else the fit's own, else what the fit was told."""
        own = self.ratio_given if self.ratio is None else self.ratio
        return own if ratio is None else ratio


def largest_weight(ratio: Any) -> tuple[float, float]:
    """The largest weight of a ratio, and the sum of all."""
    if isinstance(ratio, BlockWeights):
        return ratio.sums.largest, ratio.sums.total
    values = ratio.values[ratio.values > 0]
    return float(values.max()), float(values.sum())
