"""Linear regression by weighted least squares.

The estimand is the coefficient vector of the best linear predictor of the outcome under the weighted
distribution of the rows. Standard errors follow White (1980) and MacKinnon and White (1985); with weights
that were estimated they are those of the stacked estimating equations (Newey and McFadden 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.formula.design import Design
from statinf.inference.distributions import f_sf, prediction_half_width, t_quantile
from statinf.inference.hypotheses import wald
from statinf.inference.least_squares import refit_solver
from statinf.inference.sandwich import Covariance, Moments, check_kind
from statinf.models import regression as common
from statinf.models.lone import warn_lone
from statinf.numerics.linear.least_squares import TOLERANCE, leverages, solve
from statinf.results import Fit, stack_scores, to_caller
from statinf.results.predicting import unsupported, warn_unsupported

CITATION = "weighted least squares; heteroskedasticity-robust covariance of White (1980)"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LinearFit(Fit):
    """A linear regression.

    Attributes
    ----------
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R = X'WX of the columns that are not aliased.
    rss : float
        Weighted residual sum of squares.
    mss : float
        Weighted sum of squares of the fitted values about their mean (about zero without an intercept).
    intercept : bool
    log_weights : float
        Sum of the logs of positive weights, for the likelihood.
    aliases : ndarray, shape (k, p - k)
        How the columns that are not aliased make those that are.
    """

    factor: np.ndarray
    aliases: np.ndarray
    rss: float
    mss: float
    intercept: bool
    log_weights: float

    @property
    def rank(self) -> int:
        return len(self.factor)

    @property
    def sigma(self) -> float:
        """Residual standard deviation; NaN without degrees of freedom."""
        return float(np.sqrt(self.rss / self.df_resid)) if self.df_resid > 0 else np.nan

    @property
    def r_squared(self) -> float:
        """Share of the weighted variation that the fit explains; NaN where nothing varies."""
        total = self.mss + self.rss
        return self.mss / total if total > 0 else np.nan

    @property
    def loglik(self) -> float:
        """Gaussian log-likelihood at the maximum."""
        n = self.nobs
        return 0.5 * (self.log_weights - n * (np.log(2 * np.pi) + 1.0 - np.log(n) + np.log(self.rss)))

    def glance_items(self) -> dict[str, Any]:
        n, k, base = self.nobs, self.rank, int(self.intercept)
        tested = k - base
        f, p, df, label = self._overall()
        with np.errstate(divide="ignore", invalid="ignore"):
            loglik = self.loglik
            adjusted = 1.0 - (1.0 - self.r_squared) * (n - base) / self.df_resid if self.df_resid > 0 else np.nan
        return {
            "nobs": n,
            "df_resid": self.df_resid,
            "r_squared": self.r_squared,
            "adj_r_squared": adjusted,
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
        g = self.glance_items()
        return {
            "Observations": g["nobs"],
            "Residual df": int(g["df_resid"]),
            "R2": g["r_squared"],
            "Adjusted R2": g["adj_r_squared"],
            "Residual std. deviation": g["sigma"],
        }

    def _rows(self) -> tuple[Design, np.ndarray, np.ndarray]:
        """The design, its columns that are not aliased, and the residuals."""
        made = self._need_rows("residuals")
        matrix = made.parts[0]
        residual = made.y - common.predictor(matrix, self.theta, made.offset)
        x = matrix.values if self.estimable.all() else matrix.values[:, self.estimable]
        return made, x, residual

    @property
    def residuals(self) -> np.ndarray:
        """Outcome less fitted value, shape (rows used,)."""
        return self._rows()[2]

    @property
    def fitted(self) -> np.ndarray:
        """Fitted values, offset included, shape (rows used,)."""
        made = self._need_rows("fitted values")
        return common.predictor(made.parts[0], self.theta, made.offset)

    def moments(self) -> Moments:
        made, x, residual = self._rows()
        inverse = np.linalg.inv(self.factor)
        bread = inverse @ inverse.T
        scores = x * (made.weights * residual)[:, None]
        stacked = {}
        if made.weights_object is not None:
            stacked = stack_scores(made.weights_object, made.rows, x * residual[:, None])
        model = bread * (self.rss / self.df_resid) if self.df_resid > 0 else None
        return Moments(
            scores,
            bread,
            self.nobs,
            self.df_resid,
            model,
            columns=x,
            working=made.weights,
            factor=self.factor,
            present=made.weights > 0,
            **stacked,
        )

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        made, x, _ = self._rows()
        outcome = made.y if made.offset is None else made.y - made.offset
        return refit_solver(x, outcome, made.weights, studentize=studentize)

    def wild_influence(self) -> np.ndarray:
        moments = self.moments()
        if moments.adjustment is not None:
            raise NotIdentifiedError(
                "the wild bootstrap takes weights as known; use kind='multiplier' with estimated ones."
            )
        inside, outside = moments.split
        return (moments.scores / np.sqrt(1.0 - np.minimum(moments.leverage, 1 - 1e-10))[:, None]) @ inside @ outside.T

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Predicted means, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            Anything the fit reads; the data of the fit by default.
        interval : {None, "confidence", "prediction"}
            Limits for the mean, or for a new outcome with one unit of weight. Prediction limits add the
            residual variance and assume that it is the same for all rows.
        level : float

        Returns
        -------
        data frame
            Columns fit, std_error and, with an interval, lower and upper; rows that cannot be predicted
            are NaN and one warning counts them.
        """
        import pandas as pd

        if interval is not None:
            one_of("interval", interval, ("confidence", "prediction"))
        check_level(level)
        rows = prediction_rows(self, newdata)
        matrix = rows.parts["covariates"]
        broken = unsupported(matrix, self.estimable, self.aliases)
        warn_unsupported(matrix, self.estimable, broken)
        fit = np.where(broken, np.nan, common.predictor(matrix, self.theta, rows.offset))
        se = common.predictor_se(matrix, self.theta, self.cov)
        columns = {"fit": fit, "std_error": np.where(broken, np.nan, se)}
        if interval is not None:
            if interval == "confidence":
                half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            else:
                half = prediction_half_width(se, self.cov.df, self.sigma, self.df_resid, level)
            columns |= {"lower": fit - half, "upper": fit + half}
        return to_caller(pd.DataFrame(columns), rows.kind, rows.index)

    def augment(self) -> Any:
        """The data of the fit with columns fitted, residual, leverage, std_residual and cooks_distance."""
        made, x, residual = self._rows()
        h = leverages(x, self.factor, made.weights)
        scaled = np.sqrt(made.weights) * residual
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = np.where((h < 1 - 1e-10) & (made.weights > 0), scaled / (self.sigma * np.sqrt(1.0 - h)), np.nan)
            cooks = standard**2 * h / (self.rank * (1.0 - h))
        return common.augmented(
            made,
            {
                "fitted": made.y - residual,
                "residual": residual,
                "leverage": h,
                "std_residual": standard,
                "cooks_distance": cooks,
            },
        )

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"coefficients", "residuals"}
            Intervals of the coefficients, or four residual diagnostics.

        Returns
        -------
        matplotlib axes, or an array of them
        """
        if kind != "residuals":
            return Fit.plot(self, kind, **options)
        from statinf.plotting.residuals import plot_residuals

        made, x, residual = self._rows()
        h = leverages(x, self.factor, made.weights)
        standard = np.sqrt(made.weights) * residual / (self.sigma * np.sqrt(np.maximum(1.0 - h, 1e-10)))
        return plot_residuals(made.y - residual, residual, standard, h, **options)


def prediction_rows(fit: Fit, newdata: Any) -> Any:
    """The formula's columns for new rows, or for the data of the fit."""
    if newdata is None:
        newdata = fit._need_rows("predictions without newdata").frame
    if fit.recipe is None:
        raise OptionError("this fit was made from arrays; it cannot predict from a data frame.")
    return fit.recipe.new_rows(newdata)


