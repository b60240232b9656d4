"""Distributionally robust regression.

The estimand is ``argmin_b sup_P E_P[loss(y, x'b)]`` over laws P near that of the source: rows count up to 1 / (1 - level)
times as much ("cvar", Rockafellar and Uryasev 2000), E[(dP - 1)^2] / 2 <= radius ("chi2", Duchi and Namkoong 2021, arXiv
1810.08750) or E[dP log dP] <= radius ("kl", Hu and Hong 2013) of the likelihood ratio dP, or regressors moved by at most
`radius` in the mean ("wasserstein", Shafieezadeh-Abadeh, Kuhn and Mohajerin Esfahani 2019, arXiv 1710.10016, and Blanchet,
Kang and Murthy 2019, arXiv 1610.05627, in root mean square for squared loss). A target whose law lies in the ball has a
mean loss of at most the worst case. Each estimator solves smooth estimating equations at its fixed radius, from which its
standard errors come; the radius is not chosen from data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import NumericalWarning, issue_warning
from statinf.inference.covariance import Covariance
from statinf.inference.sandwich import covariance
from statinf.models.existence import name_separation
from statinf.numerics.glm.families import Family
from statinf.results import Estimate, Options, choice, count, flag, number
from statinf.shifts.dro_fit import RobustFit
from statinf.shifts.dro_problem import loss_of, robust_problem
from statinf.shifts.dro_solved import RobustSolved, moments_of, risk_moments, solve_robust
from statinf.shifts.problem import ShiftMethod, ShiftProblem

BALLS = ("chi2", "kl", "cvar", "wasserstein")


@dataclass(frozen=True, kw_only=True)
class DroOptions(Options):
    """Options of robust regression."""

    ball: str = choice("chi2", BALLS, "of laws around the source's")
    radius: float = number(
        0.1,
        "of the chi2, kl and wasserstein balls; the last in standard deviations of the columns",
        low=0,
        open_low=True,
    )
    level: float = number(
        0.5,
        "of the cvar ball: the worst share of the losses is 1 - level, as in si.cvar",
        low=0,
        high=1,
        open_high=True,
    )
    scale: bool = flag(True, "measure moves of a wasserstein ball in standard deviations of the columns")
    max_iter: int = count(200, "most Newton steps")

    @property
    def size(self) -> float:
        """What measures the ball."""
        return self.level if self.ball == "cvar" else self.radius


def estimate(problem: ShiftProblem, options: DroOptions) -> Estimate:
    """The coefficients of least worst-case loss."""
    rows = robust_problem(problem.design, problem.family, options.scale)
    if problem.family.name == "binomial" and options.ball != "wasserstein":
        name_separation(problem.design, problem.family)
    solved = solve_robust(rows, options.ball, options.size, options.max_iter)
    return estimate_of(solved)


def estimate_of(solved: RobustSolved) -> Estimate:
    """The estimate of a solved problem; exact fits have no standard errors."""
    problem = solved.problem
    names = problem.design.parts[0].names
    theta = np.full(len(names), np.nan)
    theta[problem.kept] = problem.carried(solved.theta)
    nobs, p = len(problem.used), len(solved.theta)
    exact = problem.exact or nobs <= p
    if exact:
        issue_warning("the rows are fitted exactly: the coefficients have no standard errors.", NumericalWarning)
    losses = problem.rows.terms(solved.theta)[0]
    unit = problem.loss_unit
    law = problem.spread(solved.law)
    return Estimate(
        terms=names,
        theta=theta,
        moments=None if exact else _moments(solved),
        covary=partial(_no_covariance, p, float(nobs - p)) if exact else None,
        nobs=nobs,
        df_resid=float(nobs - p),
        extra={
            "ball": solved.ball,
            "size": solved.size,
            "loss": problem.rows.loss.name,
            "worst_case_risk": solved.value * unit,
            "source_risk": float(problem.rows.w @ losses) * unit,
            "worst_law": law,
            "aliases": problem.aliases,
            "steps": solved.steps,
            "worst_covariance": None if exact else partial(_risk_covariance, solved),
        },
    )


def _moments(solved: RobustSolved) -> Callable[[], Any]:
    return partial(moments_of, solved)


def _risk_covariance(solved: RobustSolved, kind: Any, clusters: Any) -> Covariance:
    return covariance(risk_moments(solved), kind, clusters)


def _no_covariance(p: int, df: float, kind: Any) -> Covariance:
    return Covariance(np.full((p, p), np.nan), kind, "none: exact fit", df)


def _check(family: Family, ratio: Any, options: DroOptions) -> None:
    loss_of(family)


METHOD = ShiftMethod(
    verb="shift",
    name="dro",
    estimate=estimate,
    options=DroOptions,
    result=RobustFit,
    check=_check,
    reweighs=True,
    summary="least worst-case loss over laws near the source's: balls of CVaR, chi-square, Kullback-Leibler or Wasserstein type; "
    "squared loss, or logistic with family='binomial'",
    citation="Duchi and Namkoong (2021); Hu and Hong (2013); Shafieezadeh-Abadeh, Kuhn and Mohajerin Esfahani (2019)",
    arxiv="1810.08750",
    guarantee="bounds the mean loss of every law in the ball; sandwich errors at a fixed radius",
    vignette="double-weighting",
)
