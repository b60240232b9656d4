"""Options of `effect` and `cate` as one record, with the defaults that depend on the method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.rows import EffectRows
from statinf.errors import DataError, OptionError
from statinf.formula.given import aligned
from statinf.learners.nuisance import splits
from statinf.learners.registry import resolve


@dataclass(frozen=True)
class Options:
    """What the caller chose.

    Attributes
    ----------
    outcome, treatment : Learner
    folds : ndarray of int, shape (repeats, n), or None
        None for nuisances learnt and predicted on the same rows.
    clip : float
    estimand : str
    normalize, interactions : bool
    score : str
    known : ndarray, shape (n,), or None
        Known propensities.
    seed : int
    progress : bool or None
    """

    outcome: Any
    treatment: Any
    folds: np.ndarray | None
    clip: float
    estimand: str
    normalize: bool = True
    interactions: bool = True
    target: str = "sample"
    score: str = "partialling-out"
    known: np.ndarray | None = None
    seed: int = 0
    progress: bool | None = None


def choose_folds(rows: EffectRows, folds: Any, repeats: int, seed: int, *, whole: bool) -> np.ndarray | None:
    """Fold numbers of every repetition, or None where `whole` and the caller asked for no folds.

    One fold means none. Given labels are one a row used, or one a row of the frame.
    """
    if (folds is None and whole) or (isinstance(folds, int) and not isinstance(folds, bool) and folds == 1):
        if repeats != 1:
            raise OptionError("repeats needs folds; give folds=5 with it.")
        return None
    n = len(rows.y)
    folds = 5 if folds is None else aligned(folds, rows.design.frame, "folds", rows.design.rows)
    if np.ndim(folds) == 1 and len(folds) == rows.design.n_total != n:
        folds = np.asarray(folds)[rows.design.rows]
    return splits(n, folds, repeats, seed, rows.d if rows.binary else None)


def known_propensity(rows: EffectRows, given: Any) -> np.ndarray | None:
    """Known propensities as an array on the rows used, from a number, a column or an array."""
    if given is None:
        return None
    if isinstance(given, str):
        values = np.asarray(rows.design.column(given), dtype=np.float64)
    elif np.ndim(given) == 0:
        values = np.full(len(rows.y), float(given))
    else:
        given = aligned(given, rows.design.frame, "propensity", rows.design.rows)
        values = np.asarray(given, dtype=np.float64)
        if len(values) == rows.design.n_total:
            values = values[rows.design.rows]
    if values.shape != rows.y.shape:
        raise DataError(f"propensity has {len(values)} values; one a row of the data is needed, {rows.design.n_total}.")
    if not ((values > 0) & (values < 1)).all():
        bad = int(np.flatnonzero(~((values > 0) & (values < 1)))[0])
        raise DataError(
            f"propensity must lie strictly between 0 and 1; row {int(rows.design.rows[bad])} has {values[bad]:g}."
        )
    return values


def learners(learner: Any, outcome_model: Any, treatment_model: Any, *, binary: bool) -> tuple[Any, Any]:
    """Outcome and treatment learners: the specific option, else `learner`, else least squares and a logit."""
    outcome = outcome_model if outcome_model is not None else learner if learner is not None else "lm"
    default = "logit" if binary else "lm"
    treatment = treatment_model if treatment_model is not None else learner if learner is not None else default
    if binary and treatment_model is None and isinstance(learner, str) and learner == "lm":
        treatment = "logit"
    return resolve(outcome, "mean"), resolve(treatment, "probability" if binary else "mean")