def lm(
    formula: str,
    data: Any,
    *,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
) -> LinearFit:
    """Fit a linear regression.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        pandas, polars, pyarrow, duckdb, a dict of arrays, or the path of a parquet or csv file.
    vcov : str or mapping, optional
        "iid", "HC0", "HC1", "HC2", "HC3", or `{"cluster": "column"}`. HC1 by default; clusters if
        `cluster` is given; the stacked sandwich (HC0) with a `Weights` object.
    weights : array of shape (rows,), str or Weights, optional
        Precision weights as in R's `lm`, or a `Weights`, whose estimation the standard errors then
        account for.
    cluster : str or sequence of str, optional
        Columns to cluster by.
    na_action : {"drop", "raise"}
        Leave incomplete rows out and count them, or refuse them.
    context : mapping, optional
        Functions that the formula uses by name.
    tolerance : float
        A column is dropped as aliased if less than this share of its length is left beside the columns
        before it. R uses 1e-7.

    Returns
    -------
    LinearFit

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    White (1980), Econometrica 48; MacKinnon and White (1985), Journal of Econometrics 29.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt + hp", si.datasets.load("mtcars"))
    >>> fit.params.round(3).to_dict()
    {'Intercept': 37.227, 'wt': -3.878, 'hp': -0.032}
    >>> fit.with_vcov("HC3").cov.label
    'HC3'
    """
    if vcov is not None:
        check_kind(vcov)
    made = common.regression_design(
        formula, data, weights=weights, vcov=vcov, cluster=cluster, na_action=na_action, context=context
    )
    matrix = made.parts[0]
    positive = made.weights > 0
    nobs = int(np.count_nonzero(positive))
    common.check_outcome(made.y, made.weights, made.response_names[0])
    common.check_columns(matrix)
    outcome = made.y if made.offset is None else made.y - made.offset
    plain = weights is None
    solution = solve(matrix.values, outcome, None if plain else made.weights, tolerance=tolerance)
    common.check_size(nobs, solution.rank, matrix.names)
    common.warn_aliased(matrix, solution.kept, solution.condition)
    fitted = common.predictor(matrix, solution.coef, made.offset)
    centre = np.average(fitted, weights=made.weights) if matrix.intercept else 0.0
    fit = LinearFit(
        method="lm",
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=nobs,
        terms=matrix.names,
        theta=solution.coef,
        cov=Covariance(np.empty((0, 0)), "", "", np.inf),
        df_resid=float(nobs - solution.rank),
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        design=made,
        factor=solution.factor,
        aliases=solution.aliases,
        rss=float(solution.rss),
        mss=float(np.sum(made.weights * (fitted - centre) ** 2)),
        intercept=matrix.intercept,
        log_weights=0.0 if plain else float(np.sum(np.log(made.weights[positive]))),
    )
    chosen = check_kind(common.default_vcov(vcov, cluster, made, "HC1"))
    if fit.df_resid <= 0 and chosen == "HC1" and vcov is None:
        # A saturated fit has estimates but nothing to judge them by.
        nothing = np.full((solution.rank, solution.rank), np.nan)
        return replace(fit, cov=Covariance(nothing, "HC1", "HC1, no residual degrees of freedom", np.nan))
    names, x = common.kept_columns(matrix, solution.kept)
    warn_lone(made, names, x, made.weights, made.y - fitted, solution.factor, chosen)
    return replace(fit, cov=fit._covariance(chosen))
