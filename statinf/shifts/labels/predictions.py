"""Class probabilities of the rows of both samples: cross-fitted, or as the caller gives them."""

from __future__ import annotations

from functools import partial

import numpy as np

from statinf.errors import DataError, StatinfWarning, issue_warning
from statinf.learners.classes import ClassLearner, checked_probabilities
from statinf.learners.crossfit import fold_ids
from statinf.learners.multinomial import Multinomial
from statinf.learners.nuisance import over_mean
from statinf.learners.registry import resolve
from statinf.shifts.labels.logit import StackedLogit
from statinf.shifts.labels.problem import GIVEN, LabelOptions, LabelProblem
from statinf.shifts.samples import Samples, check_columns

_CLEAR = 4.0
"""Standard errors by which the given probability of a class is lower on its own rows before that is told."""


def label_problem(
    samples: Samples, names: tuple[str, ...], codes: np.ndarray, options: LabelOptions, groups: np.ndarray | None
) -> LabelProblem:
    """Probabilities of the rows of both samples.

    Parameters
    ----------
    samples : Samples
    names : tuple of str, length k
    codes : ndarray of int, shape (n,)
        Classes of the rows of `samples.xs`.
    options : LabelOptions
    groups : ndarray of int, shape (n,), or None
        Clusters, which stay whole within a fold.

    Raises
    ------
    DataError
        If given columns are no probabilities of the classes, or a class has too few rows for the folds.
    """
    if isinstance(options.learner, str) and options.learner == GIVEN:
        source, target = _given(samples, names)
        _warn_of_order(source, codes, samples.ws, names)
        return LabelProblem(codes, samples.ws, source, target, samples.wt, names)
    check_columns(samples)
    learner: ClassLearner = resolve(options.learner, "classes", "learner")
    if options.folds == 1:
        source, target = _once(samples, codes, learner, len(names))
    else:
        folds = _folds(codes, names, options.folds, groups, samples.seed)
        source, target = _by_folds(samples, codes, learner, len(names), folds)
    behind = None
    if isinstance(learner.learner, Multinomial):
        behind = partial(StackedLogit.fit, learner.learner, samples.xs, codes, over_mean(samples.ws), samples.xt)
    return LabelProblem(codes, samples.ws, source, target, samples.wt, names, behind)


def _folds(codes: np.ndarray, names: tuple[str, ...], count: int, groups: np.ndarray | None, seed: int) -> np.ndarray:
    folds = fold_ids(len(codes), count, seed=seed, strata=codes, groups=groups)
    k = len(names)
    table = np.bincount(folds * k + codes, minlength=k * (int(folds.max()) + 1)).reshape(-1, k)
    lost = (table.sum(axis=0) - table == 0).any(axis=0)
    if lost.any():
        named = ", ".join(repr(name) for name, gone in zip(names, lost, strict=True) if gone)
        raise DataError(
            f"too few rows of class {named} for {count} folds: a model would be fitted without it. Merge it with another "
            "class, or use folds=1."
        )
    return folds


def _once(samples: Samples, codes: np.ndarray, learner: ClassLearner, k: int) -> tuple[np.ndarray, np.ndarray]:
    fitted = learner.fit(samples.xs, codes, range(k), w=over_mean(samples.ws), seed=samples.seed)
    return fitted.probabilities(samples.xs), fitted.probabilities(samples.xt)


def _by_folds(
    samples: Samples, codes: np.ndarray, learner: ClassLearner, k: int, folds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each row of the source by the model without its fold, each of the target by the mean of all models.

    The target's mean of models is what the source's held-out rows see on average: the equations of class shares then hold
    for the models as they are, however well they predict.
    """
    source, target = np.empty((len(codes), k)), np.zeros((len(samples.xt), k))
    w = over_mean(samples.ws)
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        fitted = learner.fit(samples.xs[~held], codes[~held], range(k), w=w[~held], seed=samples.seed)
        source[held] = fitted.probabilities(samples.xs[held])
        target += fitted.probabilities(samples.xt) * float(samples.ws[held].sum() / samples.ws.sum())
    return source, target


def _given(samples: Samples, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    k, p = len(names), samples.xs.shape[1]
    if p not in (k - 1, k):
        raise DataError(
            f"learner='given': the formula has {p} columns ({', '.join(samples.names)}) for {k} classes; write one "
            f"probability for each of {', '.join(names)}, in this order, or leave out that of {names[0]}."
        )
    _check_labels(samples, names)

    def whole(x: np.ndarray, what: str) -> np.ndarray:
        if p == k - 1:
            x = np.column_stack([1.0 - x.sum(axis=1), x])
            # What is left to one, and no less than that by rounding.
            x[:, 0] = np.where(np.abs(x[:, 0]) < 1e-12, 0.0, x[:, 0])
        return checked_probabilities(np.ascontiguousarray(x), f"the {what}'s columns", None)

    return whole(samples.xs, "source"), whole(samples.xt, "target")


def _warn_of_order(given: np.ndarray, codes: np.ndarray, w: np.ndarray, names: tuple[str, ...]) -> None:
    """Warn of classes whose probability is lower on their own rows than on others, as where columns are in another order."""
    k, squared = len(names), w * w
    chosen = given[np.arange(len(codes)), codes]
    # Sums of w, w f, w^2, w^2 f and w^2 f^2: over a class's own rows, and over all.
    parts = (w, w * chosen, squared, squared * chosen, squared * chosen**2)
    own = np.stack([np.bincount(codes, part, minlength=k) for part in parts])
    every = np.stack([np.full(k, w.sum()), w @ given, np.full(k, squared.sum()), squared @ given, squared @ given**2])
    (first, noise), (second, more) = (
        (m := sums[1] / sums[0], np.maximum(sums[4] - 2.0 * m * sums[3] + m * m * sums[2], 0.0) / sums[0] ** 2)
        for sums in (own, every - own)
    )
    far = first - second < -_CLEAR * np.sqrt(noise + more)
    low = [name for name, there in zip(names, far, strict=True) if there]
    if low:
        issue_warning(
            f"learner='given': the probabilities of {', '.join(map(repr, low))} are lower on the source's rows of that class than "
            f"on others: do the columns follow the order of the levels, {', '.join(names)}?",
            StatinfWarning,
        )


def _check_labels(samples: Samples, names: tuple[str, ...]) -> None:
    """Refuse predicted labels whose levels are not those of the outcome."""
    recipe = samples.recipe
    for label in recipe.parts[0].factors:
        coding = recipe.learnt[label].coding
        if coding is not None and tuple(map(str, coding.levels)) != names:
            raise DataError(
                f"learner='given': '{label}' has the levels {', '.join(map(str, coding.levels))}, the outcome has "
                f"{', '.join(names)}; predicted labels need the same levels in the same order."
            )
