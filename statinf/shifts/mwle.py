"""Importance-weighted maximum likelihood.

Shimodaira (2000, Journal of Statistical Planning and Inference 90); Ge, Tang, Fan, Ma and Jin (2024, arXiv 2311.15961):
source rows weighted by p_T(x) / p_S(x) estimate the target's best fit, right model or not. The estimand is
``argmin E_T[-log f(y | x)]``; it needs a source that covers the target. Where the ratio is estimated by a parametric
method, its error enters the standard errors through the stacked estimating function.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.results import Estimate, Options, number
from statinf.shifts.problem import ShiftMethod, ShiftProblem, likelihood


@dataclass(frozen=True, kw_only=True)
class MwleOptions(Options):
    """Options of importance-weighted likelihood."""

    power: float = number(
        1.0, "flattens an estimated ratio: 1 is the full ratio, 0 none of it (Shimodaira 2000)", low=0, high=1
    )


def estimate(problem: ShiftProblem, options: MwleOptions) -> Estimate:
    """The fit with source rows weighted by the ratio."""
    return likelihood(problem.design, problem.family)


def _power(options: MwleOptions) -> float:
    return options.power


METHOD = ShiftMethod(
    verb="shift",
    name="mwle",
    estimate=estimate,
    options=MwleOptions,
    power=_power,
    summary="source rows weighted by the density ratio; estimates the target's best fit where the model is wrong",
    citation="Shimodaira (2000); Ge, Tang, Fan, Ma and Jin (2024)",
    arxiv="2311.15961",
    guarantee="the target's best fit, right model or not; stacked standard errors",
    vignette="covariate-shift",
    traits={"weights doubled": "the logit behind the ratio counts weights as rows of the pooled samples"},
)
