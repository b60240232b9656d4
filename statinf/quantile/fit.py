"""`QuantileFit`: coefficients of linear quantile regressions at one or many levels, jointly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import OptionError, check_level, one_of
from statinf.inference.hypotheses import WaldTest
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.quantile import bootstraps, process
from statinf.quantile import inference as how
from statinf.quantile import presentation as shown
from statinf.quantile.scores import QuantileScores
from statinf.quantile.working import SolvedQuantiles
from statinf.results import Fit, Table, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileFit(Fit):
    """Linear quantile regressions at k levels.

    Coefficients are stacked level by level. With one level, terms are the column names; with several they
    are written "q0.25: income".

    Attributes
    ----------
    tau : ndarray, shape (k,)
        Levels, increasing.
    columns : tuple of str
        The regressors' names, aliased ones included.
    basis : ndarray, shape (k, p), or None
        Positions among the rows used that each level interpolates; None for fits under constraints.
    dual : ndarray, shape (k, p), or None
        Their subgradients, in [tau - 1, tau].
    objective, null_objective : ndarray, shape (k,)
        Weighted check loss of the fit, and of the intercept alone.
    rule : str
        Bandwidth rule of the density estimates.
    noncrossing : bool
        Whether the levels were fitted under the constraint that they do not cross on the regressors' box.
    aliases : ndarray, shape (p kept, p aliased)
        How the columns that are not aliased make those that are.
    """

    tau: np.ndarray
    columns: tuple[str, ...]
    objective: np.ndarray
    null_objective: np.ndarray
    basis: np.ndarray | None = None
    dual: np.ndarray | None = None
    rule: str = "hall-sheather"
    noncrossing: bool = False
    aliases: np.ndarray

    vcov_kinds: ClassVar[VcovKinds] = how.KINDS

    # --- arrays -------------------------------------------------------------------------------------------

    @property
    def coef(self) -> np.ndarray:
        """Coefficients, shape (k, p); NaN for aliased columns."""
        return self.theta.reshape(len(self.tau), len(self.columns))

    @property
    def pseudo_r_squared(self) -> np.ndarray:
        """One less the ratio of check losses with and without regressors (Koenker and Machado 1999), shape (k,); NaN if 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.null_objective > 0, 1.0 - self.objective / self.null_objective, np.nan)

    def solved(self, what: str) -> SolvedQuantiles:
        """What standard errors need; a `DataError` that names `what` without the rows of the fit."""
        made = self._need_rows(what)
        return SolvedQuantiles(made, self.tau, self.coef, self.objective, self.basis, self.dual, self.rule)

    # --- covariances --------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with other standard errors.

        Parameters
        ----------
        vcov : {"nid", "iid", "ker", "rank", "rank-nid", "boot"} or mapping
            As in `si.rq`.
        """
        spec = VcovSpec.read(vcov, kinds=self.vcov_kinds)
        if spec.kind == "boot" and self.design is not None:
            return bootstraps.as_asked(self, spec.settings)  # type: ignore[return-value]
        return super().with_vcov(spec)

    def _exists(self, kind: str) -> bool:
        # Limits by inversion of rank tests need no standard errors.
        return kind in ("rank", "rank-nid") or super()._exists(kind)

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        if self.draws is not None or self.cov.kind not in ("rank", "rank-nid") or interval is not None:
            return super()._limits(level, interval)
        check_level(level)
        return how.rank_limits(self, level)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        return bootstraps.refit_solver(self)

    def bootstrap(self, replicas: int = 999, kind: str = "pairs", **options: Any) -> Self:
        """The same fit with bootstrap draws, the same draws at every level.

        Parameters
        ----------
        replicas : int
        kind : {"pairs", "bayesian", "multiplier", "wild", "pwy"}
            "pairs" and "bayesian" refit under multinomial and exponential weights (R's xy and wxy); "pwy"
            perturbs the estimating equation (Parzen, Wei and Ying 1994), with clusters by one multiplier per
            cluster (Hagemann 2017); "wild" flips residuals (Feng, He and Hu 2011); "multiplier" perturbs
            influence values without a refit.
        **options
            seed, cluster, law and progress, as for every fit.
        """
        one_of("kind", kind, bootstraps.KINDS)
        if kind in ("wild", "pwy"):
            return bootstraps.special_bootstrap(self, replicas, kind, **options)  # type: ignore[return-value]
        solved = self.solved("bootstrap draws")
        if kind == "multiplier":
            used = how.density(solved, "nid")[1]
            made = super().bootstrap(replicas, kind, **options)
            label = made.cov.label + ("" if used == "nid" else f", {used} densities")
            return replace(made, cov=replace(made.cov, label=label))
        # A refit needs no density; only the acceleration of BCa limits does.
        draft = replace(self, source=partial(how.moments_of, solved, always=True))
        return replace(super(QuantileFit, draft).bootstrap(replicas, kind, **options), source=self.source)

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
            F with the degrees of freedom of R's `anova`: (m, n k - m).

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

        items = {
            "tau": self.tau,
            "nobs": self.nobs,
            "df_resid": self.df_resid,
            "objective": self.objective,
            "pseudo_r_squared": self.pseudo_r_squared,
            "vcov": self.cov.label,
            "method": self.method,
        }
        return to_caller(pd.DataFrame(items), self.kind)

    def glance_items(self) -> dict[str, Any]:
        middle = int(np.argmin(np.abs(self.tau - 0.5)))
        return {"nobs": self.nobs, "df_resid": self.df_resid, "pseudo_r_squared": self.pseudo_r_squared[middle]}

    @property
    def title(self) -> str:
        shown = ", ".join(f"{t:g}" for t in self.tau[:9]) + (", ..." if len(self.tau) > 9 else "")
        return f"Quantile regression, tau = {shown}"

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

    # --- predictions --------------------------------------------------------------------------------------

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, noncrossing: str | None = None
    ) -> Any:
        """Conditional quantiles, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
            Limits for each quantile.
        level : float
        noncrossing : {None, "sort", "isotonic", "sweep"}
            Make the predicted quantiles of each row nondecreasing in the level.

        Returns
        -------
        data frame
            One column per level, named "q0.1"; with an interval also "q0.1_std_error", "q0.1_conf_low" and
            "q0.1_conf_high".
        """
        return shown.predictions(self, newdata, interval, level, noncrossing)

    def augment(self) -> Any:
        """The data of the fit with columns fitted and residual, by level where there are several."""
        return shown.augmented_frame(self)

    def score(self, newdata: Any = None, *, noncrossing: str | None = None) -> QuantileScores:
        """Pinball loss, coverage, weighted interval score and CRPS of the predicted quantiles.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with the outcome recorded; the data of the fit by default.
        noncrossing : {None, "sort", "isotonic", "sweep"}
        """
        return shown.scores(self, newdata, noncrossing)

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"process", "coefficients", "lines"}, optional
            Coefficients against the level with pointwise limits and uniform bands (the default with
            several levels); intervals of the coefficients; or the fitted lines over the data, with one
            numerical regressor.
        """
        from statinf.plotting import quantile as figures

        kind = kind or ("process" if len(self.tau) > 1 else "coefficients")
        one_of("kind", kind, ("process", "coefficients", "lines"))
        if kind == "process":
            return figures.plot_process(process.process(self, options.pop("level", 0.95), True, 0), **options)
        if kind == "lines":
            return figures.plot_lines(*process.line_data(self), self.tau, **options)
        return Fit.plot(self, kind, **options)
