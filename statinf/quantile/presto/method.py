"""PRESTO (Faletto and Bien 2023, arXiv 2305.18700): rare last categories from the commoner ones before them.

Estimand: P(Y = k | x) of ordered categories, above all of the last and rarest. Assumes
P(Y <= k | x) = logistic(a_k + x'b_k), increasing in k where x has support, with sparse differences b_k - b_{k-1}.
"""

from __future__ import annotations

from statinf.quantile.presto import odds
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.penalised import PenalisedFit, fit_path
from statinf.quantile.presto.problem import PrestoProblem
from statinf.results import Estimate, Method


def estimate(problem: PrestoProblem, options: PrestoOptions) -> Estimate | PenalisedFit:
    """Maximum likelihood for a penalty of zero, else the path and the penalty chosen from it."""
    return odds.estimate(problem, options) if options.likelihood else fit_path(problem, options)


LIKELIHOOD = Method(
    verb="presto",
    name="",
    estimate=odds.estimate,
    options=PrestoOptions,
    citation="McCullagh (1980), Regression models for ordinal data",
)
"""What a fit of penalty zero says of itself."""

METHOD = Method(
    verb="presto",
    name="",
    estimate=estimate,
    options=PrestoOptions,
    summary="cumulative logit models whose slopes are shrunk towards proportional odds",
    citation="Faletto and Bien (2023), Predicting rare events by shrinking towards proportional odds",
    arxiv="2305.18700",
    guarantee="optimality conditions to `tol`; proportional odds and separate slopes as the two ends, with standard errors at "
    "penalty=0",
    vignette="presto-rare-events",
)
