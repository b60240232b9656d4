"""The censored normal regression by maximum likelihood (Tobin 1958), in Olsen's (1978) concave parameters.

Estimand: b and sigma of the latent outcome x'b + sigma e, e standard normal, of which what lies beyond a limit is recorded as
the limit. Normality with one sigma is what identifies b from censored rows; robust covariances hold for the minimiser of the
expected negative log-likelihood where it is wrong, but b is then no longer the latent slope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, StatinfWarning, issue_warning
from statinf.formula.design import Design
from statinf.formula.mentioned import read_frame
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.models.categories import check_terms
from statinf.models.likelihood_fit import asked_covariance
from statinf.models.limits import check_limit, check_limits, limit_values, sides
from statinf.models.row_counts import ONE_EACH, RowCounts, counted, weights_kind_option
from statinf.models.table import TOBIT
from statinf.models.tobit_fit import TobitFit
from statinf.models.tobit_rows import TobitProblem, tobit_problem
from statinf.numerics.limited.tobit import ABOVE, BELOW, SEEN, TobitRows
from statinf.results import Estimate, Method, Options, count, number
from statinf.results.options import value
from statinf.results.several import several


@dataclass(frozen=True, kw_only=True)
class TobitOptions(Options):
    """Options of maximum likelihood."""

    weights_kind: str = weights_kind_option()
    lower: Any = value(0.0, "limit from below", "a number, the name of a column, or None", check_limit)
    upper: Any = value(None, "limit from above", "a number, the name of a column, or None", check_limit)
    tol: float = number(1e-10, "largest mean score of orthonormal columns", low=0, high=1, open_low=True)
    max_iter: int = count(100, "most evaluations of the likelihood")

    def check(self) -> None:
        check_limits(self.lower, self.upper)


def estimate(made: Design, options: TobitOptions, counts: RowCounts = ONE_EACH) -> Estimate:
    """Maximum likelihood by Newton steps; what leaves it without a maximum is refused by name."""
    name = made.response_names[0]
    common.check_outcome(made.y, made.weights, name)
    used = np.flatnonzero(made.weights > 0)
    lower = limit_values(made.frame, options.lower, "lower", made.rows[used])
    upper = limit_values(made.frame, options.upper, "upper", made.rows[used])
    side = sides(made.y[used], lower, upper, name, made.rows[used])
    found = {"lower": BELOW, "uncensored": SEEN, "upper": ABOVE}
    each = np.ones(len(used)) if counts.copies is None else counts.copies[used]
    censored = {key: round(float(each[side == code].sum())) for key, code in found.items()}
    _check_counts(censored, name)
    names = made.parts[0].names
    terms = (*names, "log(sigma)" if "log(sigma)" not in names else "log(sigma of the outcome)")
    check_terms(terms)
    problem = tobit_problem(made, side, counts)
    nobs, likely = problem.rows.nobs, 1.0 if counts.likely else np.nan
    common.check_size(nobs, problem.model.size, terms)
    solution = problem.solve(tol=options.tol, max_iter=options.max_iter)
    theta = np.full(len(terms), np.nan)
    theta[np.append(problem.rows.kept, True)] = problem.carried(solution.beta)
    return Estimate(
        terms=terms,
        theta=theta,
        moments=partial(problem.moments, solution.beta, solution.hessian),
        nobs=nobs,
        df_resid=float(nobs - problem.model.size),
        extra={
            "lower": options.lower,
            "upper": options.upper,
            "counts": censored,
            "loglik": problem.loglik(solution) * likely,
            "null_loglik": _null_loglik(made, problem, options) * likely,
            "aliases": problem.rows.aliases,
            "iterations": solution.iterations,
            "weights_kind": counts.weights_kind,
            "copies": counts.copies,
        },
    )


def _check_counts(counts: dict[str, int], name: str) -> None:
    if not counts["uncensored"]:
        raise NotIdentifiedError(
            f"every outcome '{name}' lies at a limit, so its spread has no estimate; use si.glm(family='binomial', "
            "link='probit') for which limit, or check lower= and upper=."
        )
    if not counts["lower"] + counts["upper"]:
        issue_warning(
            f"no outcome '{name}' lies at a limit: the fit is that of si.lm, with the maximum likelihood estimate of sigma.",
            StatinfWarning,
        )


def _null_loglik(made: Design, problem: TobitProblem, options: TobitOptions) -> float:
    """Log-likelihood of a constant alone, the offset kept."""
    rows, w = problem.rows, problem.rows.weights
    y = made.y[rows.used] if rows.offset is None else made.y[rows.used] - rows.offset
    left = y - np.average(y, weights=w)
    unit = float(np.sqrt(np.average(left**2, weights=w)))
    bare = TobitRows(np.ones((len(w), 1)), left / unit, problem.model.side)
    found = bare.maximise(w, np.array([0.0, 1.0]), tol=options.tol, max_iter=options.max_iter)
    return -found.value * float(w.sum()) - float(np.log(unit) * w[bare.side == SEEN].sum())


METHOD = Method(
    verb="tobit",
    name="",
    estimate=estimate,
    options=TobitOptions,
    summary="maximum likelihood of a normal regression whose outcome is censored at limits",
    citation="Tobin (1958), Estimation of relationships for limited dependent variables",
    guarantee="maximum likelihood; columns without a finite coefficient are named",
    vignette="categories-and-limits",
    traits={"errors of doubled weights": "a weight of two is two rows in a likelihood without a dispersion"},
)


@TOBIT.document
@several()
def tobit(
    formula: str,
    data: Any,
    *,
    lower: Any = 0.0,
    upper: Any = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> TobitFit:
    """Fit a normal regression whose outcome is censored: recorded as a limit where it lies beyond.

    y = min(max(x'b + sigma e, lower), upper) with e standard normal.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        As `statinf.lm` takes it.
    lower, upper : float, str or None
        Limits: numbers, names of columns with each row's own limit (infinite where it has none), or None.
    vcov : str or mapping, optional
        "iid" (the inverse observed information, the default), "HC0", "HC1", `{"cluster": "column"}`, or one under dependence,
        such as `{"hac": 4, "time": "column"}`; the stacked sandwich (HC0) is the default with a `Weights` object.
    weights : array of shape (rows,), str or Weights, optional
        Weights of the rows in the likelihood; `weights_kind=` says what they mean.
    cluster, na_action, context, by
        As in `statinf.lm`; the formula takes several outcomes and steps as there.
    **options
        {methods}

    Returns
    -------
    TobitFit
        Coefficients of the latent outcome, then log(sigma); `sigma` and `sigma_std_error`; `predict` on the scales
        "latent", "censored", "uncensored" and "probability".

    Raises
    ------
    DataError
        If an outcome lies beyond its limit, or a limit is missing; the message names a row.
    NotIdentifiedError
        If every outcome is censored, those that are seen are fitted exactly, or a column has no finite coefficient.
    ConvergenceError
        If Newton's method does not converge.

    References
    ----------
    Tobin (1958), Econometrica 26; Olsen (1978), Econometrica 46.

    Examples
    --------
    >>> import statinf as si
    >>> mroz = si.datasets.load("mroz")
    >>> fit = si.tobit("hours ~ educ + exper + age", mroz)
    >>> fit.params.round(3).to_dict()
    {'Intercept': 389.904, 'educ': 59.646, 'exper': 84.799, 'age': -40.282, 'log(sigma)': 7.087}
    >>> round(fit.sigma, 1), round(fit.sigma_std_error, 1)
    (1196.3, 44.7)
    """
    chosen, settings = TOBIT.read("", {"lower": lower, "upper": upper, **options})
    spec = VcovSpec.read(vcov, cluster, TobitFit.vcov_kinds)
    made = common.regression_design(
        formula,
        read_frame(formula, data, weights, cluster, *spec.clusters, settings.lower, settings.upper),
        weights=weights,
        vcov=spec,
        cluster=cluster,
        na_action=na_action,
        context=context,
    )
    made, counts = counted(made, settings.weights_kind)
    asked = asked_covariance(vcov, cluster, counts)
    return TobitFit.of(made, chosen.estimate(made, settings, counts), asked, method=chosen, cluster=cluster)
