"""T-learner: an outcome model for each arm (Kuenzel et al. 2019, arXiv 1706.03461).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them, with overlap. The effect is the difference of both arms' predictions, projected on the
columns of the final model, and as good as the outcome models.
"""

from __future__ import annotations

from statinf.effects.cate_options import CateOptions
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.stages import PseudoRegression
from statinf.results.methods import Method


def estimate(problem: CateProblem, options: CateOptions) -> ConditionalEffect:
    """The difference of both arms' predictions."""
    return conditional_effect(problem, options, PseudoRegression("plug-in", "none"))


METHOD = Method(
    verb="cate",
    name="t",
    estimate=estimate,
    options=CateOptions,
    summary="T-learner: an outcome model for each arm",
    citation="Kuenzel et al. (2019)",
    arxiv="1706.03461",
    guarantee="predictions; evaluations with standard errors",
    vignette="r-learner-ivw",
    traits={"row order": "folds draw row numbers"},
)
