"""The martingale loss: values as the regression of what was earned until the end.

Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655, section 3. With a known payment at the end, the squared distance between
J = phi'theta and the discounted rewards from there to the end, integrated over time, is least at the best approximation of
the value function in mean square: gradient Monte Carlo. Linear values make it a least-squares regression of returns on
features, each row weighted by its time step.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.errors import OptionError
from statinf.results.estimate import Estimate
from statinf.results.methods import Method
from statinf.stochastic.continuous.equations import Equations
from statinf.stochastic.continuous.estimating import linear_estimate
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.options import ORDER, ValueOptions, check_pair
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem


def _build(paths: Paths, scaled: FeatureScale) -> Equations:
    features = scaled.apply(paths.x)
    return Equations(features * paths.dt[:, None], features, paths.returns())


@dataclass(frozen=True, kw_only=True)
class LossOptions(ValueOptions):
    """Options of the martingale loss."""

    def check(self) -> None:
        """Refuse a function without a start."""
        check_pair(self.value_function, self.start)


def estimate(problem: CtdProblem, options: LossOptions) -> Estimate:
    """Regression of returns on features."""
    if problem.paths.terminal is None:
        raise OptionError(
            "method='ml' compares values with all that is earned until the end: give terminal=, the column of what is paid at the "
            "end of an episode, or 0 if nothing is. For paths that go on use method='clstd'."
        )
    overlapping = "returns of one episode overlap until its end"
    if options.value_function is not None:
        from statinf.stochastic.continuous.nonlinear import family_of, nonlinear_estimate

        family, start = family_of(options.value_function, options.start, problem, "loss", "exact")
        return nonlinear_estimate(problem, family, start, overlapping)
    return linear_estimate(problem, _build, discounting="exact", overlapping=overlapping)


METHOD = Method(
    verb="ctd",
    name="ml",
    estimate=estimate,
    options=LossOptions,
    summary="regression of the returns to the end on the features, which has the least martingale loss",
    citation="Jia and Zhou (2022)",
    arxiv="2108.06655",
    guarantee="best approximation of the values in mean square; errors clustered by episode",
    vignette="continuous-td",
    traits=ORDER,
)
