"""Least-squares temporal differences in continuous time.

Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655. With J = phi'theta the value of a state under a fixed policy,
exp(-beta t) J + int exp(-beta u) r du is a martingale at the true theta and at no other, so that the integral of any test
function against its increments has mean zero. As many test functions as features make linear equations, solved in one
batch. The features themselves give the continuous counterpart of LSTD(0), their decaying traces that of LSTD(lambda).
Increments are of first order in the time step, which leaves a bias of the order of the step.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.brief import Later
from statinf.errors import DataError
from statinf.results.estimate import Estimate
from statinf.results.methods import Method
from statinf.stochastic.continuous.conditions import conditions
from statinf.stochastic.continuous.equations import Equations
from statinf.stochastic.continuous.estimating import linear_estimate
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.options import ORDER, ConditionOptions, ValueOptions, check_pair
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem


@dataclass(frozen=True, kw_only=True)
class ClstdOptions(ConditionOptions, ValueOptions):
    """Options of the batch root."""

    def check(self) -> None:
        """Refuse a function without a start."""
        ConditionOptions.check(self)
        check_pair(self.value_function, self.start)


def _build(options: ClstdOptions, names: tuple[str, ...], paths: Paths, scaled: FeatureScale) -> Equations:
    made = conditions(paths, scaled, options, names)
    if made.Z.shape[1] != len(names):
        raise DataError(
            f"test_function returned {made.Z.shape[1]} test functions for {len(names)} features; give as many, or "
            "method='cgtd', which weights more of them."
        )
    return made


def estimate(problem: CtdProblem, options: ClstdOptions) -> Estimate:
    """The root of the martingale conditions."""
    if options.value_function is not None:
        from statinf.stochastic.continuous.nonlinear import family_of, nonlinear_estimate

        family, start = family_of(options.value_function, options.start, problem, options.test, options.discounting)
        return nonlinear_estimate(problem, family, start)
    build = Later(_build, options, problem.names)
    return linear_estimate(problem, build, discounting=options.discounting)


METHOD = Method(
    verb="ctd",
    name="clstd",
    estimate=estimate,
    options=ClstdOptions,
    summary="the root of the martingale conditions, solved in one batch",
    citation="Jia and Zhou (2022)",
    arxiv="2108.06655",
    guarantee="consistent as episodes grow and the time step shrinks; errors clustered by episode",
    vignette="continuous-td",
    traits=ORDER,
)
