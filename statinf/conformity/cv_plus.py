"""CV+ and CV-minmax prediction intervals.

Barber, Candes, Ramdas and Tibshirani (2021, arXiv 1905.02928): the jackknife+ with folds in place of rows left out
one by one; `statinf.conformity.leave_out.guaranteed_level` is what it guarantees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.conformity.class_cross import ClassCrossOptions, class_cross
from statinf.conformity.class_procedure import ClassCross
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import LeaveOut, check_finite
from statinf.errors import OptionError
from statinf.formula.given import aligned
from statinf.learners import crossfit, fold_ids, resolve
from statinf.results import Options, value


def _check_folds(name: str, given: Any) -> Any:
    if np.ndim(given) == 1 and not isinstance(given, str):
        return given
    if isinstance(given, bool | np.bool_) or not isinstance(given, int | np.integer) or given < 2:
        raise OptionError(f"{name}={given!r} must be a whole number of at least 2, or an array with one label per row.")
    return int(given)


@dataclass(frozen=True, kw_only=True)
class CVOptions(Options):
    """Options of intervals by cross-validation."""

    folds: Any = value(5, "how many, drawn at random, or labels", "a whole number or one label per row", _check_folds)


@dataclass(frozen=True, kw_only=True)
class CVPlusOptions(ClassCrossOptions, CVOptions):
    """Options of CV+, of intervals and of sets of classes."""


def estimate_plus(problem: ConformalProblem, options: CVPlusOptions) -> LeaveOut | ClassCross:
    """Intervals of numbers, or sets of classes."""
    if problem.classes:
        return class_cross(problem, options, _folds(problem, options.folds))
    options.refuse_for_numbers("cv+")
    return estimate(problem, options, variant="plus")


def estimate(problem: ConformalProblem, options: CVOptions, *, variant: str) -> LeaveOut:
    """Residuals of every row from the fit without its fold."""
    X, y, seed = problem.X, problem.y, problem.seed
    learner = resolve("lm" if problem.model is None else problem.model, "mean", "model")
    cross = crossfit(learner, X, y, _folds(problem, options.folds), seed=seed, progress=problem.progress)
    check_finite(cross.predictions, "out-of-fold predictions")
    return LeaveOut(learner.fit(X, y, seed=seed), cross, np.abs(y - cross.predictions), variant)


def _folds(problem: ConformalProblem, given: Any) -> np.ndarray:
    d = problem.design
    if np.ndim(given) == 1:
        given = aligned(given, d.frame, "folds", rows=d.rows)
        given = np.asarray(given)[d.rows] if len(given) == d.n_total != d.n else given
    return fold_ids(d.n, given, seed=problem.seed)


_SHARED: dict[str, Any] = {
    "verb": "conformal",
    "citation": "Barber, Candes, Ramdas, Tibshirani (2021)",
    "arxiv": "1905.02928",
    "held_out": False,
    "traits": {"row order": "folds draw row numbers"},
}
METHODS = {
    "cv+": ConformalMethod(
        name="cv+",
        estimate=estimate_plus,
        options=CVPlusOptions,
        outcome="both",
        summary="out-of-fold predictions, each widened by its own residual; sets of classes by Romano et al. (2020)",
        guarantee="P(covered) >= 2 level - 1 - sqrt(2/n)",
        vignette="conformal-cp2",
        **_SHARED,
    ),
    "cv-minmax": ConformalMethod(
        name="cv-minmax",
        estimate=partial(estimate, variant="minmax"),
        options=CVOptions,
        summary="the range of out-of-fold predictions, widened",
        guarantee="about the level",
        **_SHARED,
    ),
}
