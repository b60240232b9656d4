"""From a root in scaled features to the `Estimate` of a fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from statinf.brief import Later
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.results.estimate import Estimate
from statinf.stochastic.continuous.covariances import path_covariance
from statinf.stochastic.continuous.equations import ConditionRoot, Equations, solve
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem

Builder = Callable[[Paths, FeatureScale], Equations]


def linear_estimate(
    problem: CtdProblem, build: Builder, *, discounting: str, overlapping: str = "", **extra: Any
) -> Estimate:
    """The root of equations, with errors of rows and episodes.

    Parameters
    ----------
    problem : CtdProblem
    build : callable
        From paths and the scaling of their features to as many equations as features.
    discounting : str
        Of the increments that diagnostics look at.
    overlapping : str
        Why scores of rows of one episode cannot be told apart; empty where they can.
    **extra
        Further fields of the fit.
    """
    equations = build(problem.paths, problem.scaled)
    root = solve(equations, problem.names)
    moments = Later(_moments, problem, equations, root)
    return estimate_of(
        problem, problem.scaled.carry @ root.theta, moments, discounting=discounting, overlapping=overlapping,
        again=Later(_again, problem, build), **extra,
    )  # fmt: skip


def estimate_of(
    problem: CtdProblem, theta: np.ndarray, moments: Callable[[], Moments], *, discounting: str, overlapping: str = "",
    facts: Any = None, again: Callable[[Paths], np.ndarray] | None = None, terms: tuple[str, ...] | None = None,
    **extra: Any,
) -> Estimate:  # fmt: skip
    """What every method of `ctd` hands to its fit."""
    made = cache(moments)
    paths = problem.paths
    kinds = {"Episodes": paths.episodes, "Mean time step": f"{paths.dt[~paths.last].mean():.4g}"}
    ends = "none, paths go on" if paths.terminal is None else "paid at the last row"
    return Estimate(
        terms=problem.names if terms is None else terms,
        theta=theta,
        moments=moments,
        nobs=len(paths.time),
        df_resid=np.inf,
        facts={**kinds, "Discount rate": f"{paths.discount:g}", "End": ends, **(facts or {})},
        covary=Later(_covariance, problem, made, overlapping),
        extra={
            "discount": paths.discount, "discounting": discounting, "id": problem.id, "time": problem.time,
            "problem": problem, "again": again, **extra,
        },
    )  # fmt: skip


def _covariance(problem: CtdProblem, moments: Callable[[], Moments], overlapping: str, kind: Any) -> Covariance:
    return path_covariance(problem, moments(), overlapping, kind)


def _moments(problem: CtdProblem, equations: Equations, root: ConditionRoot) -> Moments:
    scores = problem.by_row(equations.Z * equations.errors(root.theta)[:, None])
    return Moments(scores, problem.scaled.carry @ root.inverse, len(scores), np.inf)


def _again(problem: CtdProblem, build: Builder, paths: Paths) -> np.ndarray:
    """The estimate from other rows of the same paths, shape (q,)."""
    scaled = FeatureScale.of(paths.x)
    return scaled.carry @ solve(build(paths, scaled), problem.names).theta
