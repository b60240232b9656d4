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
from statinf.effects.discontinuity.bandwidths import Widths, WidthSearch, choose
from statinf.effects.discontinuity.errors import ErrorRule, rule_of
from statinf.effects.discontinuity.fit import TERMS, RdFit
from statinf.effects.discontinuity.jump import Jump, jump_at
from statinf.effects.discontinuity.method import RdMethod
from statinf.effects.discontinuity.options import RobustOptions, widths
from statinf.effects.discontinuity.problem import RdProblem, check_determined, warn_tied
from statinf.errors import NotIdentifiedError
from statinf.inference.moments import Covariance, Moments
from statinf.numerics.localpoly.side import Side
from statinf.results import Estimate


def search_of(problem: RdProblem, options: RobustOptions) -> WidthSearch:
    """What bandwidths of a problem are chosen for."""
    both, fuzzy = problem.both, problem.fuzzy
    if fuzzy and (options.sharpbw or any(np.ptp(side.y[:, 1]) == 0 for side in both)):
        left, right = (replace(side, y=np.delete(side.y, 1, axis=1)) for side in both)
        both, fuzzy = (left, right), False
    p, q = options.orders
    rule = rule_of(problem.vcov.asked, options.neighbours, problem.design)
    if rule.clusters is not None and min(len(np.unique(rule.clusters[side.index])) for side in both) < 2:
        raise NotIdentifiedError(
            f"{problem.vcov.clusters[0]!r} has one cluster on a side of the cutoff, and no variance between clusters; cluster "
            "by another column, or not at all."
        )
    return WidthSearch(
        both, p, q, options.deriv, problem.kernel, fuzzy, rule, options.scaleregul, options.masspoints, options.bwcheck
    )


def selected(problem: RdProblem, options: RobustOptions) -> tuple[Widths, Widths]:
    """Bandwidths of the estimate and of its bias, as given or as chosen."""
    given = options.bandwidth
    if not isinstance(given, str):
        h = given if isinstance(given, tuple) else widths("bandwidth", given)
        if options.bias_bandwidth is not None:
            return h, widths("bias_bandwidth", options.bias_bandwidth)
        rho = 1.0 if options.rho is None else options.rho
        return h, (h[0] / rho, h[1] / rho)
    h, b = choose(search_of(problem, options), given)
    check_determined(bool(np.isfinite([*h, *b]).all()) and min(*h, *b) > 0, options.orders, h, problem.running)
    return h, b if options.rho is None else (h[0] / options.rho, h[1] / options.rho)


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


def jump_of(problem: RdProblem, both: tuple[Side, Side], options: RobustOptions, h: Widths, b: Widths) -> Jump:
    """The jump with these bandwidths; refuses what the rows do not determine."""
    p, q = options.orders
    jump = jump_at(
        both, order=p, bias_order=q, deriv=options.deriv, h=h, b=b, kernel=problem.kernel, fuzzy=problem.fuzzy
    )
    check_determined(
        all(half.small.determined and half.large.determined for half in jump.halves), (p, q), h, problem.running
    )
    if problem.fuzzy:
        assert jump.combined.first is not None
        jumps = [half.small.derivative(options.deriv) for half in jump.halves]
        problem.check_jump(float(jump.combined.first @ (jumps[1] - jumps[0])), 1.0 / max(h) ** options.deriv)
    return jump


def described(problem: RdProblem, both: tuple[Side, Side], jump: Jump, h: Widths, b: Widths) -> dict[str, Any]:
    """What a fit tells of its two sides."""
    counts = [
        [len(side.x), side.distinct, *(problem.within(side, at) for at in (hs, bs))]
        for side, hs, bs in zip(both, h, b, strict=True)
    ]
    return {
        **problem.facts,
        "problem": problem,
        "bandwidths": np.array([h, b]).T,
        "counts": np.array(counts),
        "levels": jump.sides + problem.centre * (jump.deriv == 0),
    }


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
