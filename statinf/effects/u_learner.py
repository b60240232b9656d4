"""U-learner: regression of ratios of residuals, without weights (Kuenzel et al. 2019, arXiv 1706.03461).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them, with overlap. The ratio (Y - eta) / (A - e) explodes where A - e is small; it is here for
comparison with the R-learner, which weights it.
"""

from __future__ import annotations

from statinf.effects.cate_options import PairOptions
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.stages import PseudoRegression
from statinf.results.methods import Method


def estimate(problem: CateProblem, options: PairOptions) -> ConditionalEffect:
    """Regression of ratios of residuals."""
    pair = PseudoRegression(options.pseudo or "u", options.weighting or "none")
    return conditional_effect(problem, options, pair)


METHOD = Method(
    verb="cate",
    name="u",
    estimate=estimate,
    options=PairOptions,
    summary="U-learner: regression of ratios of residuals",
    citation="Kuenzel et al. (2019)",
    arxiv="1706.03461",
    guarantee="predictions; unstable without overlap, for comparison",
    vignette="r-learner-ivw",
    traits={"row order": "folds draw row numbers"},
)
