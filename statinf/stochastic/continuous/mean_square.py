"""The mean-square TD error: what is small for values that are smooth along paths, not for the right ones.

Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655, section 3. The sum of squared increments of the martingale goes to its
quadratic variation as the time step goes to zero, so that its minimiser makes the martingale smooth instead of making it a
martingale: as the step goes to zero, values tend to constants along the noise. It is here as the competitor that the others
are to be compared with, the naive residual gradient.
"""

from __future__ import annotations

from statinf.brief import Later
from statinf.results.estimate import Estimate
from statinf.results.methods import Method
from statinf.stochastic.continuous.equations import Equations, increments
from statinf.stochastic.continuous.estimating import linear_estimate
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.options import ORDER, DiscountOptions
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem


def _build(discounting: str, paths: Paths, scaled: FeatureScale) -> Equations:
    G, c = increments(paths, scaled.apply(paths.x), discounting)
    return Equations(G, G, c)


def estimate(problem: CtdProblem, options: DiscountOptions) -> Estimate:
    """Least squares of the increments."""
    return linear_estimate(
        problem, Later(_build, options.discounting), discounting=options.discounting,
        overlapping="squared increments have no martingale", facts={"Caution": "not consistent for the values"},
    )  # fmt: skip


METHOD = Method(
    verb="ctd",
    name="mstde",
    estimate=estimate,
    options=DiscountOptions,
    summary="least mean-square TD error, which is not consistent in continuous time; for comparison",
    citation="Jia and Zhou (2022)",
    arxiv="2108.06655",
    guarantee="none for the values: as the time step shrinks it makes them smooth along paths; for comparison",
    vignette="continuous-td",
    traits=ORDER,
)
