"""The result of a generalised linear model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, check_level, one_of
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.internal import internal
from statinf.models.regression_fit import FITTED, RegressionFit, check_interval
from statinf.numerics.glm.families import ALL_FAMILIES, Family, family_of
from statinf.numerics.linear.triangular import solve_triangular
from statinf.results.predicting import prediction_frame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GeneralizedFit(RegressionFit):
    """A generalised linear model; `factor` is that of the Fisher information at dispersion 1.

    Attributes
    ----------
    family, link : str
    deviance, null_deviance : float
    dispersion : float
        1 for binomial and poisson, else Pearson's chi-square over the residual degrees of freedom.
    loglik : float
    iterations : int
    df_null : float
    shape : mapping of str to float
        Further parameters of the law, such as "alpha", and what is known of them.
    penalty : str
        Empty for maximum likelihood.
    """

    family: str
    link: str
    deviance: float
    null_deviance: float
    dispersion: float
    loglik: float
    iterations: int
    df_null: float
    shape: Mapping[str, float] = field(default_factory=dict)
    penalty: str = ""

    beside = ("overdispersion",)
    vcov_kinds = VcovKinds(default="iid")

    @property
    def _family(self) -> Family:
        return family_of(self.family, self.link, alpha=self.shape.get("alpha", 0.0), among=ALL_FAMILIES)

    @property
    def alpha(self) -> float:
        """Overdispersion of a negative binomial, variance mu + alpha mu^2; NaN for other families."""
        return float(self.shape.get("alpha", np.nan))

    def _first_covariance(self, spec: VcovSpec) -> Covariance:
        if "strength" in self.shape and not spec.explicit:
            q = int(np.count_nonzero(self.estimable))
            label = "none, as the coefficients are shrunken"
            return Covariance(np.full((q, q), np.nan), "none", label, np.nan)
        return RegressionFit._first_covariance(self, spec)

    def overdispersion(self, level: float = 0.95) -> Any:
        """Estimates of a negative binomial's alpha and of R's theta, 1 / alpha.

        Parameters
        ----------
        level : float

        Returns
        -------
        data frame
            Columns term, estimate, std_error, conf_low and conf_high. Standard errors come from the information in alpha, or are
            robust as those of the coefficients are; limits are symmetric in the logarithm.

        Raises
        ------
        NotIdentifiedError
            If the fit estimates no overdispersion.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.glm("days ~ sex + age", si.datasets.load("quine"), family="negative_binomial")
        >>> print(fit.overdispersion().round(4).to_string(index=False))
         term  estimate  std_error  conf_low  conf_high
        alpha    0.8716     0.1074    0.6846     1.1096
        theta    1.1474     0.1413    0.9012     1.4607
        """
        from statinf.models.overdispersed import overdispersion

        return overdispersion(self, level)

    @property
    @internal
    def normal_reference(self) -> bool:  # type: ignore[override]
        """Z for known dispersion, t otherwise, as R's summary.glm."""
        return self._family.known_dispersion

    def glance_items(self) -> dict[str, Any]:
        k = len(self.factor) + (0 if self._family.known_dispersion else 1) + ("information" in self.shape)
        if "strength" in self.shape:
            k = np.nan  # coefficients that are shrunken are not as many as they are
        return {
            "nobs": self.nobs,
            "df_resid": self.df_resid,
            "deviance": self.deviance,
            "null_deviance": self.null_deviance,
            "df_null": self.df_null,
            "dispersion": self.dispersion,
            "loglik": self.loglik,
            "aic": -2 * self.loglik + 2 * k,
            "bic": -2 * self.loglik + np.log(self.nobs) * k,
            "iterations": self.iterations,
        } | ({"alpha": self.alpha} if np.isfinite(self.alpha) else {})

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        if interval != "profile":
            return RegressionFit._limits(self, level, interval)
        from statinf.models.profile import profile_limits

        check_level(level)
        return profile_limits(self, level)

    @property
    def title(self) -> str:
        return f"Generalised linear model: {self.family}, {self.link} link"

    @property
    def model_name(self) -> str:
        return f"{self.method}, {self.family}, {self.link}"

    def summary_facts(self) -> dict[str, Any]:
        g = self.glance_items()
        facts = {
            "Observations": self.nobs,
            "Residual df": int(self.df_resid),
            "Deviance": self.deviance,
            "Null deviance": self.null_deviance,
        }
        facts |= {"AIC": g["aic"]} if not np.isnan(g["aic"]) else {}
        facts |= {} if self._family.known_dispersion else {"Dispersion": self.dispersion}
        return facts | self._overdispersion_facts() | dict(self.facts)

    def _overdispersion_facts(self) -> dict[str, Any]:
        if np.isnan(self.alpha):
            return {}
        if "information" not in self.shape:
            return {"alpha (given)": self.alpha}
        from statinf.models.overdispersed import poisson_test

        error = f" ({self.shape['information'] ** -0.5:.4g})" if self.alpha > 0 else " (at the border)"
        return {"alpha": f"{self.alpha:.4g}{error}"} | poisson_test(self)

    def _notes(self) -> tuple[str, ...]:
        notes = RegressionFit._notes(self)
        if self._family.law.density is None:
            return (*notes, "A quasi-likelihood has no log-likelihood and no AIC.")
        return (
            notes
            if self.weights_kind != "probability"
            else (*notes, "Weights of a survey make no likelihood and no AIC.")
        )

    @property
    def fitted(self) -> np.ndarray:
        """Fitted means, shape (rows used,)."""
        return self._family.link.inverse(self._predictor("fitted values"))

    def scaled_residuals(self, kind: str = "deviance") -> np.ndarray:
        one_of("kind", kind, ("deviance", "pearson", "working", "response"))
        made, family, mean = self._need_rows("residuals"), self._family, self.fitted
        raw = made.y - mean
        if kind == "response":
            return raw
        if kind == "working":
            return raw / family.link.slope(self._predictor("residuals"))
        if kind == "pearson":
            return raw * np.sqrt(self._row_weights("residuals") / family.variance(mean))
        return np.sign(raw) * np.sqrt(
            np.maximum(self._row_weights("residuals") * family.unit_deviance(made.y, mean), 0.0)
        )

    scaled_residuals.__doc__ = RegressionFit.scaled_residuals.__doc__

    def _working(self) -> np.ndarray:
        made = self._need_rows("leverages")
        return self._row_weights("leverages") * self._family.terms(self._predictor("leverages"), made.y)[1]

    def _link(self) -> Any:
        return self._family.link

    def _leverage(self) -> np.ndarray:
        if "strength" in self.shape:
            # Leverages are those of a regression; shrinkage has none.
            return np.full(self._need_rows("leverages").n, np.nan)
        return RegressionFit._leverage(self)

    def _diagnostics(self) -> dict[str, np.ndarray]:
        made = RegressionFit._diagnostics(self)
        h = made["leverage"]
        with np.errstate(divide="ignore", invalid="ignore"):
            pearson = self.scaled_residuals("pearson") / (1.0 - h)
            cooks = np.where(h < FITTED, pearson**2 * h / (self.dispersion * self.rank), np.nan)
        return made | {"cooks_distance": cooks}

    def _scale(self) -> float:
        return float(np.sqrt(self.dispersion))

    def _labels(self) -> dict[str, str]:
        return {"fitted_label": "linear predictor"}

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        from statinf.numerics.glm.irls import refit_alone
        from statinf.numerics.glm.irls_batch import refit_glm

        if studentize:
            raise NotIdentifiedError("studentised bootstrap intervals are for linear regressions; use interval='bca'.")
        if self.penalty:
            raise NotIdentifiedError(
                f"there are no refits with penalty={self.penalty!r}; si.bootstrap() repeats the whole call."
            )
        self._refittable()
        made, x = self._columns("bootstrap refits")
        # Columns that are orthonormal under the information: normal equations of replicas lose no digits.
        inverse = solve_triangular(self.factor, np.eye(self.rank))
        start = self.factor @ self.theta[self.estimable]
        basis = x @ inverse

        def solve(w: np.ndarray) -> np.ndarray:
            weights = w * made.weights
            found = np.array(refit_glm(basis, made.y, self._family, weights, offset=made.offset, start=start))
            if not self._family.canonical:
                # Those whose steps hardly shrink, which Newton's do.
                for i in np.flatnonzero(np.isnan(found).any(axis=1)):
                    found[i] = refit_alone(basis, made.y, self._family, weights[i], made.offset, start)
            return found @ inverse.T

        return solve

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, scale: str = "response"
    ) -> Any:
        """Predicted means, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
            Limits for the mean, made on the link's scale and mapped back.
        level : float
        scale : {"response", "link"}

        Returns
        -------
        data frame
            Columns estimate, std_error and, with an interval, conf_low and conf_high. Rows that cannot be
            predicted are NaN and one warning counts them.
        """
        one_of("scale", scale, ("response", "link"))
        if interval == "prediction":
            raise NotIdentifiedError(
                "a generalised linear model has no closed-form prediction interval; use interval='confidence' or si.conformal."
            )
        check_interval(interval, level, ("confidence",))
        rows, eta, se = self._predicted(newdata)
        inverse = self._family.link.inverse if scale == "response" else (lambda e: e)
        slope = np.abs(self._family.link.slope(eta)) if scale == "response" else 1.0
        columns = {"estimate": inverse(eta), "std_error": slope * se}
        if interval is not None:
            half = t_quantile(0.5 + level / 2.0, self._row_df(rows)) * se
            limits = np.stack([inverse(eta - half), inverse(eta + half)])
            columns |= {"conf_low": limits.min(axis=0), "conf_high": limits.max(axis=0)}
        return prediction_frame(rows, columns)
