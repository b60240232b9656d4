"""Jackknife+ and CV+ sets of classes.

Romano, Sesia and Candes (2020, arXiv 2006.02544, equation 10). With scores E_i of the n rows from fits that left them
out, a class with score E(x) by those same fits belongs to the set if fewer than ``level (n + 1)`` rows have
``E_i < E(x)``. Coverage is at least ``1 - 2 (1 - level)`` for exchangeable rows with rows left out one by one, less the
term of `leave_out.guaranteed_level` with folds; about the level in practice.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.conformity.class_held_out import fit_classes, warn_absent
from statinf.conformity.class_procedure import CALIBRATION_DRAWS, ClassCross
from statinf.conformity.class_score import Cumulated, OneMinus
from statinf.conformity.problem import ConformalProblem
from statinf.errors import OptionError, SeparationWarning, issue_warning
from statinf.results import Options, choice, flag


@dataclass(frozen=True, kw_only=True)
class ClassCrossOptions(Options):
    """Options that cross-validation methods take where the outcome is categories."""

    score: str | None = choice(
        None, ("aps", "lac"), "of classes: probabilities cumulated to a class, the default, or one minus its own"
    )
    randomized: bool | None = flag(
        None, "of classes, with score='aps': a random part of a class's own probability counts; True there"
    )
    allow_empty: bool | None = flag(
        None, "of classes: sets may be empty, True there; False puts the likeliest class in"
    )

    def check(self) -> None:
        if self.score == "lac" and self.randomized is not None:
            raise OptionError(f"randomized={self.randomized!r} goes with score='aps'; score='lac' draws nothing.")

    def refuse_for_numbers(self, method: str) -> None:
        """Raise an `OptionError` if an option of classes is given and the outcome is numbers."""
        for name in ("score", "randomized", "allow_empty"):
            if getattr(self, name) is not None:
                raise OptionError(
                    f"{name}={getattr(self, name)!r} belongs to sets of classes; with an outcome of numbers "
                    f"method={method!r} makes intervals from residuals. Write C(...) on the left of '~' for classes."
                )


def class_cross(problem: ConformalProblem, options: ClassCrossOptions, folds: np.ndarray) -> ClassCross:
    """Fit the classifier without each fold (n,) of fold numbers, and score every row by the fit without it."""
    score = OneMinus() if options.score == "lac" else Cumulated(options.randomized is not False)
    X, codes, levels = problem.X, problem.codes, problem.levels
    draws = generator(problem.seed, CALIBRATION_DRAWS).random(len(codes))
    scores, fits, absent = np.empty(len(codes)), [], {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SeparationWarning)
        whole = fit_classes(problem, np.ones(len(codes), bool))
        for k in progress_bar(range(int(folds.max()) + 1), label="Fitting folds", show=problem.progress):
            out = folds == k
            fitted = fit_classes(problem, ~out)
            absent[fitted.absent(levels)] = fitted
            fits.append(fitted)
            scores[out] = score.of(fitted.probabilities(X[out], problem.design.rows[out]), codes[out], draws[out])
    for one in {str(w.message): w for w in caught}.values():
        # Once, not once per fold.
        issue_warning(one.message, one.category)
    for missing, fitted in absent.items():
        if missing:
            warn_absent(fitted, levels, "the training rows of some folds")
    return ClassCross(score, whole, levels, tuple(fits), folds, scores, problem.seed, options.allow_empty is not False)
