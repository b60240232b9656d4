"""Augmented inverse probability weighting: the doubly robust score with parametric models on all rows.

Robins, Rotnitzky and Zhao (1994). The estimand and the score are those of `irm`; models of few parameters
(least squares, logit) are learnt and evaluated on the same rows unless folds are asked for. Standard errors
are those of the score, right if both models are.
"""

from __future__ import annotations

from functools import partial

from statinf.effects.arm_scores import DoublyRobustOptions, doubly_robust_means
from statinf.effects.irm import doubly_robust
from statinf.effects.method import EffectMethod

METHOD = EffectMethod(
    verb="effect",
    name="aipw",
    estimate=partial(doubly_robust, whole=True),
    means=partial(doubly_robust_means, whole=True),
    options=DoublyRobustOptions,
    summary="augmented inverse probability weighting: doubly robust scores, by default with parametric models on all rows",
    citation="Robins, Rotnitzky and Zhao (1994)",
    guarantee="consistent if the outcome or the treatment model is right",
    vignette="effects",
)
