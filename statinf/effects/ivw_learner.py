"""DR-learner with inverse-variance weights (Fisher 2023, arXiv 2307.09700).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them. Doubly robust scores are weighted by e(1 - e), the inverse of their variance up to a factor,
so that rows without overlap count for nothing; a linear final stage has standard errors, which count that the weights are
estimated.
"""

from __future__ import annotations

from statinf.effects.cate_options import PairOptions
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.stages import PseudoRegression
from statinf.results.methods import Method


def estimate(problem: CateProblem, options: PairOptions) -> ConditionalEffect:
    """Inverse-variance weighted regression of doubly robust scores."""
    pair = PseudoRegression(options.pseudo or "dr", options.weighting or "ivw")
    return conditional_effect(problem, options, pair)


METHOD = Method(
    verb="cate",
    name="ivw",
    estimate=estimate,
    options=PairOptions,
    summary="DR-learner with inverse-variance weights e(1 - e)",
    citation="Fisher (2023)",
    arxiv="2307.09700",
    guarantee="doubly robust with inverse-variance weights; standard errors",
    vignette="r-learner-ivw",
    traits={"row order": "folds draw row numbers"},
)
