"""Doubly robust means of every arm, with or without cross-fitting, for two arms or more.

Robins, Rotnitzky and Zhao (1994); Cattaneo (2010) for several arms. The mean of arm a over all rows has the score
mu_a(X) + 1(A = a) (Y - mu_a(X)) / p_a(X); over the rows of arm t, 1(A = t) mu_a(X) + 1(A = a) (Y - mu_a(X)) p_t / p_a.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.arm_means import means_estimate, solve_means
from statinf.effects.arm_nuisances import ArmPredictions, arm_learners, arm_nuisances, whose
from statinf.effects.arms import shown_level
from statinf.effects.estimate import LinearScore
from statinf.effects.options import ClipOptions, OutcomeModelOptions, PropensityOptions
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.results import Estimate
from statinf.results.options import flag


@dataclass(frozen=True, kw_only=True)
class DoublyRobustOptions(ClipOptions, OutcomeModelOptions, PropensityOptions):
    """Options of doubly robust scores."""

    normalize: bool = flag(False, "divide inverse propensities by their mean in each arm")


def doubly_robust_means(problem: EffectProblem, options: DoublyRobustOptions, *, whole: bool) -> Estimate:
    """Means of all arms; `whole` lets parametric models see the rows they predict."""
    rows, estimand = problem.rows, problem.estimand
    assert rows.arms is not None
    own = whose(rows, estimand)
    arms = tuple(k for k in range(len(rows.arms.levels)) if k != own)
    how = arm_learners(rows, options, problem.seed, problem.progress, whole=whole)
    made = arm_nuisances(rows, how, estimand, arms)
    codes, count = rows.arm_codes(), len(rows.arms.levels)
    splits = solve_means(
        rows, ([_score(rows, codes, p, k, own, options.normalize) for k in range(count)] for p in made)
    )
    return means_estimate(problem, splits, nuisance=named(rows, made[0]), facts=overlap_facts(rows, made))


def _score(
    rows: EffectRows, codes: np.ndarray, p: ArmPredictions, arm: int, own: int | None, normalize: bool
) -> LinearScore:
    """Score of the mean in one arm over all rows, or over those of the arm `own`."""
    here = (codes == arm).astype(np.float64)
    if own is None:
        weight = here / p.propensity[:, arm]
        if normalize:
            weight = weight / np.average(weight, weights=rows.w)
        mu = p.outcome[arm]
        return LinearScore(np.ones(len(here)), mu + weight * (rows.y - mu))
    over = (codes == own).astype(np.float64)
    if arm == own:
        return LinearScore(over, over * rows.y)
    weight = here * p.propensity[:, own] / p.propensity[:, arm]
    if normalize:
        weight = weight * (rows.w @ over) / (rows.w @ weight)
    mu = p.outcome[arm]
    return LinearScore(over, over * mu + weight * (rows.y - mu))


def named(rows: EffectRows, p: ArmPredictions) -> dict[str, np.ndarray]:
    """Predictions as columns, with the arm in the name."""
    assert rows.arms is not None
    labels = [shown_level(v) for v in rows.arms.ordered]
    out = {f"outcome[{labels[k]}]": values for k, values in p.outcome.items()}
    return out | {f"propensity[{label}]": p.propensity[:, k] for k, label in enumerate(labels)}


def overlap_facts(rows: EffectRows, made: list[ArmPredictions]) -> dict[str, object]:
    """What a summary says of the propensities of the arms."""
    used = made[0].propensity[rows.w > 0]
    return {
        "Propensities": f"{used.min():.3f} to {used.max():.3f}",
        "Clipped rows": max(p.moved for p in made),
    }
