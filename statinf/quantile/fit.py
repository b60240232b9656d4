"""`QuantileFit`: coefficients of linear quantile regressions at one or many levels, jointly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from statinf.errors import ConvergenceError, NotIdentifiedError, NumericalWarning, OptionError, check_level, one_of
from statinf.inference.hypotheses import WaldTest
from statinf.inference.sandwich import Covariance, Moments
from statinf.numerics.quantreg.coordinates import Coordinates
from statinf.quantile import inference as how
from statinf.quantile import presentation as shown
from statinf.quantile.scores import QuantileScores
from statinf.quantile.working import WorkingRows, working_rows
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
    hessian_kind : str
        How `moments` estimates the densities at the quantiles; "any" never fails and has NaN where there are none.
    at : Coordinates or None
        Of the columns that the fit was computed on.
    inner : ndarray, shape (k p, k p), or None
        The covariance of the coefficients of those columns.
    """

    tau: np.ndarray
    columns: tuple[str, ...]
    objective: np.ndarray
    null_objective: np.ndarray
    basis: np.ndarray | None = None
    dual: np.ndarray | None = None
    rule: str = "hall-sheather"
    noncrossing: bool = False
    hessian_kind: str = "nid"
    at: Coordinates | None = None
    inner: np.ndarray | None = None

    # --- arrays -------------------------------------------------------------------------------------------

    @property
    def coef(self) -> np.ndarray:
        """Coefficients, shape (k, p); NaN for aliased columns."""
        return self.theta.reshape(len(self.tau), len(self.columns))

    @property
    def pseudo_r_squared(self) -> np.ndarray:
        """One less the ratio of check losses with and without regressors (Koenker and Machado 1999), shape (k,)."""
        return 1.0 - self.objective / self.null_objective

    def _rows(self) -> WorkingRows:
        made = self._need_rows("standard errors")
        return working_rows(made, self.coef, self.basis, orthogonal=self.basis is not None)

    def _psi(self, rows: WorkingRows) -> np.ndarray:
        """Tau - 1{residual < 0}, with the optimal subgradients at interpolated rows, shape (k, n)."""
        psi = self.tau[:, None] - (rows.y - rows.coef @ rows.Z.T < 0)
        if self.basis is not None and self.dual is not None:
            np.put_along_axis(psi, self.basis, self.dual, axis=1)
        return psi

    def moments(self) -> Moments:
        """Scores w (tau - 1{r < 0}) x and the inverse Hessians of `hessian_kind`; see `Fit.moments`.

        Where the densities of that kind do not exist, those of the first kind that does: nid, ker, uniform, iid.
        """
        return how.moments_of(self)

    # --- covariances --------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with other standard errors.

        Parameters
        ----------
        vcov : {"nid", "iid", "ker", "rank", "rank-nid", "boot"} or mapping
            As in `si.rq`.
        """
        kind = how.check_vcov(vcov)
        if self.design is None:
            return replace(self, cov=self._kept(kind), inner=self.kept_covariances.get(_inner(kind)), draws=None)
        if isinstance(kind, dict) and "boot" in kind:
            options = {key: kind[key] for key in ("seed", "cluster") if key in kind}
            return self.bootstrap(kind.get("replicas", 500), kind["boot"], **options)
        cov, inner = how.covariance_of(self, kind)
        return replace(self, cov=cov, inner=inner, draws=None)

    def _covariance(self, kind: Any) -> Covariance:
        return how.covariance_of(self, kind)[0]

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        if self.draws is not None or self.cov.kind not in ("rank", "rank-nid") or interval is not None:
            return super()._limits(level, interval)
        check_level(level)
        return how.rank_limits(self, level)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        return how.refit_solver(self)

    def bootstrap(self, replicas: int = 999, kind: str = "pairs", **options: Any) -> Self:
        """The same fit with bootstrap draws, the same draws at every level.

        Parameters
        ----------
        replicas : int
        kind : {"pairs", "bayesian", "multiplier", "wild", "pwy"}
            "pairs" and "bayesian" refit under multinomial and exponential weights (R's xy and wxy); "pwy"
            perturbs the estimating equation (Parzen, Wei and Ying 1994), with clusters by one multiplier a
            cluster (Hagemann 2017); "wild" flips residuals (Feng, He and Hu 2011); "multiplier" perturbs
            influence values without a refit.
        **options
            seed, cluster, law and progress, as for every fit.
        """
        if kind in ("wild", "pwy"):
            return how.special_bootstrap(self, replicas, kind, **options)  # type: ignore[return-value]
        return how.shared_bootstrap(self, super().bootstrap, replicas, kind, **options)

    def lean(self) -> Self:
        if self.design is None:
            return self
        kept = dict(self.kept_covariances) | {str(self.cov.kind): self.cov.matrix}
        if self.inner is not None:
            kept[_inner(self.cov.kind)] = self.inner
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumericalWarning)
            for kind in ("iid", "nid", "ker"):
                try:
                    cov, inner = how.covariance_of(self, kind)
                except (NotIdentifiedError, ConvergenceError):
                    continue
                kept |= {kind: cov.matrix, _inner(kind): inner}
        return replace(self, design=None, kept_covariances=kept)

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
        return how.equal_slopes(self, columns)

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(self, level: float = 0.95, *, style: str = "statinf", interval: str | None = None) -> Any:
        """One row a level and coefficient, with the level in the column `tau`; see `Fit.tidy`."""
        return to_caller(shown.coefficient_frame(self, level, style, interval), self.kind)

    def _numbers(self, level: float, interval: str | None = None) -> dict[str, np.ndarray]:
        low, high = self._limits(level, interval)
        return {
            "estimate": self.theta,
            "std_error": self._se(),
            "statistic": self.statistics,
            "p_value": self.pvalues.to_numpy(),
            "conf_low": low,
            "conf_high": high,
        }

    def glance(self) -> Any:
        """One row a level, in the caller's kind of data frame."""
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
        return to_caller(how.process(self, level, uniform, seed), self.kind)

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
            One column a level, named "q0.1"; with an interval also "q0.1_lower" and "q0.1_upper".
        """
        return shown.predictions(self, newdata, interval, level, noncrossing)

    def augment(self) -> Any:
        """The data of the fit with columns fitted and residual, by level where there are several."""
        return shown.augmented(self)

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
            return figures.plot_process(how.process(self, options.pop("level", 0.95), True, 0), **options)
        if kind == "lines":
            return figures.plot_lines(*how.line_data(self), self.tau, **options)
        return Fit.plot(self, kind, **options)


def _inner(kind: Any) -> str:
    return f"{kind}, of the columns computed on"
