"""Generalised linear models by maximum likelihood (Nelder and Wedderburn 1972)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, OptionError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_columns
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.models.existence import check_range, check_separation, check_whole, name_separation, null_deviance
from statinf.models.generalized_fit import GeneralizedFit
from statinf.models.table import GLM
from statinf.models.together import outcomes_together
from statinf.numerics.glm.families import FAMILIES, Family, family_of, log_likelihood
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.results import Estimate, Method, Options, count, number, stack_scores
from statinf.results.options import value
from statinf.results.predicting import predictor
from statinf.results.several import several

_OF_TRIALS = ("binomial", "quasibinomial")
"""Families for which a `cbind()` on the left is one outcome."""


def _known_family(_: str, name: Any) -> str:
    return family_of(name).name


@dataclass(frozen=True, kw_only=True)
class GlmOptions(Options):
    """Options of maximum likelihood."""

    family: str = value("gaussian", "distribution of the outcome", ", ".join(map(repr, FAMILIES)), _known_family)
    link: Any = value(None, "link; the family's usual one by default", "a link of the family, or None")
    start: Any = value(
        None,
        "coefficients to begin with, for models whose means must stay in a range, such as poisson with identity link",
        "one number per column, or None",
    )
    tol: float = number(
        1e-10,
        "largest last step, in the information's norm, relative to the root of the deviance",
        low=0,
        open_low=True,
    )
    max_iter: int = count(100, "most steps of Fisher scoring")


def estimate(made: Design, options: GlmOptions) -> Estimate:
    """Maximum likelihood by Fisher scoring; outcomes out of range and separation are refused by name."""
    family = family_of(options.family, options.link)
    matrix, name = made.parts[0], made.response_names[0]
    check_range(made.y, made.weights, family, name)
    common.check_outcome(made.y, made.weights, name)
    check_columns(matrix)
    check_whole(made.y, made.weights, made.weights_object is not None, family, name)
    nobs = int(np.count_nonzero(made.weights > 0))
    solution = _solve(made, family, options)
    rank = len(solution.factor)
    common.check_size(nobs, rank, matrix.names)
    check_separation(made, family, solution)
    common.warn_aliased(matrix, solution.kept, solution.condition)
    mean = family.link.inverse(solution.eta)
    df_resid = float(nobs - rank)
    dispersion = 1.0
    if not family.known_dispersion:
        pearson = float(np.sum(made.weights * (made.y - mean) ** 2 / family.variance(mean)))
        dispersion = pearson / df_resid if df_resid > 0 else np.nan
    for_likelihood = solution.deviance / made.weights.sum() if family.name == "gamma" else dispersion
    return Estimate(
        terms=matrix.names,
        theta=solution.coef,
        moments=partial(moments, made, family, solution, dispersion),
        nobs=nobs,
        df_resid=df_resid,
        extra={
            "family": family.name,
            "link": family.link.name,
            "factor": solution.factor,
            "aliases": solution.aliases,
            "deviance": solution.deviance,
            "null_deviance": null_deviance(made, family, matrix.intercept),
            "dispersion": dispersion,
            "loglik": log_likelihood(family, made.y, mean, made.weights, for_likelihood),
            "iterations": solution.iterations,
            "df_null": float(nobs - int(matrix.intercept)),
        },
    )


def moments(made: Design, family: Family, solution: GlmSolution, dispersion: float) -> Moments:
    """Scores of the likelihood and the inverse of the Fisher information, at dispersion one."""
    matrix = made.parts[0]
    x = common.kept_columns(matrix, solution.kept)[1]
    slope, information, _ = family.terms(predictor(matrix, solution.coef, made.offset), made.y)
    unit = x * slope[:, None]
    stacked = {}
    if made.weights_object is not None:
        stacked = stack_scores(made.weights_object, made.rows, unit)
    bread = inverse_gram(solution.factor)
    nobs = int(np.count_nonzero(made.weights))
    return Moments(
        unit if (made.weights == 1.0).all() else unit * made.weights[:, None],
        bread,
        nobs,
        float(nobs - len(bread)),
        bread * dispersion,
        columns=x,
        working=made.weights * information,
        residual=slope,
        factor=solution.factor,
        present=made.weights > 0,
        **stacked,
    )


def _start(start: Any, matrix: Matrix) -> np.ndarray | None:
    """Coefficients to begin with, one per column of the design."""
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


def _solve(made: Design, family: Family, options: GlmOptions) -> GlmSolution:
    try:
        return fit_glm(
            made.parts[0].values,
            made.y,
            family,
            weights=made.weights,
            offset=made.offset,
            start=_start(options.start, made.parts[0]),
            tolerance=options.tol,
            max_iterations=options.max_iter,
            alias_tolerance=TOLERANCE,
        )
    except ConvergenceError:
        name_separation(made, family)
        raise


METHOD = Method(
    verb="glm",
    name="",
    estimate=estimate,
    options=GlmOptions,
    summary="maximum likelihood of a generalised linear model",
    citation="Nelder and Wedderburn (1972)",
    guarantee="maximum likelihood; separation is detected and named",
    vignette="start",
    traits={
        "errors of doubled weights": "in families whose dispersion is one (binomial, Poisson) a weight of two is two rows"
    },
)


@GLM.document
@several(lambda options: str(options.get("family")).lower() not in _OF_TRIALS, together=outcomes_together)
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
    **options: Any,
) -> GeneralizedFit:
    """Fit a generalised linear model.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one; several outcomes (of a family other than the binomial)
        and steps as in `statinf.lm`. Binomial outcomes are 0 and 1, or shares of
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
    cluster, na_action, context, by
        As in `statinf.lm`.
    **options
        {methods}

    Returns
    -------
    GeneralizedFit
        Or `Fits`, a sequence of them, for several outcomes, steps or `by`.

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
    chosen, settings = GLM.read("", {"family": family, "link": link, **options})
    family_of(settings.family, settings.link)
    spec = VcovSpec.read(vcov, cluster, GeneralizedFit.vcov_kinds)
    made = common.regression_design(
        formula, data, weights=weights, vcov=spec, cluster=cluster, na_action=na_action, context=context
    )
    return GeneralizedFit.of(made, chosen.estimate(made, settings), vcov, method=chosen, cluster=cluster)
