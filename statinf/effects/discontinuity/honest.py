"""Honest intervals for a mean whose second derivative is bounded (Armstrong and Kolesar 2018, 2020).

Estimand: the jump of the mean at the cutoff, sharp or fuzzy. Assumes a bound on the second derivative on each side: then the
worst bias of a local line at any bandwidth is known, and the interval counts it. Valid at any bandwidth and for discrete
running variables; only as good as the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from statinf.brief import Brief, Later
from statinf.effects.discontinuity.best_bandwidth import optimal_bandwidth
from statinf.effects.discontinuity.bounds import bound_by_rule, pilot_bandwidth
from statinf.effects.discontinuity.combining import Combined, combine, covariate_products, slopes
from statinf.effects.discontinuity.errors import ErrorRule, combined, rule_of
from statinf.effects.discontinuity.honest_fit import HonestFit
from statinf.effects.discontinuity.method import RdMethod
from statinf.effects.discontinuity.options import widths
from statinf.effects.discontinuity.problem import RdProblem, check_determined
from statinf.errors import NotIdentifiedError, OptionError, check_level
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.numerics.localpoly.side import LocalFit, Side, local_fit
from statinf.numerics.localpoly.variance import Clusters
from statinf.results import Estimate, Options, choice, count, number, value

CRITERIA = ("mse", "length", "one-sided")


def check_bound(name: str, given: Any) -> Any:
    """A positive number, or two of them for a fuzzy design."""
    several = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    fine = [isinstance(one, Real) and not isinstance(one, bool) and 0 <= float(one) < np.inf for one in several]
    if len(several) > 2 or not all(fine) or not several:
        raise OptionError(
            f"{name}={given!r} is not a number of at least 0, or a pair of them (outcome, treatment) for fuzzy designs."
        )
    return float(several[0]) if len(several) == 1 else (float(several[0]), float(several[1]))


def check_width(name: str, given: Any) -> Any:
    """One of the criteria, or a positive number."""
    if isinstance(given, str):
        if given not in CRITERIA:
            raise OptionError(
                f"{name}={given!r} is not known; give a number, or one of {', '.join(map(repr, CRITERIA))}."
            )
        return given
    return widths(name, given)


@dataclass(frozen=True, kw_only=True)
class HonestOptions(Options):
    """Options of honest intervals."""

    bound: Any = value(
        None,
        "on the second derivative of the outcome's mean (and of the treatment's in fuzzy designs); by default the largest that "
        "a polynomial of order four has on either side",
        "a number, or a pair for fuzzy designs",
        check_bound,
    )
    smoothness: str = choice(
        "holder", ("holder", "taylor"), "where the second derivative is bounded: everywhere, or at the cutoff alone"
    )
    bandwidth: Any = value(
        "mse",
        "what it makes smallest: the worst mean squared error, the interval's length, or the excess of a one-sided limit; or "
        "the bandwidth",
        f"one of {', '.join(map(repr, CRITERIA))}, a number, or a pair (left, right)",
        check_width,
    )
    level: float = value(0.95, "for which the bandwidth is chosen", "a number in (0, 1)", lambda _, v: check_level(v))
    power: float = number(
        0.8, "quantile of the excess of a one-sided limit", low=0.0, high=1.0, open_low=True, open_high=True
    )
    initial: float = number(0.0, "guess of a fuzzy design's effect, for its bandwidth")
    neighbours: int = count(3, "rows that estimate the variance at a row, for vcov='NN'")


@dataclass(frozen=True, repr=False)
class Line(Brief):
    """Local lines on both sides, and the effect that they make."""

    fits: tuple[LocalFit, LocalFit]
    combined: Combined
    gamma: np.ndarray

    def influence(self, rule: ErrorRule) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows of each side (n,) and their influence (n,)."""
        found = []
        for sign, fit in zip((-1.0, 1.0), self.fits, strict=True):
            left = rule.residuals(combined(fit, self.combined.gradient))[:, 0]
            found.append((fit.side.index, sign * fit.equivalent() * left))
        return found

    def variance(self, rule: ErrorRule) -> float:
        """Of the effect."""
        total = 0.0
        for rows, scores in self.influence(rule):
            summed = scores if rule.clusters is None else Clusters.of(rule.clusters[rows]).sums(scores)
            total += float(summed @ summed)
        return total

    def bias(self, bound: float, smoothness: str) -> float:
        """Largest bias of the jump of an outcome whose second derivative is bounded."""
        own = [float(weights(fit, smoothness) @ fit.side.x**2) for fit in self.fits]
        return bound / 2.0 * abs(sum(own))


def weights(fit: LocalFit, smoothness: str) -> np.ndarray:
    """Of the rows in the worst bias, shape (n,)."""
    return fit.equivalent() if smoothness == "holder" else np.abs(fit.equivalent())


def line_at(both: tuple[Side, Side], h: tuple[float, float], kernel: str, fuzzy: bool) -> Line:
    """Local lines with given bandwidths."""
    left, right = (local_fit(side, 1, at, kernel) for side, at in zip(both, h, strict=True))
    heads = 1 + fuzzy
    products = [covariate_products(fit, heads) for fit in (left, right)]
    gamma = slopes(products) if left.side.y.shape[1] > heads else np.zeros((0, heads))
    return Line((left, right), combine(right.derivative() - left.derivative(), gamma, fuzzy), gamma)


