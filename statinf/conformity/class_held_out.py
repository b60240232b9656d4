"""Calibration of sets of classes on rows that the model has not seen: options and work that all such methods share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.conformity.class_procedure import (
    CALIBRATION_DRAWS,
    ClassSplit,
    cells_of,
    class_thresholds,
    filled,
)
from statinf.conformity.class_score import ClassScore, inside
from statinf.conformity.held_out import HeldOutOptions, training_rows
from statinf.conformity.problem import ConformalProblem
from statinf.conformity.shift import calibration_ratio
from statinf.errors import DataError, OptionError, StatinfWarning, issue_warning
from statinf.inference.conformal import Calibration
from statinf.learners import resolve
from statinf.learners.classes import ClassProbabilities, class_numbers
from statinf.results import flag

Tuned = Callable[[np.ndarray, np.ndarray, np.ndarray], ClassScore]
"""From probabilities (n, K), class numbers (n,) and draws (n,) of rows held apart to the score."""


@dataclass(frozen=True, kw_only=True)
class ClassOptions(HeldOutOptions):
    """Options of every method that makes sets of classes from held-out rows."""

    allow_empty: bool = flag(True, "a set may be empty where no class is likely; False puts the likeliest class there")


def class_held_out(
    problem: ConformalProblem,
    options: ClassOptions,
    score: ClassScore | Tuned,
    *,
    by_class: bool = False,
    tune: float = 0.0,
) -> ClassSplit:
    """Fit the classifier to the training rows and score the others.

    Parameters
    ----------
    problem : ConformalProblem
    options : ClassOptions
    score : ClassScore or callable
        The score, or what chooses it on rows held apart.
    by_class : bool
        Whether every class has a threshold of its own.
    tune : float
        Share of the calibration rows that is held apart to choose the score.

    Raises
    ------
    DataError, OptionError
        If rows cannot be split so, or the model gives no class probabilities.
    """
    d, seed = problem.design, problem.seed
    train = training_rows(options.split, d, seed)
    levels = problem.levels
    if train.any():
        fitted = fit_classes(problem, train)
        warn_absent(fitted, levels, "the training rows")
    else:
        fitted, levels = as_fitted(problem.model, levels)
        warn_absent(fitted, levels, "the fitted model's classes")
    rest = np.flatnonzero(~train)
    draws = generator(seed, CALIBRATION_DRAWS).random(d.n)[rest]
    P = fitted.probabilities(problem.X[rest], d.rows[rest])
    codes, tuned = problem.codes[rest], np.zeros(len(rest), bool)
    if tune > 0.0:
        tuned = _held_apart(len(rest), tune, seed)
    if callable(score):
        score = score(P[tuned], codes[tuned], draws[tuned])
    keep = ~tuned
    rest, P, codes, draws = rest[keep], P[keep], codes[keep], draws[keep]
    ratio = None if problem.ratio is None else calibration_ratio(problem.ratio, d, problem.data, rest)
    groups = None if problem.groups is None else problem.groups[1][rest]
    cells = cells_of(groups, codes, P.shape[1]) if by_class else groups
    calibration = Calibration(score.of(P, codes, draws)[:, None], ratio, cells)
    q = class_thresholds(calibration, P.shape, problem.level, by_class, ratio, groups)
    members = filled(inside(score, P, draws, q), P, options.allow_empty)
    sizes = np.bincount(members.sum(axis=1), minlength=P.shape[1] + 1)
    counts = int(train.sum()), int(tuned.sum())
    return ClassSplit(score, fitted, levels, calibration, by_class, seed, *counts, sizes, options.allow_empty)


def fit_classes(problem: ConformalProblem, rows: np.ndarray) -> ClassProbabilities:
    """The problem's classifier, multinomial logit by default, fitted to some of its rows (n,) of booleans."""
    learner = resolve("logit" if problem.model is None else problem.model, "classes", "model")
    return learner.fit(problem.X[rows], problem.codes[rows], problem.levels, seed=problem.seed)


def as_fitted(model: Any, levels: tuple[Any, ...]) -> tuple[ClassProbabilities, tuple[Any, ...]]:
    """A classifier that the caller fitted, for `split=0`, and the levels with its classes that no row has.

    Raises
    ------
    OptionError
        If it is a name, or gives no probabilities of named classes.
    """
    named = getattr(model, "classes_", None)
    if model is None or isinstance(model, str) or not hasattr(model, "predict_proba") or named is None:
        raise OptionError(
            "split=0 calibrates on every row: give model= a classifier that is fitted already, with predict_proba and "
            "classes_, the labels of its columns."
        )
    name = type(model).__name__
    columns = class_numbers(named, levels, name)
    beyond = tuple(one for one, k in zip(np.asarray(named).tolist(), columns, strict=True) if k < 0)
    if beyond:
        issue_warning(
            f"no row has the classes {', '.join(map(repr, beyond[:6]))}, which the fitted {name} knows; sets may hold them.",
            StatinfWarning,
        )
        columns[columns < 0] = np.arange(len(levels), len(levels) + len(beyond))
        levels = levels + beyond
    return ClassProbabilities(model, columns, len(levels), name), levels


def warn_absent(fitted: ClassProbabilities, levels: tuple[Any, ...], where: str) -> None:
    """Say which classes a model has not seen."""
    absent = fitted.absent(levels)
    if absent:
        shown = ", ".join(map(repr, absent[:6])) + (f" and {len(absent) - 6} more" if len(absent) > 6 else "")
        issue_warning(
            f"{'class' if len(absent) == 1 else 'classes'} {shown} {'is' if len(absent) == 1 else 'are'} absent from {where}: "
            "the model gives probability zero there.",
            StatinfWarning,
        )


def _held_apart(n: int, share: float, seed: int) -> np.ndarray:
    count = round(share * n)
    if not 1 <= count < n:
        raise DataError(
            f"{n} calibration rows cannot be divided into rows that choose and rows that calibrate; give the penalty and "
            "kreg, or more rows."
        )
    out = np.zeros(n, bool)
    out[generator(seed, 61).permutation(n)[:count]] = True
    return out
