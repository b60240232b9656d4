"""Least ambiguous sets of classes: every class whose probability reaches one threshold.

Sadinle, Lei and Wasserman (2019, arXiv 1609.00451). The score of a class is one minus its probability. With the true
probabilities no sets of the same marginal coverage are smaller on average; sets can be empty where no class is likely.
With exchangeable rows coverage is at least the level, and below level + 1/(n + 1) if scores are distinct. On given
probabilities the sets are those of MAPIE's "lac".
"""

from __future__ import annotations

from statinf.conformity.class_held_out import ClassOptions, class_held_out
from statinf.conformity.class_procedure import ClassSplit
from statinf.conformity.class_score import OneMinus
from statinf.conformity.problem import ConformalMethod, ConformalProblem


def estimate(problem: ConformalProblem, options: ClassOptions) -> ClassSplit:
    """Fit class probabilities to the training rows and calibrate one threshold on the others."""
    return class_held_out(problem, options, OneMinus())


METHOD = ConformalMethod(
    verb="conformal",
    name="lac",
    estimate=estimate,
    options=ClassOptions,
    outcome="classes",
    summary="sets of classes: those whose probability reaches a threshold, the smallest sets on average",
    citation="Sadinle, Lei, Wasserman (2019)",
    arxiv="1609.00451",
    guarantee="P(covered) >= level, finite sample",
    vignette="conformal-categories",
    traits={"row order": "the split draws row numbers"},
)
