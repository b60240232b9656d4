"""Temporal differences in continuous time by steps, averaged.

Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655, section 4: theta moves by a_k xi_k delta_k with delta_k the increment of
the martingale and xi_k a test function: the features for CTD(0), their decaying traces for CTD(lambda). Steps multiply the
increment and are not divided by the time step. A step may sum an episode (offline), or follow each row (online). Successive
rows of a path are alike, which leaves online averages a bias of the order of their steps; sums of episodes are independent.
Iterates are averaged (Polyak and Juditsky 1992): the average's error is that of the root of the conditions of the rows
averaged, whose covariance by episode it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Later
from statinf.errors import OptionError
from statinf.inference.moments import Moments
from statinf.results.estimate import Estimate
from statinf.results.methods import Method
from statinf.results.options import choice, count, number, value
from statinf.stochastic.continuous.averaging_steps import Averaged, averaged_steps
from statinf.stochastic.continuous.equations import Equations, increments, still, traces
from statinf.stochastic.continuous.estimating import estimate_of
from statinf.stochastic.continuous.options import ORDER, DiscountOptions
from statinf.stochastic.continuous.problem import CtdProblem
from statinf.stochastic.options import check_step_option


def _check_burn_in(name: str, given: Any) -> Any:
    good = isinstance(given, int | float | np.number) and not isinstance(given, bool) and given >= 0
    if not (good and (given < 1 or given == int(given))):
        raise OptionError(f"{name}={given!r} is not a count of steps, or a share below 1.")
    return given


@dataclass(frozen=True, kw_only=True)
class CtdStepOptions(DiscountOptions):
    """Options of the recursion."""

    update: str | None = choice(
        None, ("episode", "row"), "what a step follows; None: an episode, or a row where there is one path"
    )
    passes: int | None = count(
        None, "passes over the episodes or rows; None: as many as the slowest direction needs", also=(None,)
    )
    step: Any = value(
        None, "steps c0 / (k0 + k)^power; what is not given is scaled to the data",
        "a mapping with any of 'c0', 'k0', 'power', or None", check_step_option,
    )  # fmt: skip
    burn_in: Any = value(None, "steps before the average starts", "a count, a share below 1, or None", _check_burn_in)


@dataclass(frozen=True, kw_only=True)
class CtdTraceOptions(CtdStepOptions):
    """Options of the recursion with traces."""

    lam: float = number(0.5, "decay of traces per unit of time", low=0.0, high=1.0, open_low=True)


def estimate_still(problem: CtdProblem, options: CtdStepOptions) -> Estimate:
    """CTD(0)."""
    return _estimate(problem, still(problem.paths, problem.features), options)


def estimate_traces(problem: CtdProblem, options: CtdTraceOptions) -> Estimate:
    """CTD(lambda)."""
    return _estimate(problem, traces(problem.paths, problem.features, options.lam), options)


def _estimate(problem: CtdProblem, tests: np.ndarray, options: CtdStepOptions) -> Estimate:
    paths = problem.paths
    equations = Equations(tests, *increments(paths, problem.features, options.discounting))
    found = averaged_steps(
        paths, equations, problem.names, update=options.update or ("episode" if paths.episodes > 1 else "row"),
        step=dict(options.step or {}), burn_in=options.burn_in, passes=options.passes, seed=problem.seed,
    )  # fmt: skip
    moments = Later(_moments, problem, equations, found)
    theta = problem.scaled.carry @ found.theta
    return estimate_of(problem, theta, moments, discounting=options.discounting, facts=found.facts)


def _moments(problem: CtdProblem, equations: Equations, found: Averaged) -> Moments:
    """Scores of the rows that the average is of."""
    tests = np.where(found.used[:, None], equations.Z, 0.0)
    scores = problem.by_row(tests * equations.errors(found.theta)[:, None])
    return Moments(scores, problem.scaled.carry @ np.linalg.inv(tests.T @ equations.G), len(scores), np.inf)


_ABOUT = {
    "verb": "ctd",
    "citation": "Jia and Zhou (2022)",
    "arxiv": "2108.06655",
    "vignette": "continuous-td",
    "traits": ORDER,
}
METHODS = {
    "ctd0": Method(
        name="ctd0", estimate=estimate_still, options=CtdStepOptions,
        summary="steps along the increments of the martingale times features, averaged",
        guarantee="the error of the batch root of the episodes averaged; a warning where the average has not converged", **_ABOUT,
    ),
    "ctd-lambda": Method(
        name="ctd-lambda", estimate=estimate_traces, options=CtdTraceOptions,
        summary="the same with decaying traces of the features",
        guarantee="as ctd0, with traces that reach back along the path", **_ABOUT,
    ),
}  # fmt: skip
