"""S-learner: one outcome model that takes the treatment as a column (Kuenzel et al. 2019, arXiv 1706.03461).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them, with overlap. The effect is the difference of the model's predictions under both arms, and
as good as the model; with `pseudo="dr"` the model's predictions enter doubly robust scores instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from statinf.effects.cate_options import CateOptions
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.options import LEARNER, learner_for
from statinf.effects.pseudo import WEIGHTING
from statinf.effects.stages import PseudoRegression
from statinf.errors import OptionError
from statinf.results.methods import Method
from statinf.results.options import choice, value


@dataclass(frozen=True, kw_only=True)
class SLearnerOptions(CateOptions):
    """Options of the S-learner."""

    outcome_model: Any = value(
        None,
        "learner of the outcome, with the treatment as a column: random features by default, as a linear one has the same "
        "effect for everybody",
        LEARNER,
        learner_for("mean", "probability"),
    )
    pseudo: str | None = choice(None, ("dr",), "doubly robust scores of the one model's predictions")
    weighting: str | None = choice(None, WEIGHTING, "weight of those scores: as in 'dr'")

    def check(self) -> None:
        super().check()
        if self.weighting is not None and self.pseudo is None:
            raise OptionError("weighting= is the weight of doubly robust scores; give pseudo='dr' with it.")


def estimate(problem: CateProblem, options: SLearnerOptions) -> ConditionalEffect:
    """The difference of one model's predictions, or doubly robust scores made of them."""
    if options.outcome_model is None and options.learner is None:
        options = replace(options, outcome_model="random_features")
    pair = PseudoRegression(options.pseudo or "plug-in", options.weighting or "none", single=True)
    return conditional_effect(problem, options, pair)


METHOD = Method(
    verb="cate",
    name="s",
    estimate=estimate,
    options=SLearnerOptions,
    summary="S-learner: one outcome model that takes the treatment as a column",
    citation="Kuenzel et al. (2019)",
    arxiv="1706.03461",
    guarantee="predictions; evaluations with standard errors",
    vignette="r-learner-ivw",
    traits={"row order": "folds draw row numbers"},
)
