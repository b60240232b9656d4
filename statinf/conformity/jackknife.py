"""Jackknife, jackknife+ and jackknife-minmax prediction intervals.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928). Coverage is at least ``1 - 2 (1 - level)`` for
exchangeable rows with "jackknife+" (about the level in practice), at least the level with "jackknife-minmax"; none is
guaranteed for the plain jackknife.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from statinf.conformity.class_cross import ClassCrossOptions, class_cross
from statinf.conformity.class_procedure import ClassCross
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import LeaveOut, leave_one_out_procedure
from statinf.learners import resolve
from statinf.results import Options


def estimate(problem: ConformalProblem, options: Options, *, variant: str) -> LeaveOut:
    """Residuals of every row from the fit to the others."""
    learner = resolve("lm" if problem.model is None else problem.model, "mean", "model")
    return leave_one_out_procedure(learner, problem.X, problem.y, variant, problem.seed, problem.progress)


def estimate_plus(problem: ConformalProblem, options: ClassCrossOptions) -> LeaveOut | ClassCross:
    """Intervals of numbers, or sets of classes."""
    if problem.classes:
        return class_cross(problem, options, np.arange(len(problem.codes)))
    options.refuse_for_numbers("jackknife+")
    return estimate(problem, options, variant="plus")


def _method(name: str, made: Callable[..., Any], summary: str, guarantee: str, **more: Any) -> ConformalMethod:
    return ConformalMethod(
        verb="conformal",
        name=name,
        estimate=made,
        summary=summary,
        citation="Barber, Candes, Ramdas, Tibshirani (2021)",
        arxiv="1905.02928",
        guarantee=guarantee,
        held_out=False,
        **more,
    )


METHODS = {
    method.name: method
    for method in (
        _method(
            "jackknife",
            partial(estimate, variant="base"),
            "the fit's prediction, widened by leave-one-out residuals",
            "none",
        ),
        _method(
            "jackknife+",
            estimate_plus,
            "leave-one-out predictions, each widened by its own residual; sets of classes by Romano et al. (2020)",
            "P(covered) >= 2 level - 1",
            options=ClassCrossOptions,
            outcome="both",
            vignette="conformal-cp2",
        ),
        _method(
            "jackknife-minmax",
            partial(estimate, variant="minmax"),
            "the range of leave-one-out predictions, widened",
            "P(covered) >= level, finite sample",
            vignette="conformal-cp2",
        ),
    )
}
