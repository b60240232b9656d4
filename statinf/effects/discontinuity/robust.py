"""Local polynomials with robust bias correction (Calonico, Cattaneo, Titiunik 2014, Econometrica 82).

Estimand: the jump at the cutoff of the mean of y given the running variable (of its derivative for kinks); in fuzzy
designs over the jump of the treatment. Assumes that means of potential outcomes are continuous there and, for fuzzy
designs, that nobody is moved against the rule. Covariates adjust as in Calonico, Cattaneo, Farrell and Titiunik (2019).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Later
from statinf.effects.discontinuity.bandwidths import Widths
from statinf.effects.discontinuity.errors import ErrorRule, rule_of
from statinf.effects.discontinuity.fit import TERMS, RdFit
from statinf.effects.discontinuity.jump import Jump
from statinf.effects.discontinuity.method import RdMethod
from statinf.effects.discontinuity.options import RobustOptions
from statinf.effects.discontinuity.problem import RdProblem, warn_tied
from statinf.effects.discontinuity.solving import described, jump_of, selected
from statinf.errors import NotIdentifiedError
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.results import Estimate


def estimate(problem: RdProblem, options: RobustOptions) -> Estimate:
    """The three rows: conventional, bias-corrected, robust."""
    return estimate_at(problem, options)[0]


def estimate_at(problem: RdProblem, options: RobustOptions) -> tuple[Estimate, Jump]:
    """The three rows, and the jump that they are of."""
    both = problem.both
    if options.masspoints != "off":
        warn_tied(both, problem.running)
    h, b = selected(problem, options)
    jump = jump_of(problem, both, options, h, b)
    estimates = np.array([jump.combined.value, jump.corrected, jump.corrected])
    nobs = sum(len(side.x) for side in both)
    first = Later(first_stage, problem, options, h, b) if problem.fuzzy else None
    found = Estimate(
        terms=TERMS,
        theta=estimates,
        moments=partial(_moments, problem, jump),
        nobs=nobs,
        df_resid=float(nobs - 2 * (options.orders[0] + 1)),
        covary=partial(_covariance, problem, jump, options.neighbours),
        extra={
            **described(problem, both, jump, h, b),
            "deriv": options.deriv,
            "orders": options.orders,
            "first": first,
            "settings": options,
        },
    )
    return found, jump


def _scores(problem: RdProblem, jump: Jump, rule: ErrorRule) -> np.ndarray:
    scores = np.zeros((problem.design.n, 3))
    for rows, found in jump.influence(rule):
        scores[rows] = found[:, [0, 0, 1]]
    return scores


def _moments(problem: RdProblem, jump: Jump) -> Moments:
    """Influence of the rows by plain residuals."""
    nobs = int(np.count_nonzero(problem.w))
    scores = _scores(problem, jump, ErrorRule("hc0"))
    return Moments(
        scores, np.eye(3), nobs, float(nobs - 3), weights_fixed=problem.stacked, present=np.asarray(problem.w > 0)
    )


def _covariance(problem: RdProblem, jump: Jump, neighbours: int, kind: Any) -> Covariance:
    rule = rule_of(kind, neighbours, problem.design)
    two = jump.covariance(rule)
    if not np.isfinite(two).all():
        raise NotIdentifiedError(
            f"{kind['cluster']!r} has one cluster on a side of the cutoff within the bandwidth"
            if rule.clusters is not None
            else f"vcov={kind!r} has no degrees of freedom left within the bandwidth"
        )
    at = np.array([0, 0, 1])
    return Covariance(two[np.ix_(at, at)], kind, rule.named(kind, problem.stacked), np.inf)


def first_stage(problem: RdProblem, options: RobustOptions, h: Widths, b: Widths) -> RdFit:
    """The jump of the treatment with the bandwidths of the effect."""
    sharp = problem.of_treatment()
    found = estimate(sharp, replace(options, bandwidth=h, bias_bandwidth=b, rho=None, masspoints="off"))
    return RdFit.of(sharp.design, found, problem.vcov, method=METHOD)


METHOD = RdMethod(
    verb="rd",
    name="robust",
    estimate=estimate,
    options=RobustOptions,
    fit=RdFit,
    summary="local polynomials with bias correction, and standard errors that count it: rows conventional, bias-corrected and "
    "robust, the last for inference",
    citation="Calonico, Cattaneo and Titiunik (2014)",
    guarantee="robust intervals cover in large samples at bandwidths of smallest mean squared error",
    vignette="rd-senate",
)
