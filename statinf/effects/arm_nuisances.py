"""Nuisances of a treatment with any number of arms: outcome by arm, and the probability of each arm.

Arms are numbered with the reference first. Two arms are learnt as every method of two arms learns them, so that means
of arms and their difference agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.options import (
    ClipOptions,
    Nuisances,
    OutcomeModelOptions,
    PropensityOptions,
    choose_folds,
    known_values,
    nuisances_of,
)
from statinf.effects.overlap import clipped, count_clipped
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, OptionError
from statinf.learners.classes import ClassLearner
from statinf.learners.constant import Constant
from statinf.learners.linear import LeastSquares
from statinf.learners.logit import Logit
from statinf.learners.multinomial import Multinomial
from statinf.learners.multinomial_folds import class_probabilities
from statinf.learners.nuisance import Nuisance, cross_predict, over_mean
from statinf.learners.registry import canonical, resolve


@dataclass(frozen=True, repr=False)
class ArmPredictions(Brief):
    """What one split predicts of every row.

    Attributes
    ----------
    propensity : ndarray, shape (n, K)
        Probability of each arm, moved away from zero where the estimand divides by it.
    free : ndarray, shape (n, K) of bool
        Where it was not moved.
    outcome : mapping of int to ndarray, shape (n,)
        By arm, for the arms asked for.
    moved : int
        Rows with a propensity that was moved.
    """

    propensity: np.ndarray
    free: np.ndarray
    outcome: Mapping[int, np.ndarray]
    moved: int


def arm_nuisances(rows: EffectRows, how: Nuisances, estimand: str, arms: tuple[int, ...]) -> list[ArmPredictions]:
    """Predictions of every split; outcome models of some arms only.

    Parameters
    ----------
    rows : EffectRows
    how : Nuisances
        From `arm_learners`.
    estimand : str
    arms : tuple of int
        Arms whose outcome is wanted.
    """
    codes = rows.arm_codes()
    wanted = [Nuisance(f"outcome{k}", rows.y, how.outcome, rows=codes == k) for k in arms]
    two = not rows.several
    if two and how.known is None:
        treated = (codes == 1).astype(np.float64)
        wanted.append(Nuisance("propensity", treated, how.treatment, probability=True))
    if wanted:
        made = cross_predict(rows.x, wanted, how.folds, rows.w, seed=how.seed, progress=how.progress)
    else:
        made = [{} for _ in range(1 if how.folds is None else len(how.folds))]
    out = []
    for split, found in enumerate(made):
        if how.known is not None:
            p = how.known if how.known.ndim == 2 else np.column_stack([1.0 - how.known, how.known])
        elif two:
            p = np.column_stack([1.0 - found["propensity"], found["propensity"]])
        else:
            p = _probabilities(rows, codes, how, None if how.folds is None else how.folds[split], split)
        moved, free, count = _clipped(rows, p, how.clip, estimand)
        out.append(ArmPredictions(moved, free, {k: found[f"outcome{k}"] for k in arms}, count))
    return out


def _clipped(rows: EffectRows, p: np.ndarray, clip: float, estimand: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Propensities (n, K) moved up to `clip` in the arms that the estimand divides by; which are as they were; rows moved."""
    if not rows.several:
        e, count = clipped(p[:, 1], rows.design.rows, clip, rows.w, estimand=estimand)
        return np.column_stack([1.0 - e, e]), np.repeat((e == p[:, 1])[:, None], 2, axis=1), count
    below = p < clip
    spared = whose(rows, estimand)
    if spared is not None:
        below[:, spared] = False
    if estimand == "ATO":
        below[:] = False
    outside = below.any(axis=1) & (rows.w > 0)
    count = count_clipped(outside, rows.design.rows, rows.w, f"a propensity of an arm below {clip:g}")
    return np.where(below, clip, p), ~below, count


def whose(rows: EffectRows, estimand: str) -> int | None:
    """The arm whose rows are averaged over: that of `treated=` for the ATT, the reference for the ATC, else None."""
    assert rows.arms is not None
    return {"ATT": rows.arms.ordered.index(rows.arms.treated) if rows.arms.treated is not None else None, "ATC": 0}.get(
        estimand
    )


