"""DR-learner: regression of doubly robust scores (Kennedy 2023, arXiv 2004.14497).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them, with overlap. The pseudo-outcome is unbiased for it if either the outcome models or the
propensity are right, so that errors of the nuisances enter as products; a linear final stage has standard errors.
"""

from __future__ import annotations

from statinf.effects.cate_options import PairOptions
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.stages import PseudoRegression
from statinf.results.methods import Method


def estimate(problem: CateProblem, options: PairOptions) -> ConditionalEffect:
    """Regression of doubly robust scores."""
    pair = PseudoRegression(options.pseudo or "dr", options.weighting or "none")
    return conditional_effect(problem, options, pair)


METHOD = Method(
    verb="cate",
    name="dr",
    estimate=estimate,
    options=PairOptions,
    summary="DR-learner: regression of doubly robust scores",
    citation="Kennedy (2023)",
    arxiv="2004.14497",
    guarantee="doubly robust; linear projections with standard errors",
    vignette="r-learner-ivw",
    traits={"row order": "folds draw row numbers"},
)
