"""The result of a linear regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.inference.distributions import f_sf, prediction_half_width, t_quantile
from statinf.inference.hypotheses import wald
from statinf.inference.least_squares import refit_solver
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovKinds
from statinf.models.regression_fit import RegressionFit, blocks_read, check_interval
from statinf.results.predicting import prediction_frame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LinearFit(RegressionFit):
    """A linear regression.

    Attributes
    ----------
    rss : float
        Weighted residual sum of squares.
    mss : float
        Weighted sum of squares of the fitted values about their mean (about zero without an intercept).
    intercept : bool
    log_weights : float
        Sum of the logs of positive weights, for the likelihood.
    """

    rss: float
    mss: float
    intercept: bool
    log_weights: float

    vcov_kinds = VcovKinds(default="HC1")

    @property
    def sigma(self) -> float:
        """Residual standard deviation; NaN without degrees of freedom."""
        return float(np.sqrt(self.rss / self.df_resid)) if self.df_resid > 0 else np.nan

    @property
    def r_squared(self) -> float:
        """Share of the weighted variation that the fit explains; NaN where nothing varies."""
        total = self.mss + self.rss
        if total > 0 and self.rank == int(self.intercept):
            return 0.0
        return self.mss / total if total > 0 else np.nan

    @property
    def loglik(self) -> float:
        """Gaussian log-likelihood at the maximum; NaN with weights of a survey, which make none."""
        n = self.nobs
        return 0.5 * (self.log_weights - n * (np.log(2 * np.pi) + 1.0 - np.log(n) + np.log(self.rss)))

    def glance_items(self) -> dict[str, Any]:
        n, k, base = self.nobs, self.rank, int(self.intercept)
        tested = k - base
        f, p, df, label = self._overall()
        with np.errstate(divide="ignore", invalid="ignore"):
            loglik = self.loglik
        return {
            "nobs": n,
            "df_resid": self.df_resid,
            "r_squared": self.r_squared,
            "adj_r_squared": self._adjusted(),
            "sigma": self.sigma,
            "statistic": f,
            "p_value": p,
            "df": tested,
            "df_denominator": df,
            "test": label,
            "loglik": loglik,
            "aic": -2 * loglik + 2 * (k + 1),
            "bic": -2 * loglik + np.log(n) * (k + 1),
            "deviance": self.rss,
        }

    def _adjusted(self) -> float:
        """The share explained, less what as many columns would explain by chance."""
        if self.df_resid <= 0:
            return np.nan
        return 1.0 - (1.0 - self.r_squared) * (self.nobs - int(self.intercept)) / self.df_resid

    def _overall(self) -> tuple[float, float, float, str]:
        """Test that all slopes are zero, with the covariance of the fit: statistic, p-value, df, name."""
        tested = self.rank - int(self.intercept)
        if not tested or self.df_resid <= 0:
            return np.nan, np.nan, np.nan, ""
        if self.cov.kind == "iid":
            with np.errstate(divide="ignore"):
                f = float(np.divide(self.mss / tested, self.rss / self.df_resid))
            return f, f_sf(f, tested, self.df_resid) if np.isfinite(f) else np.nan, self.df_resid, "F"
        slopes = np.eye(self.rank)[int(self.intercept) :]
        try:
            found = wald(self.theta[self.estimable], self.cov, slopes, np.zeros(tested), self.cov.df, "all slopes")
        except NotIdentifiedError:
            return np.nan, np.nan, np.nan, ""
        f = found.statistic if np.isfinite(found.df_denominator) else found.statistic / tested
        return f, found.p_value, found.df_denominator, f"Wald F, {self.cov.label}"

    @property
    def title(self) -> str:
        return "Linear regression"

    def summary_facts(self) -> dict[str, Any]:
        return {
            "Observations": self.nobs,
            "Residual df": int(self.df_resid),
            "R2": self.r_squared,
            "Adjusted R2": self._adjusted(),
            "Residual std. deviation": self.sigma,
        } | blocks_read(self.facts)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        self._refittable()
        made, x = self._columns("bootstrap refits")
        outcome = made.y if made.offset is None else made.y - made.offset
        return refit_solver(x, outcome, made.weights, studentize=studentize)

    def wild_influence(self) -> np.ndarray:
        moments = self.moments()
        if moments.adjustment is not None:
            raise NotIdentifiedError(
                "the wild bootstrap takes weights as known; use kind='multiplier' with estimated ones."
            )
        inside, outside = moments.split
        scale = np.sqrt(1.0 - np.minimum(moments.leverage, 1 - 1e-10))
        return (moments.scores / scale[:, None]) @ inside @ outside.T

    def linear_moments(self, what: str) -> Moments:
        self._need_rows("bootstrap draws and random assignments")
        moments = self.moments()
        if moments.adjustment is not None or moments.outside is not None:
            raise NotIdentifiedError(f"{what} takes weights as known, and those of this fit were estimated.")
        return moments

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Predicted means, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            Anything the fit reads; the data of the fit by default.
        interval : {None, "confidence", "prediction"}
            Limits for the mean, or for a new outcome with one unit of weight. Prediction limits add the
            residual variance and assume that it is the same for all rows; the degrees of freedom of the
            covariance (those of few clusters) count for the mean's share of the width only.
        level : float

        Returns
        -------
        data frame
            Columns estimate and std_error; conf_low and conf_high with "confidence", lower and upper with
            "prediction". Rows that cannot be predicted are NaN and one warning counts them.
        """
        check_interval(interval, level, ("confidence", "prediction"))
        rows, mean, se = self._predicted(newdata)
        columns = {"estimate": mean, "std_error": se}
        if interval == "confidence":
            half = t_quantile(0.5 + level / 2.0, self._row_df(rows)) * se
            columns |= {"conf_low": mean - half, "conf_high": mean + half}
        elif interval == "prediction":
            half = prediction_half_width(se, self._row_df(rows), self.sigma, self.df_resid, level)
            columns |= {"lower": mean - half, "upper": mean + half}
        return prediction_frame(rows, columns)

    def _scale(self) -> float:
        return self.sigma

    def _diagnostics(self) -> dict[str, np.ndarray]:
        made = RegressionFit._diagnostics(self)
        h = made["leverage"]
        # Residuals as they are; a row of weight zero has no standardised one.
        standard = np.where(self._working() > 0, made["std_residual"], np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            cooks = standard**2 * h / (self.rank * (1.0 - h))
        return made | {"residual": self.residuals, "std_residual": standard, "cooks_distance": cooks}

    def _plotted(self, residual: np.ndarray) -> np.ndarray:
        return self.residuals
