"""The result of a generalised linear model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from statinf.errors import NotIdentifiedError, one_of
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds
from statinf.models.regression_fit import RegressionFit, check_interval
from statinf.numerics.glm.families import Family, family_of
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
    """

    family: str
    link: str
    deviance: float
    null_deviance: float
    dispersion: float
    loglik: float
    iterations: int
    df_null: float

    vcov_kinds = VcovKinds(default="iid")

    @property
    def _family(self) -> Family:
        return family_of(self.family, self.link)

    @property
    def normal_reference(self) -> bool:  # type: ignore[override]
        """Z for known dispersion, t otherwise, as R's summary.glm."""
        return self._family.known_dispersion

    def glance_items(self) -> dict[str, Any]:
        k = len(self.factor) + (0 if self._family.known_dispersion else 1)
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
        }

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
            "AIC": g["aic"],
        }
        return facts if self._family.known_dispersion else facts | {"Dispersion": self.dispersion}

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
            return raw * np.sqrt(made.weights / family.variance(mean))
        return np.sign(raw) * np.sqrt(np.maximum(made.weights * family.unit_deviance(made.y, mean), 0.0))

    scaled_residuals.__doc__ = RegressionFit.scaled_residuals.__doc__

    def _working(self) -> np.ndarray:
        made = self._need_rows("leverages")
        return made.weights * self._family.terms(self._predictor("leverages"), made.y)[1]

    def _link(self) -> Any:
        return self._family.link

    def _scale(self) -> float:
        return float(np.sqrt(self.dispersion))

    def _labels(self) -> dict[str, str]:
        return {"fitted_label": "linear predictor"}

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        from statinf.numerics.glm.irls_batch import refit_glm

        if studentize:
            raise NotIdentifiedError("studentised bootstrap intervals are for linear regressions; use interval='bca'.")
        made, x = self._columns("bootstrap refits")
        # Columns that are orthonormal under the information: normal equations of replicas lose no digits.
        inverse = solve_triangular(self.factor, np.eye(self.rank))
        start = self.factor @ self.theta[self.estimable]
        basis = x @ inverse

        def solve(w: np.ndarray) -> np.ndarray:
            found = refit_glm(basis, made.y, self._family, w * made.weights, offset=made.offset, start=start)
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
            half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            limits = np.stack([inverse(eta - half), inverse(eta + half)])
            columns |= {"conf_low": limits.min(axis=0), "conf_high": limits.max(axis=0)}
        return prediction_frame(rows, columns)
