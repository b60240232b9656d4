"""Full conformal prediction in closed form for least squares, ridge and kernel ridge.

Vovk, Gammerman and Shafer (2005); Nouretdinov, Melluish and Vovk (2001, the ridge regression confidence machine).
Coverage is at least the level, and all rows serve for fitting; `statinf.conformity.ranked_sets` finds the sets.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Full
from statinf.conformity.ranked_sets import SCORES
from statinf.errors import OptionError
from statinf.learners import resolve
from statinf.results import Options, choice


@dataclass(frozen=True, kw_only=True)
class FullOptions(Options):
    """Options of full conformal prediction."""

    score: str = choice("absolute", SCORES, "residuals as they are, or over the root of, or one minus, the leverage")


def estimate(problem: ConformalProblem, options: FullOptions) -> Full:
    """The rows and a learner that is linear in the outcomes.

    Raises
    ------
    OptionError
        If the learner is another.
    """
    learner = resolve("lm" if problem.model is None else problem.model, "mean", "model")
    if not hasattr(learner, "smoother"):
        raise OptionError(
            f"method='full' needs a fit that is linear in the outcomes: 'lm', 'ridge' or 'kernel_ridge'; "
            f"{type(learner).__name__} is not. Use method='jackknife+' or 'cv+'."
        )
    return Full(learner, problem.X, problem.y, options.score)


METHOD = ConformalMethod(
    verb="conformal",
    name="full",
    estimate=estimate,
    options=FullOptions,
    summary="every outcome that does not stand out among the residuals of the fit that includes it",
    citation="Vovk, Gammerman, Shafer (2005); Nouretdinov, Melluish, Vovk (2001)",
    guarantee="P(covered) >= level, finite sample",
    vignette="conformal-cp2",
    held_out=False,
    unions=True,
)