def arm_learners(
    rows: EffectRows, options: PropensityOptions, seed: int, progress: bool | None, *, whole: bool
) -> Nuisances:
    """Learners, folds and known propensities for any number of arms."""
    if not rows.several:
        return nuisances_of(rows, options, seed, progress, whole=whole)
    known = _known(rows, options.propensity)
    modelled = options.outcome_model if isinstance(options, OutcomeModelOptions) else None
    given = modelled if modelled is not None else options.learner if options.learner is not None else "lm"
    outcome = resolve(given, "mean", "outcome_model" if modelled is not None else "learner")
    plain = options.learner is None or (isinstance(options.learner, str) and canonical(options.learner) == "lm")
    chosen = options.treatment_model
    chosen = chosen if chosen is not None else "logit" if plain else options.learner
    option = "treatment_model" if options.treatment_model is not None else "learner"
    treatment = None if known is not None else resolve(chosen, "classes", option)
    parametric = treatment is None or isinstance(treatment.learner, Multinomial)
    if isinstance(options, OutcomeModelOptions):
        parametric = parametric and isinstance(outcome, LeastSquares | Logit | Constant)
    folds = choose_folds(rows, options.folds, options.repeats, seed, whole=whole and parametric)
    clip = options.clip if isinstance(options, ClipOptions) and known is None else 0.0
    return Nuisances(outcome, treatment, folds, clip, known, seed, progress)


def logit_of(how: Nuisances) -> Multinomial | None:
    """The logit whose maximum of the likelihood on these very rows the propensities are; None for any other."""
    if how.known is not None or how.folds is not None:
        return None
    if isinstance(how.treatment, Logit):
        return Multinomial(how.treatment.penalty)
    learner = getattr(how.treatment, "learner", None)
    return learner if isinstance(learner, Multinomial) else None


def _probabilities(
    rows: EffectRows, codes: np.ndarray, how: Nuisances, folds: np.ndarray | None, split: int
) -> np.ndarray:
    """Probabilities (n, K) of the arms by fits that did not see the row."""
    assert rows.arms is not None
    learner: ClassLearner = how.treatment
    count, used = len(rows.arms.levels), rows.w > 0
    if folds is not None:
        cells = np.bincount(folds[used] * count + codes[used], minlength=(int(folds.max()) + 1) * count)
        inside = cells.reshape(-1, count)
        if (inside == inside.sum(axis=0)).any():
            fold, arm = np.argwhere(inside == inside.sum(axis=0))[0]
            raise DataError(
                f"fold {fold} holds all rows of the arm {rows.arms.ordered[arm]!r}: nothing is left to learn its "
                "probability on. Use fewer folds, or let folds be a number, which keeps the arms' shares in every fold."
            )
    if learner.native and isinstance(learner.learner, Multinomial):
        return class_probabilities(rows.x, codes, over_mean(rows.w), learner.learner, folds)
    out = np.empty((len(codes), count))
    for f in range(1 if folds is None else int(folds.max()) + 1):
        here = np.ones(len(codes), bool) if folds is None else folds == f
        train = used if folds is None else used & ~here
        weights = None if (rows.w[train] == rows.w[train][0]).all() else over_mean(rows.w)[train]
        fitted = learner.fit(rows.x[train], codes[train], rows.arms.ordered, w=weights, seed=how.seed + split)
        out[here] = fitted.probabilities(rows.x[here], rows.design.rows[here])
    return out


def _known(rows: EffectRows, given: Any) -> np.ndarray | None:
    """Known propensities (n, K) of several arms, from a mapping of levels to numbers, columns or arrays."""
    if given is None:
        return None
    assert rows.arms is not None
    levels = rows.arms.ordered
    if not isinstance(given, Mapping):
        raise OptionError(
            f"propensity= of several arms is a mapping of levels to probabilities, such as {{{levels[0]!r}: 0.5, ...}}."
        )
    by_text = {str(k): v for k, v in given.items()}
    absent = [level for level in levels if level not in given and str(level) not in by_text]
    if absent:
        raise OptionError(f"propensity= lacks the arm {', '.join(map(repr, absent))}; it has {', '.join(by_text)}.")
    made = [known_values(rows, given.get(level, by_text.get(str(level)))) for level in levels]
    p = np.column_stack(made)
    off = np.abs(p.sum(axis=1) - 1.0)
    if off.max() > 1e-6:
        first = int(np.argmax(off))
        raise DataError(
            f"propensity= must sum to one over the arms; row {int(rows.design.rows[first])} sums to {p[first].sum():g}."
        )
    return p
