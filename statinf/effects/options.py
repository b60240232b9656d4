"""Options that several methods share, and what they become: learners, folds and known propensities of the rows used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from statinf.effects.rows import EffectRows
from statinf.errors import DataError, OptionError
from statinf.formula.given import aligned
from statinf.learners.constant import Constant
from statinf.learners.linear import LeastSquares
from statinf.learners.logit import Logit
from statinf.learners.nuisance import splits
from statinf.learners.registry import canonical, resolve
from statinf.results.options import Options, count, number, value

LEARNER = "a learner's name, or an object with fit and predict"
"""What an option for a learner accepts, in words."""
_PARAMETRIC = (LeastSquares, Logit, Constant)


def learner_for(*tasks: str) -> Callable[[str, Any], Any]:
    """A check that what is given can learn for one of the tasks; it stays as given."""

    def check(name: str, given: Any) -> Any:
        for task in tasks[:-1]:
            try:
                resolve(given, task, name)
                return given
            except OptionError:
                continue
        resolve(given, tasks[-1], name)
        return given

    return check


def check_folds(name: str, given: Any) -> Any:
    """A number of folds or an array of labels; whether these fit the rows is seen when the rows are there."""
    if isinstance(given, Integral):
        usable = not isinstance(given, bool) and int(given) >= 1
    else:
        usable = not isinstance(given, str | bytes) and np.ndim(given) == 1
    if not usable:
        raise OptionError(f"{name}={given!r} is not a whole number of at least 1, or one label per row.")
    return given


def _folds_or_column(name: str, given: Any) -> Any:
    return given if isinstance(given, str) else check_folds(name, given)


@dataclass(frozen=True, kw_only=True)
class CrossFitOptions(Options):
    """Options of methods that learn nuisances."""

    learner: Any = value(None, "learner of all nuisances", LEARNER, learner_for("mean", "probability"))
    treatment_model: Any = value(
        None,
        "learner of the treatment: a logit by default",
        f"{LEARNER}, or a known probability",
        learner_for("probability"),
    )
    folds: Any = value(
        None,
        "folds of cross-fitting: 5, or none for parametric models of methods that can do without; with cluster= whole "
        "clusters share a fold (of several columns, those of the coarsest), unless labels are given",
        "a whole number of at least 1, one label per row, or the name of a column of labels",
        _folds_or_column,
    )
    repeats: int = count(1, "random splits, put together by their median; the standard error counts their spread")


@dataclass(frozen=True, kw_only=True)
class OutcomeModelOptions(Options):
    """Options of methods with an outcome model."""

    outcome_model: Any = value(
        None, "learner of the outcome: least squares by default", LEARNER, learner_for("mean", "probability")
    )


@dataclass(frozen=True, kw_only=True)
class ClipOptions(Options):
    """Options of methods that divide by propensities."""

    clip: float = number(
        0.01,
        "propensities are moved into [clip, 1 - clip]; the summary counts the rows",
        low=0.0,
        high=0.5,
        open_high=True,
    )


@dataclass(frozen=True, kw_only=True)
class PropensityOptions(CrossFitOptions):
    """Options of methods for which propensities may be known."""

    propensity: Any = value(
        None,
        "known propensities",
        "a number, a column, or one per row; of several arms a mapping of levels to these",
    )

    def check(self) -> None:
        if self.propensity is not None and self.treatment_model is not None:
            raise OptionError("propensity= says what treatment_model= would estimate; give one of the two.")


@dataclass(frozen=True)
class Nuisances:
    """How nuisances are learnt on the rows used.

    Attributes
    ----------
    outcome, treatment : Learner
    folds : ndarray of int, shape (repeats, n), or None
        None for nuisances learnt and predicted on the same rows.
    clip : float
    known : ndarray, shape (n,), or None
        Known propensities.
    seed : int
    progress : bool or None
    """

    outcome: Any
    treatment: Any
    folds: np.ndarray | None
    clip: float = 0.0
    known: np.ndarray | None = None
    seed: int = 0
    progress: bool | None = None


def nuisances_of(
    rows: EffectRows, options: PropensityOptions, seed: int, progress: bool | None, *, whole: bool = False
) -> Nuisances:
    """Learners, folds and known propensities for a method's options.

    Parameters
    ----------
    rows : EffectRows
    options : PropensityOptions
    seed : int
    progress : bool or None
    whole : bool
        Whether parametric models are learnt and predicted on all rows unless the caller asks for folds.
    """
    modelled = options.outcome_model if isinstance(options, OutcomeModelOptions) else None
    outcome, treatment = learners(options.learner, modelled, options.treatment_model, binary=rows.binary)
    known = known_propensity(rows, options.propensity)
    used = [] if known is not None else [treatment]
    if isinstance(options, OutcomeModelOptions):
        used.append(outcome)
    whole = whole and all(isinstance(one, _PARAMETRIC) for one in used)
    folds = choose_folds(rows, options.folds, options.repeats, seed, whole=whole)
    clip = options.clip if isinstance(options, ClipOptions) and known is None else 0.0
    return Nuisances(outcome, treatment, folds, clip, known, seed, progress)


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
    if isinstance(folds, str):
        folds = rows.design.cluster_codes(folds)
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
    strata = rows.d[used] if rows.binary or rows.several else None
    made = splits(int(used.sum()), folds, repeats, seed, strata, None if groups is None else groups[used])
    if used.all():
        return made
    out = np.zeros((len(made), len(used)), np.intp)
    out[:, used] = made
    return out


def known_propensity(rows: EffectRows, given: Any) -> np.ndarray | None:
    """Known propensities as an array on the rows used, from a number, a column or an array."""
    if isinstance(given, Mapping):
        raise OptionError("propensity= as a mapping of levels is for several arms; of two, give that of the treated.")
    return None if given is None else known_values(rows, given)


def known_values(rows: EffectRows, given: Any) -> np.ndarray:
    """Probabilities (n,) from a number, the name of a column, or one value per row."""
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
    task, default = ("probability", "logit") if binary else ("mean", "lm")
    # Least squares for everything means the parametric model of each: of a treatment with two values, a logit.
    plain = learner is None or (isinstance(learner, str) and canonical(learner) == "lm")
    treatment = treatment_model if treatment_model is not None else default if plain else learner
    option = "treatment_model" if treatment_model is not None else "learner"
    return (
        resolve(outcome, "mean", "outcome_model" if outcome_model is not None else "learner"),
        resolve(treatment, task, option),
    )
