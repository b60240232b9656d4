"""Sets of classes with one threshold per class: coverage holds among the rows of every class.

Vovk (2012, Conditional validity of inductive conformal predictors, JMLR W&CP 25), label-conditional prediction: the score
of a class is compared with those of calibration rows of that class. Classes with too few of them are in every set, and so
is a class that no calibration row has. With exchangeable rows ``P(covered | class)`` is at least the level.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.conformity.class_held_out import ClassOptions, class_held_out
from statinf.conformity.class_procedure import ClassSplit
from statinf.conformity.class_score import Cumulated, OneMinus
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.errors import OptionError
from statinf.results import choice, flag


@dataclass(frozen=True, kw_only=True)
class ClassConditionalOptions(ClassOptions):
    """Options of class-conditional prediction sets."""

    score: str = choice("lac", ("lac", "aps"), "one minus the class's probability, or probabilities cumulated to it")
    randomized: bool | None = flag(
        None, "with score='aps': a random part of a class's own probability counts; True there"
    )

    def check(self) -> None:
        if self.score == "lac" and self.randomized is not None:
            raise OptionError(f"randomized={self.randomized!r} goes with score='aps'; score='lac' draws nothing.")


def estimate(problem: ConformalProblem, options: ClassConditionalOptions) -> ClassSplit:
    """Fit class probabilities to the training rows and calibrate one threshold per class on the others."""
    score = OneMinus() if options.score == "lac" else Cumulated(options.randomized is not False)
    return class_held_out(problem, options, score, by_class=True)


METHOD = ConformalMethod(
    verb="conformal",
    name="class-conditional",
    estimate=estimate,
    options=ClassConditionalOptions,
    outcome="classes",
    summary="sets of classes with one threshold per class, so that each class is covered",
    citation="Vovk (2012)",
    guarantee="P(covered | class) >= level, finite sample",
    vignette="conformal-categories",
    traits={"row order": "the split draws row numbers"},
)
