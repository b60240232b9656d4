"""Augmented inverse probability weighting: the doubly robust score with parametric models on all rows.

Robins, Rotnitzky and Zhao (1994). The estimand and the score are those of `irm`; models of few parameters
(least squares, logit) are learnt and evaluated on the same rows unless folds are asked for. Standard errors
are those of the score, right if both models are.
"""

from __future__ import annotations

from statinf.effects.irm import estimate, scores

CITATION = "augmented inverse probability weighting (Robins, Rotnitzky and Zhao 1994)"

__all__ = ["CITATION", "estimate", "scores"]
