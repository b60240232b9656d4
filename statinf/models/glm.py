"""Generalised linear models by maximum likelihood (Nelder and Wedderburn 1972)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from statinf.models.glm_options import GlmOptions, VerbOptions
from statinf.models.row_counts import ONE_EACH, RowCounts, counted
from statinf.models.table import GLM
from statinf.models.together import outcomes_together
from statinf.numerics.glm.families import ALL_FAMILIES, Family, family_of, log_likelihood
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.results import Estimate, Method, stack_scores
from statinf.results.predicting import predictor
from statinf.results.several import several

_OF_TRIALS = tuple(name for name in ALL_FAMILIES if family_of(name, among=ALL_FAMILIES).law.shares)
"""Families for which a `cbind()` on the left is one outcome."""

ROBUST = VcovSpec("HC1", explicit=False)
"""The default with weights of a survey."""


@dataclass(frozen=True)
class ScoredModel:
    """What scoring has found, and what further fields of the fit say of it.

    Attributes
    ----------
    family : Family
    glm : GlmSolution
    shift : ndarray, shape (n,), or None
        What a prior adds to each row's score in its linear predictor, per unit of weight.
    shape : mapping of str to float
        Of the law: its overdispersion, and what is known of it.
    penalty : str
    facts : mapping of str to object
    """

    family: Family
    glm: GlmSolution
    shift: np.ndarray | None = None
    shape: Mapping[str, float] = field(default_factory=dict)
    penalty: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def estimate(made: Design, options: GlmOptions, rows: RowCounts = ONE_EACH) -> Estimate:
    """Maximum likelihood by Fisher scoring; outcomes out of range and separation are refused by name."""
    check_outcomes(made, options.model, rows)
    solved = ScoredModel(options.model, solve(made, options.model, options))
    check_separation(made, solved.family, solved.glm)
    return described(made, solved, rows)


def check_outcomes(made: Design, family: Family, rows: RowCounts) -> None:
    """Refuse outcomes and columns that the family cannot take."""
    matrix, name = made.parts[0], made.response_names[0]
    check_range(made.y, made.weights, family, name)
    common.check_outcome(made.y, made.weights, name)
    check_columns(matrix)
    if not rows.trials:
        check_whole(made.y, made.weights, made.weights_object is not None or not rows.whole, family, name)


def described(made: Design, solved: ScoredModel, rows: RowCounts) -> Estimate:
    """The estimate of coefficients that were found, with the deviance, dispersion and likelihood there."""
    matrix, family, solution = made.parts[0], solved.family, solved.glm
    nobs, rank = rows.nobs(made.weights), len(solution.factor)
    common.check_size(nobs, rank, matrix.names)
    common.warn_aliased(matrix, solution.kept, solution.condition)
    mean = family.link.inverse(solution.eta)
    df_resid = float(nobs - rank)
    dispersion = 1.0
    if not family.known_dispersion:
        pearson = float(np.sum(made.weights * (made.y - mean) ** 2 / family.variance(mean)))
        dispersion = pearson / df_resid if df_resid > 0 else np.nan
    loglik = np.nan
    if rows.likely:
        loglik = log_likelihood(family, made.y, mean, made.weights, solution.deviance, rows.copies)
    return Estimate(
        terms=matrix.names,
        theta=solution.coef,
        moments=partial(moments, made, family, solution, dispersion, rows, solved.shift),
        nobs=nobs,
        df_resid=df_resid,
        facts=solved.facts,
        extra={
            "family": family.name,
            "link": family.link.name,
            "factor": solution.factor,
            "aliases": solution.aliases,
            "deviance": solution.deviance,
            "null_deviance": null_deviance(made, family, matrix.intercept),
            "dispersion": dispersion,
            "loglik": loglik,
            "iterations": solution.iterations,
            "df_null": float(nobs - int(matrix.intercept)),
            "shape": dict(solved.shape),
            "penalty": solved.penalty,
            "weights_kind": rows.weights_kind,
            "copies": rows.copies,
        },
    )


def moments(
    made: Design,
    family: Family,
    solution: GlmSolution,
    dispersion: float,
    rows: RowCounts = ONE_EACH,
    shift: np.ndarray | None = None,
) -> Moments:
    """Scores of the likelihood and the inverse of the Fisher information, at dispersion one."""
    matrix = made.parts[0]
    x = common.kept_columns(matrix, solution.kept)[1]
    eta = predictor(matrix, solution.coef, made.offset)
    slope, information, _ = family.terms(eta, made.y)
    slope = slope if shift is None else slope + shift
    unit = x * slope[:, None]
    stacked = {}
    if made.weights_object is not None:
        stacked = stack_scores(made.weights_object, made.rows, unit)
    bread = inverse_gram(solution.factor)
    nobs = rows.nobs(made.weights)
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
        copies=rows.copies,
        variance=family.variance(family.link.inverse(eta)) * rows.variances(made.weights),
        **stacked,
    )


def start_of(start: Any, matrix: Matrix) -> np.ndarray | None:
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


def scoring(made: Design, options: GlmOptions) -> dict[str, Any]:
    """Keyword arguments that every scoring routine takes."""
    return {
        "weights": made.weights,
        "offset": made.offset,
        "start": start_of(options.start, made.parts[0]),
        "tolerance": options.tol,
        "max_iterations": options.max_iter,
        "alias_tolerance": TOLERANCE,
    }


def solve(made: Design, family: Family, options: GlmOptions) -> GlmSolution:
    """Fisher scoring; a failure that separation explains names it."""
    try:
        return fit_glm(made.parts[0].values, made.y, family, **scoring(made, options))
    except ConvergenceError:
        name_separation(made, family)
        raise


def solution(made: Design, options: VerbOptions, rows: RowCounts = ONE_EACH) -> Estimate:
    """The estimate of `si.glm`: by maximum likelihood, or under the penalty asked for."""
    if options.shrinks:
        from statinf.models.shrunken import shrunken

        return shrunken(made, options, rows)
    if options.penalty is not None:
        from statinf.models.bias_reduced import bias_reduced

        return bias_reduced(made, options, rows)
    if options.model.law.overdispersed:
        from statinf.models.overdispersed import overdispersed

        return overdispersed(made, options, rows)
    return estimate(made, options, rows)


METHOD = Method(
    verb="glm",
    name="",
    estimate=solution,
    options=VerbOptions,
    summary="maximum likelihood of a generalised linear model",
    citation="Nelder and Wedderburn (1972)",
    guarantee="maximum likelihood; separation is detected and named",
    vignette="counts-and-separation",
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
    absorb: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> GeneralizedFit:
    """Fit a generalised linear model.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one; several outcomes (of a family other than the binomial) and steps as
        in `statinf.lm`. Binomial outcomes are 0 and 1, shares of successes with the numbers of trials as weights, or
        `cbind(successes, failures)`.
    data : data frame
        As `statinf.lm` takes it.
    family : str
        "gaussian", "binomial", "poisson", "gamma", "inverse_gaussian"; "negative_binomial", counts of variance mu + alpha mu^2
        whose alpha is estimated (its estimate and error: `fit.overdispersion()`); "quasibinomial" and "quasipoisson", whose
        dispersion is estimated and which have no likelihood. Quasi families take any outcome of their range, such as shares
        (fractional logit: with `vcov="HC1"`).
    link : str, optional
        binomial and quasibinomial: "logit" (default), "probit", "cloglog". poisson, quasipoisson, negative_binomial: "log"
        (default), "identity", "sqrt". gamma: "log" (default; R's is "inverse"), "inverse", "identity". inverse_gaussian: "log"
        (default; R's is 1 / mu^2), "inverse_squared", "inverse", "identity". gaussian: "identity" (default), "log", "inverse".
    vcov : str or mapping, optional
        "iid" (the inverse Fisher information times the dispersion, the default), "HC0" to "HC5", `{"cluster": "column"}`,
        `{"hac": lags, "time": "column"}` and the others of `statinf.lm`; the stacked sandwich (HC0) is the default with a
        `Weights` object, HC1 with `weights_kind="probability"`.
    weights : array of shape (rows,), str or Weights, optional
        Prior weights as in R's `glm`; `weights_kind=` gives them another meaning.
    cluster, absorb, na_action, context, by
        As in `statinf.lm`. Levels whose counts are all zero, or whose binary outcomes are all alike, have no finite effect:
        their rows are left out and counted. With few rows per level, effects bias the coefficients of families other
        than the gaussian and the Poisson.
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
        If covariates separate the outcomes, so that no finite maximum exists; the message names them, and `penalty="firth"` has
        finite estimates.
    ConvergenceError
        If Fisher scoring does not converge.

    References
    ----------
    Nelder and Wedderburn (1972), Journal of the Royal Statistical Society A 135. Lawless (1987), Canadian Journal of Statistics
    15. Wedderburn (1974), Biometrika 61. Firth (1993), Biometrika 80; Heinze and Schemper (2002), Statistics in Medicine 21.
    Friedman, Hastie and Tibshirani (2010), Journal of Statistical Software 33.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.glm("am ~ wt", si.datasets.load("mtcars"), family="binomial")
    >>> fit.params.round(3).to_dict()
    {'Intercept': 12.04, 'wt': -4.024}

    Outcomes that a covariate separates have finite estimates under Jeffreys' prior, with profile limits:

    >>> cancers = si.datasets.load("endometrial")
    >>> fit = si.glm("hg ~ nv + pi + eh", cancers, family="binomial", penalty="firth")
    >>> fit.conf_int(interval="profile").round(3).loc["nv"].tolist()
    [0.61, 7.855]
    """
    chosen, settings = GLM.read("", {"family": family, "link": link, **options})
    law = settings.model.law
    spec = VcovSpec.read(vcov, cluster, GeneralizedFit.vcov_kinds)
    if absorb is not None:
        from statinf.models.absorbed_glm import absorbed_glm

        reading = {"weights": weights, "na_action": na_action, "context": context}
        return absorbed_glm(formula, data, absorb, chosen, settings, spec, cluster, **reading)
    made = common.regression_design(
        formula,
        data,
        weights=weights,
        vcov=spec,
        cluster=cluster,
        na_action=na_action,
        context=context,
        response="matrix" if law.shares else "numeric",
    )
    made, rows = counted(made, settings.weights_kind)
    asked = ROBUST if vcov is None and cluster is None and not rows.likely else vcov
    fit = GeneralizedFit.of(made, chosen.estimate(made, settings, rows), asked, method=chosen, cluster=cluster)
    return replace(fit, citation=settings.paper) if settings.paper else fit