def estimate(problem: RdProblem, options: HonestOptions) -> Estimate:
    """The jump with its worst bias."""
    both = problem.both
    bounds, h = _settled(problem, both, options)
    line = line_at(both, h, problem.kernel, problem.fuzzy)
    check_determined(all(fit.determined for fit in line.fits), (1, 1), h, problem.running)
    bound, first = bounds[0], None
    if problem.fuzzy:
        assert line.combined.first is not None
        jumps = line.fits[1].derivative() - line.fits[0].derivative()
        across = float(line.combined.first @ jumps)
        problem.check_jump(across)
        bound = (bounds[0] + bounds[1] * abs(line.combined.value)) / abs(across)
        first = Later(_first_stage, problem, options, h, bounds[1])
    nobs = sum(len(side.x) for side in both)
    outcome = np.concatenate([np.eye(1 + problem.fuzzy)[0], -line.gamma[:, 0]])
    levels = np.array([float(fit.derivative() @ outcome) for fit in line.fits]) + problem.centre
    shares = np.concatenate([fit.equivalent() ** 2 for fit in line.fits])
    counts = [[len(s.x), s.distinct, *[problem.within(s, at)] * 2] for s, at in zip(both, h, strict=True)]
    extra = {
        **problem.facts,
        "problem": problem,
        "bandwidths": np.array([h, h]).T,
        "counts": np.array(counts),
        "levels": np.column_stack([levels, levels]),
        "bound": bound,
        "bias": line.bias(bound, options.smoothness),
        "smoothness": options.smoothness,
        "effective": _effective(problem, both, h, shares),
        "leverage": float(shares.max() / shares.sum()),
        "first": first,
    }
    return Estimate(
        terms=("honest",),
        theta=np.array([line.combined.value]),
        moments=partial(_moments, problem, line),
        nobs=nobs,
        df_resid=float(nobs - 4),
        covary=partial(_covariance, problem, line, options.neighbours),
        extra=extra,
    )


def _settled(
    problem: RdProblem, both: tuple[Side, Side], options: HonestOptions
) -> tuple[tuple[float, ...], tuple[float, float]]:
    """Bounds of outcome and treatment, and the bandwidths."""
    heads = 1 + problem.fuzzy
    given = options.bound
    pair = given if isinstance(given, tuple) else (given,)
    if given is not None and len(pair) != heads:
        raise OptionError(
            f"bound={given!r}: a fuzzy design needs a pair, for the outcome and the treatment."
            if problem.fuzzy
            else f"bound={given!r}: a sharp design needs one number."
        )
    fixed = isinstance(options.bandwidth, tuple)
    if given is not None and fixed:
        return pair, options.bandwidth
    pilot = pilot_bandwidth(both)
    gamma = line_at(both, (pilot, pilot), "triangular", problem.fuzzy).gamma
    plain = (_without(both[0], gamma), _without(both[1], gamma))
    bounds = pair if given is not None else tuple(bound_by_rule(plain, k) for k in range(heads))
    if fixed:
        return bounds, options.bandwidth
    guess = np.array([1.0, -options.initial])[:heads]
    bound = float(np.abs(guess) @ np.array(bounds))
    h = optimal_bandwidth(plain, guess, pilot, bound, problem.kernel, options)
    return bounds, (h, h)


def _without(side: Side, gamma: np.ndarray) -> Side:
    """A side whose outcome (and treatment) are adjusted for the covariates."""
    heads = gamma.shape[1]
    return replace(side, y=side.y[:, :heads] - side.y[:, heads:] @ gamma)


def _effective(problem: RdProblem, both: tuple[Side, Side], h: tuple[float, float], shares: np.ndarray) -> float:
    """Rows that a uniform kernel of the same bandwidth would have at the same sum of squared weights."""
    flat = [local_fit(side, 1, at, "uniform") for side, at in zip(both, h, strict=True)]
    return sum(len(f.side.x) for f in flat) * sum(float((f.equivalent() ** 2).sum()) for f in flat) / shares.sum()


def _moments(problem: RdProblem, line: Line) -> Moments:
    scores = np.zeros((problem.design.n, 1))
    for rows, found in line.influence(ErrorRule("hc0")):
        scores[rows, 0] = found
    nobs = int(np.count_nonzero(problem.w))
    return Moments(
        scores, np.eye(1), nobs, float(nobs - 1), weights_fixed=problem.stacked, present=np.asarray(problem.w > 0)
    )


def _covariance(problem: RdProblem, line: Line, neighbours: int, kind: Any) -> Covariance:
    rule = rule_of(kind, neighbours, problem.design)
    variance = line.variance(rule)
    if not np.isfinite(variance):
        raise NotIdentifiedError(f"{rule.named(kind)} errors have no degrees of freedom left within the bandwidth")
    return Covariance(np.array([[variance]]), kind, rule.named(kind, problem.stacked), np.inf)


def _first_stage(problem: RdProblem, options: HonestOptions, h: tuple[float, float], bound: float) -> HonestFit:
    sharp = problem.of_treatment()
    found = estimate(sharp, replace(options, bandwidth=h, bound=bound))
    return HonestFit.of(sharp.design, found, problem.vcov, method=METHOD)


METHOD = RdMethod(
    verb="rd",
    name="honest",
    estimate=estimate,
    options=HonestOptions,
    fit=HonestFit,
    summary="local lines with intervals that count the worst bias under a bound on the second derivative",
    citation="Armstrong and Kolesar (2018, 2020)",
    guarantee="intervals cover for every mean within the bound, at any bandwidth, also with a discrete running variable",
    vignette="rd-senate",
)
