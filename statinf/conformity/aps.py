"""Adaptive sets of classes: from the likeliest class on, until their probabilities reach a threshold.

Romano, Sesia and Candes (2020, arXiv 2006.02544). The score of a class is the probability of all that are at least as
likely, less a uniform share of its own: with the true probabilities sets then cover at the level in every row. Without
the draw (`randomized=False`) the class's own probability counts whole, and sets do not depend on chance.
With exchangeable rows coverage is at least the level, and below level + 1/(n + 1) if scores are distinct.

On given probabilities and draws the randomised sets are those of MAPIE's "aps" with `include_last_label="randomized"`.
MAPIE's other two settings keep randomised scores for calibration and move the threshold's class afterwards, so that they
cover more than the level; `randomized=False` here calibrates the score that it uses.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.conformity.class_held_out import ClassOptions, class_held_out
from statinf.conformity.class_procedure import ClassSplit
from statinf.conformity.class_score import Cumulated
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.results import flag


@dataclass(frozen=True, kw_only=True)
class APSOptions(ClassOptions):
    """Options of adaptive prediction sets."""

    randomized: bool = flag(True, "a random part of a class's own probability counts, which makes coverage exact")


def estimate(problem: ConformalProblem, options: APSOptions) -> ClassSplit:
    """Fit class probabilities to the training rows and calibrate their cumulated sum on the others."""
    return class_held_out(problem, options, Cumulated(options.randomized))


METHOD = ConformalMethod(
    verb="conformal",
    name="aps",
    estimate=estimate,
    options=APSOptions,
    outcome="classes",
    summary="sets of classes: from the likeliest on until their probabilities reach a threshold, adaptive to the row",
    citation="Romano, Sesia, Candes (2020)",
    arxiv="2006.02544",
    guarantee="P(covered) >= level, finite sample; conditional on the row with the true probabilities",
    vignette="conformal-categories",
    traits={"row order": "the split draws row numbers"},
)
