"""Generalised linear models by maximum likelihood (Nelder and Wedderburn 1972)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from statinf.errors import ConvergenceError, NotIdentifiedError, OptionError, check_level, one_of
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.distributions import t_quantile
from statinf.inference.sandwich import Covariance, Moments, check_kind
from statinf.models import regression as common
from statinf.models.existence import check_range, check_separation, check_whole, name_separation, null_deviance
from statinf.models.lm import prediction_rows
from statinf.models.lone import warn_lone
from statinf.numerics.glm.families import Family, family_of, log_likelihood
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.linear.least_squares import TOLERANCE, leverages
from statinf.results import Fit, stack_scores, to_caller
from statinf.results.predicting import unsupported, warn_unsupported

CITATION = "maximum likelihood of a generalised linear model (Nelder and Wedderburn 1972)"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GeneralizedFit(Fit):
    """A generalised linear model.

    Attributes
    ----------
    family, link : str
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R the Fisher information at dispersion 1.
    deviance, null_deviance : float
    dispersion : float
        1 for binomial and poisson, else Pearson's chi-square over the residual degrees of freedom.
    loglik : float
    iterations : int
    aliases : ndarray, shape (k, p - k)
        How the columns that are not aliased make those that are.
    """

    family: str
    link: str
    factor: np.ndarray
    deviance: float
    null_deviance: float
    dispersion: float
    loglik: float
    iterations: int
    df_null: float
    aliases: np.ndarray

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

    def summary_facts(self) -> dict[str, Any]:
        g = self.glance_items()
        keys = {
            "Observations": "nobs",
            "Residual df": "df_resid",
            "Deviance": "deviance",
            "Null deviance": "null_deviance",
        }
        facts = {label: g[key] for label, key in keys.items()} | {"AIC": g["aic"]}
        facts["Residual df"] = int(g["df_resid"])
        return facts if self._family.known_dispersion else facts | {"Dispersion": self.dispersion}

    def _rows(self) -> tuple[Design, np.ndarray, np.ndarray]:
        """The design, its columns that are not aliased, and the linear predictor."""
        made = self._need_rows("residuals")
        matrix = made.parts[0]
        x = matrix.values if self.estimable.all() else matrix.values[:, self.estimable]
        return made, x, common.predictor(matrix, self.theta, made.offset)

    def moments(self) -> Moments:
        made, x, eta = self._rows()
        inverse = np.linalg.inv(self.factor)
        bread = inverse @ inverse.T
        slope, information, _ = self._family.terms(eta, made.y)
        unit = x * slope[:, None]
        stacked = {}
        if made.weights_object is not None:
            stacked = stack_scores(made.weights_object, made.rows, unit)
        return Moments(
            unit * made.weights[:, None],
            bread,
            self.nobs,
            self.df_resid,
            bread * self.dispersion,
            columns=x,
            working=made.weights * information,
            factor=self.factor,
            present=made.weights > 0,
            **stacked,
        )

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        from statinf.numerics.glm.irls_batch import refit_glm

        if studentize:
            raise NotIdentifiedError("studentised bootstrap intervals are for linear regressions; use interval='bca'.")
        made, x, _ = self._rows()
        # Columns that are orthonormal under the information: normal equations of replicas lose no digits.
        inverse = solve_triangular(self.factor, np.eye(len(self.factor)))
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
            Columns fit, std_error and, with an interval, lower and upper.
        """
        import pandas as pd

        one_of("scale", scale, ("response", "link"))
        check_level(level)
        if interval == "prediction":
            raise NotIdentifiedError(
                "a generalised linear model has no closed-form prediction interval; use interval='confidence' or si.conformal."
            )
        if interval is not None:
            one_of("interval", interval, ("confidence",))
        rows = prediction_rows(self, newdata)
        matrix = rows.parts["covariates"]
        broken = unsupported(matrix, self.estimable, self.aliases)
        warn_unsupported(matrix, self.estimable, broken)
        eta = np.where(broken, np.nan, common.predictor(matrix, self.theta, rows.offset))
        se = common.predictor_se(matrix, self.theta, self.cov)
        inverse = self._family.link.inverse if scale == "response" else (lambda e: e)
        slope = np.abs(self._family.link.slope(eta)) if scale == "response" else 1.0
        columns = {"fit": inverse(eta), "std_error": np.where(broken, np.nan, slope * se)}
        if interval is not None:
            half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            limits = np.stack([inverse(eta - half), inverse(eta + half)])
            columns |= {"lower": limits.min(axis=0), "upper": limits.max(axis=0)}
        return to_caller(pd.DataFrame(columns), rows.kind, rows.index)

    def residuals(self, kind: str = "deviance") -> np.ndarray:
        """Residuals of the rows used, shape (n,).

        Parameters
        ----------
        kind : {"deviance", "pearson", "response", "working"}
        """
        one_of("kind", kind, ("deviance", "pearson", "response", "working"))
        made, _, eta = self._rows()
        family = self._family
        mean = family.link.inverse(eta)
        raw = made.y - mean
        if kind == "response":
            return raw
        if kind == "working":
            return raw / family.link.slope(eta)
        if kind == "pearson":
            return raw * np.sqrt(made.weights / family.variance(mean))
        return np.sign(raw) * np.sqrt(np.maximum(made.weights * family.unit_deviance(made.y, mean), 0.0))

    def augment(self) -> Any:
        """The data of the fit with columns fitted, residual (deviance), leverage and std_residual."""
        made, x, eta = self._rows()
        h = leverages(x, self.factor, made.weights * self._family.terms(eta, made.y)[1])
        residual = self.residuals("deviance")
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = np.where(h < 1 - 1e-10, residual / np.sqrt(self.dispersion * (1.0 - h)), np.nan)
        columns = {
            "fitted": self._family.link.inverse(eta),
            "residual": residual,
            "leverage": h,
            "std_residual": standard,
        }
        return common.augmented(made, columns)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """Coefficients with intervals, or four residual diagnostics (`kind="residuals"`)."""
        if kind != "residuals":
            return Fit.plot(self, kind, **options)
        from statinf.plotting.residuals import plot_residuals

        made, x, eta = self._rows()
        h = leverages(x, self.factor, made.weights * self._family.terms(eta, made.y)[1])
        residual = self.residuals("deviance")
        standard = residual / np.sqrt(self.dispersion * np.maximum(1.0 - h, 1e-10))
        return plot_residuals(eta, residual, standard, h, fitted_label="linear predictor", **options)


