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
    """Fold numbers of every repetition, shape (repeats, n), or None where `whole` and the caller asked for no folds.

    One fold means none. Given labels are one per row of the frame, or per row used. Without labels, clusters stay whole.
    """
    one = isinstance(folds, int | np.integer) and not isinstance(folds, bool) and folds == 1
    if (folds is None and whole) or one:
        if repeats != 1:
            raise OptionError("repeats needs folds; give folds=5 with it.")
        return None
    used = rows.w > 0
    groups = rows.whole
    if folds is None:
        most = int(used.sum()) if groups is None else len(np.unique(groups[used]))
        folds = min(5, most) if most > 1 else 5
    if np.ndim(folds) == 1:
        folds = np.asarray(aligned(folds, rows.design.frame, "folds", rows.design.rows))
        n = len(rows.y)
        folds = folds[rows.design.rows] if len(folds) == rows.design.n_total != n else folds
        if len(folds) != n:
            raise OptionError(
                f"folds has {len(folds)} labels; give one per row of the data ({rows.design.n_total})"
                + (f", or one per row used ({n})." if n != rows.design.n_total else ".")
            )
        folds = folds[used]
    strata = rows.d[used] if rows.binary else None
    made = splits(int(used.sum()), folds, repeats, seed, strata, None if groups is None else groups[used])
    if used.all():
        return made
    out = np.zeros((len(made), len(used)), np.intp)
    out[:, used] = made
    return out


def known_propensity(rows: EffectRows, given: Any) -> np.ndarray | None:
    """Known propensities as an array on the rows used, from a number, a column or an array."""
    if given is None:
        return None
    n = len(rows.y)
    given = aligned(given, rows.design.frame, "propensity", rows.design.rows)
    column = rows.design.column(given) if isinstance(given, str) else None
    try:
        if column is not None:
            values = np.asarray(column, dtype=np.float64)
        elif np.ndim(given) == 0:
            values = np.full(n, float(given))
        else:
            values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"propensity={given!r:.60} holds no numbers; give probabilities.") from None
    if np.ndim(given) == 1 and len(values) == rows.design.n_total:
        values = values[rows.design.rows]
    if values.shape != rows.y.shape:
        raise DataError(
            f"propensity has shape {values.shape}; one value per row of the data is needed, ({rows.design.n_total},)."
        )
    wrong = ~((values > 0) & (values < 1))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"propensity must lie strictly between 0 and 1; row {int(rows.design.rows[first])} has {values[first]:g}."
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
