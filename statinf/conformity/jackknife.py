"""Jackknife, jackknife+ and jackknife-minmax prediction intervals.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928). Coverage is at least ``1 - 2 (1 - level)`` for
exchangeable rows with "jackknife+" (about the level in practice), at least the level with "jackknife-minmax"; none is
guaranteed for the plain jackknife.
"""

from __future__ import annotations

from functools import partial

from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import LeaveOut, leave_one_out_procedure
from statinf.learners import resolve
from statinf.results import Options


def estimate(problem: ConformalProblem, options: Options, *, variant: str) -> LeaveOut:
    """Residuals of every row from the fit to the others."""
    learner = resolve("lm" if problem.model is None else problem.model, "mean", "model")
    return leave_one_out_procedure(learner, problem.X, problem.y, variant, problem.seed, problem.progress)


def _method(name: str, variant: str, summary: str, guarantee: str, vignette: str = "") -> ConformalMethod:
    return ConformalMethod(
        verb="conformal",
        name=name,
        estimate=partial(estimate, variant=variant),
        summary=summary,
        citation="Barber, Candes, Ramdas, Tibshirani (2021)",
        arxiv="1905.02928",
        guarantee=guarantee,
        vignette=vignette,
        held_out=False,
    )


METHODS = {
    method.name: method
    for method in (
        _method("jackknife", "base", "the fit's prediction, widened by leave-one-out residuals", "none"),
        _method(
            "jackknife+",
            "plus",
            "leave-one-out predictions, each widened by its own residual",
            "P(covered) >= 2 level - 1",
            "conformal-cp2",
        ),
        _method(
            "jackknife-minmax",
            "minmax",
            "the range of leave-one-out predictions, widened",
            "P(covered) >= level, finite sample",
        ),
    )
}
