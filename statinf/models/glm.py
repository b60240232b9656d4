"""Generalised linear models by maximum likelihood (Nelder and Wedderburn 1972)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from statinf.formula.design import Design
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.models.generalized_fit import GeneralizedFit
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_scoring import estimate
from statinf.models.row_counts import ONE_EACH, RowCounts, absent_as_present, counted
from statinf.models.table import GLM
from statinf.models.together import outcomes_together
from statinf.numerics.glm.families import ALL_FAMILIES, family_of, spelled
from statinf.passes import block_table, refuse_blocks
from statinf.results import Estimate, Method
from statinf.results.several import several

_OF_TRIALS = tuple(name for name in ALL_FAMILIES if family_of(name, among=ALL_FAMILIES).law.shares)
"""Families for which a `cbind()` on the left is one outcome."""

ROBUST = VcovSpec("HC1", explicit=False)
"""The default with weights of a survey."""


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
@several(lambda options: spelled(options.get("family")) not in _OF_TRIALS, together=outcomes_together)
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
        refuse_blocks(data, formula, "absorb", absorb)
        from statinf.models.absorbed_glm import absorbed_glm

        reading = {"weights": weights, "na_action": na_action, "context": context}
        return absorbed_glm(formula, data, absorb, chosen, settings, spec, cluster, **reading)
    table = block_table(data, formula, weights, cluster)
    if table is not None:
        from statinf.models.glm_passes import glm_passes

        reading = {"weights": weights, "cluster": cluster, "na_action": na_action, "context": context}
        return glm_passes(formula, table, chosen, settings, spec, vcov, **reading)
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
    fit = GeneralizedFit.of(
        made, chosen.estimate(absent_as_present(made), settings, rows), asked, method=chosen, cluster=cluster
    )
    return replace(fit, citation=settings.paper) if settings.paper else fit
