"""R-learner: residuals of the outcome on residuals of the treatment (Nie and Wager 2021, arXiv 1712.04912).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them. Rows count as (A - e)^2, so that those without overlap count little; errors of the nuisances
enter as products, and a linear final stage has standard errors.
"""

from __future__ import annotations

from statinf.effects.cate_options import PairOptions
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.stages import PseudoRegression
from statinf.results.methods import Method


def estimate(problem: CateProblem, options: PairOptions) -> ConditionalEffect:
    """Weighted regression of ratios of residuals."""
    pair = PseudoRegression(options.pseudo or "u", options.weighting or "r")
    return conditional_effect(problem, options, pair)


METHOD = Method(
    verb="cate",
    name="r",
    estimate=estimate,
    options=PairOptions,
    summary="R-learner: residuals of the outcome on residuals of the treatment",
    citation="Nie and Wager (2021)",
    arxiv="1712.04912",
    guarantee="orthogonal; overlap-weighted projections with standard errors",
    vignette="r-learner-ivw",
    traits={"row order": "folds draw row numbers"},
)
