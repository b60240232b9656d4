"""`LevelsFit`: estimates at one or many levels of a distribution, jointly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from statinf.errors import one_of
from statinf.frames import to_caller
from statinf.inference.hypotheses import WaldTest
from statinf.internal import internal
from statinf.results import levels_process as process
from statinf.results import levels_tables as shown
from statinf.results.fit import Fit
from statinf.results.margins.mean import MeanModel, linear_mean
from statinf.results.margins.mixin import MarginVerbs
from statinf.results.table import Table


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LevelsFit(Fit):
    """The same coefficients at k levels, stacked level by level.

    With one level, terms are the columns' names; with several they are written "q0.25: income".

    Attributes
    ----------
    tau : ndarray, shape (k,)
        Levels, increasing.
    columns : tuple of str
        Names of the coefficients of a level, aliased ones included.
    """

    tau: np.ndarray
    columns: tuple[str, ...]

    letter: ClassVar[str] = "q"
    """What names of predictions and terms begin with."""
    heading: ClassVar[str] = ""
    """Title of the summary, before the levels."""
    figures: ClassVar[tuple[str, ...]] = ("process", "coefficients")

    @property
    def coef(self) -> np.ndarray:
        """Coefficients, shape (k, p); NaN for aliased columns."""
        return self.theta.reshape(len(self.tau), len(self.columns))

    # --- tests --------------------------------------------------------------------------------------------

    def equal_slopes(self, columns: Any = None) -> WaldTest:
        """Wald test that slopes are the same at all levels (Koenker and Bassett 1982).

        Parameters
        ----------
        columns : sequence of str, optional
            Which regressors; all but the intercept by default.

        Returns
        -------
        WaldTest
            F with the degrees of freedom of R's `anova`: (m, n k - m); with clusters, (m, clusters - 1).

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.rq("foodexp ~ income", si.datasets.load("engel"), tau=[0.25, 0.5, 0.75])
        >>> print(fit.equal_slopes())
        equal slopes at tau = 0.25, 0.5, 0.75: F(2, 703) = 15.5567, p = 2.449e-07
        """
        return process.equal_slopes(self, columns)

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(
        self, level: float = 0.95, *, style: str = "statinf", interval: str | None = None, exponentiate: bool = False
    ) -> Any:
        """One row per level and coefficient, with the level in the column `tau`; see `Fit.tidy`."""
        return to_caller(shown.coefficient_frame(self, level, style, interval, exponentiate), self.kind)

    def glance(self) -> Any:
        """One row per level, in the caller's kind of data frame."""
        import pandas as pd

        items = {"tau": self.tau, "nobs": self.nobs, "df_resid": self.df_resid} | self.level_items()
        return to_caller(pd.DataFrame(items | {"vcov": self.cov.label, "method": self.method}), self.kind)

    @internal
    def level_items(self) -> dict[str, Any]:
        """What `glance` says of each level beside counts and names."""
        return {}

    @property
    def title(self) -> str:
        shown = ", ".join(f"{t:g}" for t in self.tau[:9]) + (", ..." if len(self.tau) > 9 else "")
        return f"{self.heading}, tau = {shown}"

    def summary(self, level: float = 0.95) -> Table:
        """Coefficients by level with the covariance's name, rows left out and the paper."""
        return shown.summary_table(self, level)

    def process(self, level: float = 0.95, *, uniform: bool = True, seed: int = 0) -> Any:
        """Each coefficient as a function of the level, with pointwise limits and a uniform band.

        Parameters
        ----------
        level : float
        uniform : bool
            Add band_low and band_high, which cover the coefficient at all fitted levels at once: the
            sup-t band of the joint covariance.

        Returns
        -------
        data frame
            Columns tau, term, estimate, conf_low, conf_high and, if `uniform`, band_low, band_high.
        """
        return to_caller(process.process(self, level, uniform, seed), self.kind)

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"process", "coefficients"}, optional
            Coefficients against the level with pointwise limits and uniform bands (the default with
            several levels); or intervals of the coefficients.
        """
        from statinf.plotting import quantile as drawn

        kind = kind or ("process" if len(self.tau) > 1 else "coefficients")
        one_of("kind", kind, self.figures)
        if kind == "process":
            return drawn.plot_process(process.process(self, options.pop("level", 0.95), True, 0), **options)
        return super().plot(kind, **options)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LevelLinesFit(MarginVerbs, LevelsFit):
    """A linear predictor at each of k levels.

    Attributes
    ----------
    aliases : ndarray, shape (p kept, p aliased)
        How the columns that are not aliased make those that are.
    """

    aliases: np.ndarray

    figures = ("process", "coefficients", "lines")
    what: ClassVar[str] = "quantile"
    """What the predictor is, in words."""

    # --- predictions --------------------------------------------------------------------------------------

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        if self.recipe is None:
            self.refuse(promise, "it was made from arrays, without a formula")
        kept = self.estimable.reshape(len(self.tau), -1)[0]
        named = {"names": tuple(self.tau.tolist()), "label": "tau"} if len(self.tau) > 1 else {}
        return linear_mean(self.recipe, self.theta, aliased=(kept, self.aliases), what=self.what, **named)

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, noncrossing: str | None = None
    ) -> Any:
        """The fitted predictor at each level, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
            Limits for the prediction at each level.
        level : float
        noncrossing : {None, "sort", "isotonic", "sweep"}
            Make the predictions of each row nondecreasing in the level.

        Returns
        -------
        data frame
            One column per level, named "q0.1" for quantiles and "e0.1" for expectiles; with an interval also
            "q0.1_std_error", "q0.1_conf_low" and "q0.1_conf_high".
        """
        rows = self.new_rows(self._need_rows("predictions without newdata").frame if newdata is None else newdata)
        matrix = rows.parts["covariates"]
        return shown.prediction_table(self, rows, matrix, self.aliases, interval, level, noncrossing)

    def augment(self) -> Any:
        """The data of the fit with columns fitted and residual, by level where there are several."""
        return shown.augmented_frame(self)

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"process", "coefficients", "lines"}, optional
            Coefficients against the level with pointwise limits and uniform bands (the default with
            several levels); intervals of the coefficients; or the fitted lines over the data, with one
            numerical regressor.
        """
        from statinf.plotting import quantile as drawn

        if kind == "lines":
            return drawn.plot_lines(*process.line_data(self), self.tau, **options)
        return super().plot(kind, **options)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LinearLevelsFit(LevelLinesFit):
    """Linear regressions at k levels, such as quantile and expectile regressions.

    Attributes
    ----------
    objective, null_objective : ndarray, shape (k,)
        Weighted loss of the fit, and of the intercept alone, or of a prediction of zero where there is none.
    """

    objective: np.ndarray
    null_objective: np.ndarray

    loss_name: ClassVar[str] = "Loss"

    @property
    def pseudo_r_squared(self) -> np.ndarray:
        """One less the ratio of losses with and without regressors (Koenker and Machado 1999), shape (k,); NaN if 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.null_objective > 0, 1.0 - self.objective / self.null_objective, np.nan)

    def level_items(self) -> dict[str, Any]:
        return {"objective": self.objective, "pseudo_r_squared": self.pseudo_r_squared}

    def glance_items(self) -> dict[str, Any]:
        middle = int(np.argmin(np.abs(self.tau - 0.5)))
        return {"nobs": self.nobs, "df_resid": self.df_resid, "pseudo_r_squared": self.pseudo_r_squared[middle]}

    def summary_facts(self) -> dict[str, Any]:
        found = {"Observations": self.nobs, "Residual df": int(self.df_resid)}
        if len(self.tau) == 1:
            found |= {self.loss_name: float(self.objective[0]), "Pseudo R1": float(self.pseudo_r_squared[0])}
        return found | dict(self.facts)
