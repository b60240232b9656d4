"""Gradient temporal differences in continuous time: the generalised method of moments of the martingale conditions.

Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655, section 4. The objective m'W^-1 m / 2 of the means m of test functions
against increments is what the gradient methods CGTD descend: W = I for CGTD(0), the second moments of the test functions
for CGTD(2) (the counterpart of TDC). Values linear in the features make it a quadratic form, which is minimised in one step
instead of descended. With as many test functions as features the weighting does not matter and the root is that of CLSTD.
With more, W = the covariance of the sums of episodes at a first step is efficient (Hansen 1982), and the least objective
tests whether the conditions can hold together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Later
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.inference.clusters import cluster_sums
from statinf.inference.distributions import chi2_sf
from statinf.inference.hypotheses import WaldTest
from statinf.results.estimate import Estimate
from statinf.results.methods import Method
from statinf.results.options import choice, value
from statinf.stochastic.continuous.conditions import conditions
from statinf.stochastic.continuous.equations import Equations, check_identified, still
from statinf.stochastic.continuous.estimating import Builder, linear_estimate
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.options import ORDER, ConditionOptions, check_test
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem


@dataclass(frozen=True, kw_only=True)
class CgtdOptions(ConditionOptions):
    """Options of the generalised method of moments."""

    test_function: Any = value(
        "td0", "test functions of the conditions: the features, their traces, both, or the features over the local variance of "
        "the martingale", "'td0', 'lambda', 'both', 'relative', or a function of features (n, q) and time (n,)",
        partial(check_test, also=("both",)),
    )  # fmt: skip
    weighting: str = choice(
        "efficient", ("identity", "gram", "efficient"),
        "weights of more conditions than features: none, by second moments of the test functions, or by the covariance of episodes",
    )  # fmt: skip


def _tests(options: CgtdOptions, names: tuple[str, ...], paths: Paths, scaled: FeatureScale) -> Equations:
    """All conditions, of which there may be more than features."""
    made = conditions(paths, scaled, options, names)
    if options.test_function == "both":
        made = Equations(np.concatenate([still(paths, scaled.apply(paths.x)), made.Z], axis=1), made.G, made.c)
    if made.Z.shape[1] < len(names):
        raise DataError(
            f"test_function returned {made.Z.shape[1]} test functions for {len(names)} features; give as many or more."
        )
    check_identified(made.Z.T @ made.G, made, names)
    return made


def _weighed(made: Equations, paths: Paths, weighting: str) -> Equations:
    """As many equations as features: Z W^-1 Z'G in the place of Z."""
    matrix = made.Z.T @ made.G
    first = np.linalg.lstsq(matrix, made.Z.T @ made.c, rcond=None)[0]
    inverse = np.eye(made.Z.shape[1])
    if weighting == "gram":
        inverse = _inverse((made.Z * paths.dt[:, None]).T @ made.Z)
    elif weighting == "efficient":
        inverse = _inverse(_spread(made, paths, first))
    return Equations(made.Z @ (inverse @ matrix), made.G, made.c)


def _spread(made: Equations, paths: Paths, theta: np.ndarray) -> np.ndarray:
    """Covariance of the sums of episodes, or of rows where there is one path, times their number; shape (m, m)."""
    sums = made.Z * made.errors(theta)[:, None]
    if paths.episodes > 1:
        sums = cluster_sums(sums, paths.episode)
        sums = sums - sums.mean(axis=0)
    if len(sums) <= sums.shape[1]:
        raise NotIdentifiedError(
            f"there are {len(sums)} episodes for {sums.shape[1]} conditions: their covariance is singular. Use "
            "weighting='gram', or fewer test functions."
        )
    return sums.T @ sums


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse; test functions that repeat one another share their weight."""
    size = np.sqrt(np.diag(matrix))
    size = np.where(size > 0.0, size, 1.0)
    return np.linalg.pinv(matrix / np.outer(size, size), rcond=1e-10, hermitian=True) / np.outer(size, size)


def _build(options: CgtdOptions, names: tuple[str, ...], paths: Paths, scaled: FeatureScale) -> Equations:
    made = _tests(options, names, paths, scaled)
    return made if made.Z.shape[1] == len(names) else _weighed(made, paths, options.weighting)


def estimate(problem: CtdProblem, options: CgtdOptions) -> Estimate:
    """The minimum of the weighted conditions."""
    build: Builder = Later(_build, options, problem.names)
    made = _tests(options, problem.names, problem.paths, problem.scaled)
    if made.Z.shape[1] == len(problem.names):
        return linear_estimate(problem, build, discounting=options.discounting)
    tested = None
    facts = {"Conditions": f"{made.Z.shape[1]}, weighting {options.weighting}"}
    if options.weighting == "efficient":
        tested = _overidentification(made, problem)
        facts["Overidentification"] = f"chi2({tested.df}) = {tested.statistic:.4g}, p = {tested.p_value:.4g}"
    return linear_estimate(problem, build, discounting=options.discounting, facts=facts, overidentification=tested)


def _overidentification(made: Equations, problem: CtdProblem) -> WaldTest:
    """Hansen's test that all conditions hold together."""
    weighed = _weighed(made, problem.paths, "efficient")
    theta = np.linalg.solve(weighed.Z.T @ weighed.G, weighed.Z.T @ weighed.c)
    left = made.Z.T @ made.errors(theta)
    inverse = _inverse(_spread(made, problem.paths, theta))
    statistic = float(left @ inverse @ left)
    df = int(np.linalg.matrix_rank(inverse, hermitian=True)) - len(problem.names)
    if df < 1:
        raise OptionError("the test functions repeat one another: there are no more conditions than features.")
    return WaldTest("all conditions hold", statistic, df, np.inf, chi2_sf(statistic, df))


METHOD = Method(
    verb="ctd",
    name="cgtd",
    estimate=estimate,
    options=CgtdOptions,
    summary="the minimum of weighted martingale conditions, of which there may be more than features (what CGTD descends)",
    citation="Jia and Zhou (2022); Hansen (1982)",
    arxiv="2108.06655",
    guarantee="efficient among the conditions given; a test of whether they hold together",
    vignette="continuous-td",
    traits=ORDER,
)
