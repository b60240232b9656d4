"""The result of a censored normal regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from statinf.errors import NotIdentifiedError, one_of
from statinf.formula.frame import as_frame
from statinf.inference.distributions import t_quantile
from statinf.internal import internal
from statinf.models.class_means import tobit_means
from statinf.models.likelihood_fit import LikelihoodFit
from statinf.models.limits import limit_values, sides
from statinf.models.regression_fit import check_interval
from statinf.models.tobit_rows import tobit_problem
from statinf.numerics.limited.censored_means import SCALES, censored_mean
from statinf.results import augmented, format_number, prediction_frame, predictor, unsupported
from statinf.results.margins.mean import MeanModel
from statinf.results.predicting import prediction_rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TobitFit(LikelihoodFit):
    """y = min(max(x'b + sigma e, lower), upper) with e standard normal; the last coefficient is log(sigma).

    Attributes
    ----------
    lower, upper : float, str or None
        Limits: numbers, names of columns, or none.
    counts : mapping of str to int
        Rows at the lower limit, seen, and at the upper limit.
    """

    lower: Any
    upper: Any
    counts: dict[str, int]

    beside: ClassVar[tuple[str, ...]] = ("sigma", "sigma_std_error", "fitted", "residuals")

    @property
    def sigma(self) -> float:
        """Standard deviation of the latent outcome about its mean."""
        return float(np.exp(self.theta[-1]))

    @property
    def sigma_std_error(self) -> float:
        """Of `sigma`, by the delta method; an interval for sigma is best the exponential of that for log(sigma)."""
        return self.sigma * float(self._se()[-1])

    # --- statistics ---------------------------------------------------------------------------------------

    def glance_items(self) -> dict[str, Any]:
        return {
            "nobs": self.nobs,
            "df_resid": self.df_resid,
            "n_lower": self.counts["lower"],
            "n_uncensored": self.counts["uncensored"],
            "n_upper": self.counts["upper"],
            "sigma": self.sigma,
            "sigma_std_error": self.sigma_std_error,
        } | self.likelihood_items()

    @property
    def title(self) -> str:
        ends = [
            f"{word} limit {end}" for word, end in (("lower", self.lower), ("upper", self.upper)) if end is not None
        ]
        return f"Tobit: normal regression with {' and '.join(_shown(e) for e in ends)}"

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Observations": self.nobs}
        named = {"At the lower limit": "lower", "Uncensored": "uncensored", "At the upper limit": "upper"}
        facts |= {label: self.counts[key] for label, key in named.items() if key == "uncensored" or self.counts[key]}
        sigma = f"{format_number(self.sigma)} (std. error {format_number(self.sigma_std_error)})"
        return facts | {"Sigma": sigma, "Log-likelihood": self.loglik, "AIC": self.glance_items()["aic"]}

    # --- rows ---------------------------------------------------------------------------------------------

    @property
    def _estimated(self) -> np.ndarray:
        return self.estimable[:-1]

    @property
    def fitted(self) -> np.ndarray:
        """Latent means of the rows used, shape (rows used,)."""
        made = self._need_rows("fitted values")
        return predictor(made.parts[0], self.theta[:-1], made.offset)

    @property
    def residuals(self) -> np.ndarray:
        """Recorded outcome less latent mean, shape (rows used,): censored where the outcome is."""
        return self._need_rows("residuals").y - self.fitted

    def augment(self) -> Any:
        """The data of the fit with latent mean, residual, and the side of each row: -1, 0 or 1 for lower, seen, upper."""
        made = self._need_rows("row-wise diagnostics")
        lower, upper = self._limits_of(made.frame, made.rows)
        side = np.where(made.y <= lower, -1.0, np.where(made.y >= upper, 1.0, 0.0))
        return augmented(made, {"fitted": self.fitted, "residual": self.residuals, "censored": side})

    def _limits_of(self, frame: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return limit_values(frame, self.lower, "lower", rows), limit_values(frame, self.upper, "upper", rows)

    @internal
    def means(
        self, X: np.ndarray, offset: np.ndarray | None, lower: np.ndarray, upper: np.ndarray, scale: str = "censored"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Expected outcomes (n,) for columns (n, k) that are not aliased, and their derivatives in all coefficients (n, q)."""
        theta = self.theta[self.estimable]
        eta = X @ theta[:-1] if offset is None else X @ theta[:-1] + offset
        mean, slope, spread = censored_mean(scale, eta, self.sigma, lower, upper)
        return mean, np.column_stack([X * slope[:, None], spread])

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, scale: str = "latent"
    ) -> Any:
        """Expected outcomes, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default. Limits that are columns are read from it where the scale needs them.
        interval : {None, "confidence"}
        level : float
        scale : {"latent", "censored", "uncensored", "probability"}
            The latent mean x'b; the mean of the outcome as it is recorded, limits included; the mean of outcomes between
            the limits; the probability of lying there.

        Returns
        -------
        data frame
            Columns estimate, std_error and, with an interval, conf_low and conf_high; limits of a probability are made on
            the logit scale. Rows that cannot be predicted are NaN and one warning counts them.
        """
        one_of("scale", scale, SCALES)
        if interval == "prediction":
            raise NotIdentifiedError(
                "a tobit has intervals for expected outcomes; use interval='confidence', or si.conformal for new outcomes."
            )
        check_interval(interval, level, ("confidence",))
        rows = prediction_rows(self, newdata)
        matrix = rows.parts["covariates"]
        broken = unsupported(matrix, self._estimated, self.aliases) | ~rows.ok
        X = np.where(broken[:, None], 0.0, matrix.values[:, self._estimated])
        lower = upper = np.zeros(rows.n)
        if scale != "latent":
            names = [name for name in (self.lower, self.upper) if isinstance(name, str)]
            frame = as_frame(rows.frame.native if names else {}, names) if names else rows.frame
            lower, upper = self._limits_of(frame, np.arange(rows.n))
        offset = None if rows.offset is None else np.where(broken, 0.0, rows.offset)
        mean, slope = self.means(X, offset, lower, upper, scale)
        half = slope @ self.cov.root
        se = np.sqrt(np.einsum("ij,ij->i", half, half))
        columns = {"estimate": mean, "std_error": se}
        if interval is not None:
            columns |= _interval(mean, se, float(t_quantile(0.5 + level / 2.0, self.cov.df)), scale)
        return prediction_frame(rows, {name: np.where(broken, np.nan, v) for name, v in columns.items()})

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        return tobit_means(self, promise)

    # --- draws --------------------------------------------------------------------------------------------

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        made = self._need_rows("bootstrap draws")
        used = np.flatnonzero(made.weights > 0)
        lower, upper = self._limits_of(made.frame, made.rows[used])
        side = sides(made.y[used], lower, upper, made.response_names[0], made.rows[used])
        problem, theta = tobit_problem(made, side, warn=False), self.theta[self.estimable]
        return self._refits(lambda w: problem.refit(w, theta), studentize)


def _interval(mean: np.ndarray, se: np.ndarray, quantile: float, scale: str) -> dict[str, np.ndarray]:
    if scale != "probability":
        return {"conf_low": mean - quantile * se, "conf_high": mean + quantile * se}
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, half = np.log(mean) - np.log1p(-mean), quantile * se / (mean * (1.0 - mean))
        return {
            end: 0.5 * (1.0 + np.tanh(0.5 * (centre + sign * half)))
            for end, sign in (("conf_low", -1), ("conf_high", 1))
        }


def _shown(end: Any) -> str:
    return str(end).removesuffix(".0")