def glm(
    formula: str,
    data: Any,
    *,
    family: str = "gaussian",
    link: str | None = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    start: Any = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
) -> GeneralizedFit:
    """Fit a generalised linear model.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one. Binomial outcomes are 0 and 1, or shares of
        successes with the numbers of trials as weights.
    data : data frame
        As `statinf.lm` takes it.
    family : {"gaussian", "binomial", "poisson", "gamma"}
    link : str, optional
        binomial: "logit" (default), "probit", "cloglog". poisson: "log" (default), "identity", "sqrt".
        gamma: "log" (default; R's is "inverse"), "inverse", "identity". gaussian: "identity" (default),
        "log", "inverse".
    vcov : str or mapping, optional
        "iid" (the inverse Fisher information, the default), "HC0" to "HC3", `{"cluster": "column"}`; the
        stacked sandwich (HC0) is the default with a `Weights` object.
    weights : array of shape (rows,), str or Weights, optional
        Prior weights as in R's `glm`.
    cluster, na_action, context
        As in `statinf.lm`.
    start : array of shape (p,), optional
        Coefficients to begin with, one a column of the design; for models whose means must stay in a range,
        such as poisson with the identity link.
    tolerance : float
        On the last step's length in the information's norm, relative to the root of the deviance.
    max_iterations : int

    Returns
    -------
    GeneralizedFit

    Raises
    ------
    DataError
        If the outcome lies outside the family's range.
    NotIdentifiedError
        If covariates separate the outcomes, so that no finite maximum exists; the message names them.
    ConvergenceError
        If Fisher scoring does not converge.

    References
    ----------
    Nelder and Wedderburn (1972), Journal of the Royal Statistical Society A 135.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.glm("am ~ wt", si.datasets.load("mtcars"), family="binomial")
    >>> fit.params.round(3).to_dict()
    {'Intercept': 12.04, 'wt': -4.024}
    """
    if vcov is not None:
        check_kind(vcov)
    chosen_family = family_of(family, link)
    made = common.regression_design(
        formula, data, weights=weights, vcov=vcov, cluster=cluster, na_action=na_action, context=context
    )
    matrix = made.parts[0]
    name = made.response_names[0]
    check_range(made.y, made.weights, chosen_family, name)
    common.check_outcome(made.y, made.weights, name)
    common.check_columns(matrix)
    check_whole(made.y, made.weights, made.weights_object is not None, chosen_family, name)
    nobs = int(np.count_nonzero(made.weights > 0))
    solution = _solve(made, chosen_family, _start(start, matrix), tolerance, max_iterations)
    rank = len(solution.factor)
    common.check_size(nobs, rank, matrix.names)
    check_separation(made, chosen_family, solution)
    common.warn_aliased(matrix, solution.kept, solution.condition)
    mean = chosen_family.link.inverse(solution.eta)
    df_resid = float(nobs - rank)
    dispersion = 1.0
    if not chosen_family.known_dispersion:
        pearson = float(np.sum(made.weights * (made.y - mean) ** 2 / chosen_family.variance(mean)))
        dispersion = pearson / df_resid if df_resid > 0 else np.nan
    for_likelihood = solution.deviance / made.weights.sum() if chosen_family.name == "gamma" else dispersion
    fit = GeneralizedFit(
        method="glm",
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=nobs,
        terms=matrix.names,
        theta=solution.coef,
        cov=Covariance(np.empty((0, 0)), "", "", np.inf),
        df_resid=df_resid,
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        design=made,
        family=chosen_family.name,
        link=chosen_family.link.name,
        factor=solution.factor,
        deviance=solution.deviance,
        null_deviance=null_deviance(made, chosen_family, matrix.intercept),
        dispersion=dispersion,
        loglik=log_likelihood(chosen_family, made.y, mean, made.weights, for_likelihood),
        iterations=solution.iterations,
        aliases=solution.aliases,
        df_null=float(nobs - int(matrix.intercept)),
    )
    chosen = check_kind(common.default_vcov(vcov, cluster, made, "iid"))
    names, x = common.kept_columns(matrix, solution.kept)
    working = made.weights * chosen_family.terms(solution.eta, made.y)[1]
    warn_lone(made, names, x, working, made.y - mean, solution.factor, chosen)
    return replace(fit, cov=fit._covariance(chosen))


def _start(start: Any, matrix: Matrix) -> np.ndarray | None:
    """Coefficients to begin with, checked."""
    if start is None:
        return None
    try:
        given = np.asarray(start, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.array(np.nan)
    if given.shape != (matrix.p,) or not np.isfinite(given).all():
        raise OptionError(
            f"start= takes {matrix.p} finite numbers, one for each of {', '.join(matrix.names[:8])}"
            f"{', ...' if matrix.p > 8 else ''}."
        )
    return given


def _solve(
    made: Design, family: Family, start: np.ndarray | None, tolerance: float, max_iterations: int
) -> GlmSolution:
    options: dict[str, Any] = {"weights": made.weights, "offset": made.offset, "start": start}
    try:
        return fit_glm(
            made.parts[0].values,
            made.y,
            family,
            tolerance=tolerance,
            max_iterations=max_iterations,
            alias_tolerance=TOLERANCE,
            **options,
        )
    except ConvergenceError:
        name_separation(made, family)
        raise
