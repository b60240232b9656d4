"""`ShiftFit`: a regression fitted on the source and judged on the target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.inference.sandwich import Moments
from statinf.numerics.glm.families import Family, family_of
from statinf.results import Fit, Weights
from statinf.shifts.samples import Target


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ShiftFit(Fit):
    """A generalised linear model for the target population.

    Attributes
    ----------
    inner : Fit
        The regression on the source rows.
    ratio : Weights or None
        The density ratio that weights the source rows; None for maximum likelihood.
    family, link : str
    dispersion : float
    inflation : float
        ``tr(I_T I_S^{-1}) / p`` with the mean information of a target and of a source row: how much larger the target's
        prediction error from estimating coefficients is than it were without a shift. 1 where the samples are alike.
    target_rows : int
    target : Target or None
        The target's columns; not saved.
    target_frame : object
        The caller's frame, by reference; not saved.
    ratio_options : tuple of (str, object)
        How `specification_test` and `risk` estimate the ratio where the fit has none.
    """

    inner: Fit
    ratio: Weights | None
    family: str
    link: str
    dispersion: float
    inflation: float
    target_rows: int
    target: Target | None = field(default=None, metadata={"saved": False})
    target_frame: Any = field(default=None, metadata={"saved": False})
    ratio_options: tuple[tuple[str, Any], ...] = field(default=(), metadata={"saved": False})

    @property
    def normal_reference(self) -> bool:  # type: ignore[override]
        return self._family.known_dispersion

    @property
    def _family(self) -> Family:
        return family_of(self.family, self.link)

    @property
    def title(self) -> str:
        kind = "maximum likelihood on the source" if self.ratio is None else "importance-weighted likelihood"
        return f"Regression under covariate shift: {kind}, {self.family}, {self.link} link"

    def moments(self) -> Moments:
        return self.inner.moments()

    def refit_solver(self, studentize: bool) -> Any:
        return self.inner.refit_solver(studentize)

    def glance_items(self) -> dict[str, Any]:
        items = {"nobs": self.nobs, "target_rows": self.target_rows, "df_resid": self.df_resid}
        items |= {"dispersion": self.dispersion, "shift_inflation": self.inflation}
        if self.ratio is not None:
            values = self.ratio.values
            items |= {"ess": self.ratio.ess, "largest_weight": float(values.max() / values.mean())}
        return items

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows}
        if self.ratio is not None:
            g = self.glance_items()
            facts |= {"Density ratio": self.ratio.method, "Effective sample size": self.ratio.ess}
            facts["Largest weight"] = g["largest_weight"]
        return facts | {"Dispersion": self.dispersion, "Shift inflation": self.inflation}

    def predict(self, newdata: Any = None, **options: Any) -> Any:
        """Predicted means, by default at the target rows; see the `predict` of `statinf.lm` and `statinf.glm`.

        Parameters
        ----------
        newdata : data frame, optional
            The target frame by default.
        **options
            `interval` and `level`, and `scale` for families other than gaussian.

        Returns
        -------
        data frame
            Columns fit, std_error and, with an interval, lower and upper.
        """
        if newdata is None and self.target_frame is None:
            raise DataError("a saved fit leaves the target frame out; give newdata=.")
        newdata = self.target_frame if newdata is None else newdata
        return replace(self.inner, cov=self.cov).predict(newdata, **options)  # type: ignore[attr-defined]

    def augment(self) -> Any:
        """The source rows with fitted values, residuals and leverages."""
        return self.inner.augment()  # type: ignore[attr-defined]

    def specification_test(self, ratio: Any = None) -> Any:
        """Hausman-type test that likelihood and weighted likelihood estimate the same coefficients.

        Parameters
        ----------
        ratio : str or Weights, optional
            The density ratio of the weighted fit; the fit's own, or "logistic", by default.

        Returns
        -------
        statinf.inference.WaldTest
            Chi-square with as many degrees of freedom as directions in which the two can differ. A small p-value says
            that the model is wrong on the target and that the weighted fit is the one to use.
        """
        from statinf.shifts.specification import specification_test

        return specification_test(self, ratio)

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
        from statinf.shifts.specification import risk

        return risk(self, ratio)

    def cross_validate(
        self, powers: Any = (0.0, 0.25, 0.5, 0.75, 1.0), *, folds: int = 5, ratio: Any = None, seed: int = 0
    ) -> Any:
        """Importance-weighted cross-validation over powers of the density ratio (Sugiyama et al. 2007).

        Parameters
        ----------
        powers : sequence of float
            0 is maximum likelihood, 1 the full weights.
        folds : int
        ratio : str or Weights, optional
            As in `specification_test`.
        seed : int

        Returns
        -------
        data frame
            Columns power, risk (mean deviance on the target, estimated from held-out source rows), std_error.
        """
        from statinf.shifts.specification import cross_validate

        return cross_validate(self, np.atleast_1d(np.asarray(powers, float)), folds, ratio, seed)
