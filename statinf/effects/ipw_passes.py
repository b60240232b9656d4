"""Inverse probability weighting on data that are read in blocks; the logit's estimation is stacked as for rows in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.block_nuisances import FoldArmSums, Predictors
from statinf.effects.block_rows import EffectPasses, EffectReader
from statinf.effects.block_scores import Overlap, clipped, overlap_facts, score_estimate
from statinf.effects.ipw import weights_of
from statinf.errors import OptionError
from statinf.formula.design import Design
from statinf.results import Estimate


def ipw_estimate(
    problem: EffectPasses,
    settings: Any,
    estimand: str,
    predict: Predictors,
    cells: FoldArmSums,
    information: np.ndarray | None,
    learner: Any,
) -> Estimate:
    """Difference of weighted means; `information` (p + 1, p + 1) of a logit whose score is stacked."""
    if not settings.normalize and estimand != "ATE":
        raise OptionError("normalize=False (Horvitz-Thompson) is for estimand='ATE'.")
    read = _Weighted(problem.read, predict, estimand, settings.clip)
    sums: _WeightedSums = problem.made.total(partial(_sums, read, information is not None), "weighted means")
    facts = overlap_facts(sums.overlap, settings.clip, estimand)
    for name, arm in (("treated", 1), ("controls", 0)):
        facts[f"Effective sample, {name}"] = float(sums.weight[arm] ** 2 / sums.square[arm])
    sizes = sums.weight if settings.normalize else np.full(2, sums.overlap.mass)
    means = sums.outcome / sizes
    push = None
    if information is not None:
        centre = means if settings.normalize else np.zeros(2)
        gradient = np.array([[-1.0], [1.0]]) * (sums.by_outcome - centre[:, None] * sums.by_one) / sizes[:, None]
        push = np.linalg.lstsq(information, gradient.sum(axis=0), rcond=None)[0]
    unit = partial(_unit, read, means, sizes, settings.normalize, push)
    label = ", propensity estimated" if information is not None else ", propensity taken as known"
    return score_estimate(problem, np.array([means[1] - means[0]]), unit, facts, estimand, label)


@dataclass(frozen=True)
class _Weighted:
    read: EffectReader
    predict: Predictors
    estimand: str
    clip: float


@dataclass(frozen=True)
class _WeightedSums:
    """By arm, the controls first: sums of weights, their squares, and weighted outcomes; and gradients (2, p + 1) of the logit."""

    weight: np.ndarray
    square: np.ndarray
    outcome: np.ndarray
    by_outcome: np.ndarray
    by_one: np.ndarray
    overlap: Overlap

    def plus(self, other: _WeightedSums) -> _WeightedSums:
        return _WeightedSums(
            self.weight + other.weight, self.square + other.square, self.outcome + other.outcome,
            self.by_outcome + other.by_outcome, self.by_one + other.by_one, self.overlap.plus(other.overlap),
        )  # fmt: skip


def _sums(read: _Weighted, stack: bool, block: Design) -> _WeightedSums:
    rows = read.read(block)
    raw = read.predict(block, rows.x)["propensity"]
    e = clipped(raw, read.clip, read.estimand)
    weight, slope = weights_of(e, rows.d, read.estimand)
    own, treated = rows.w * weight, rows.d > 0.5
    z = read.predict.columns(rows.x)
    by_one, by_outcome = np.zeros((2, z.shape[1])), np.zeros((2, z.shape[1]))
    if stack:
        # A propensity at the ends it was moved to does not move with the logit.
        free = rows.w * (e == raw) * slope
        for arm in (0, 1):
            some = free * (treated == bool(arm))
            by_one[arm], by_outcome[arm] = z.T @ some, z.T @ (some * rows.y)
    arms = (~treated, treated)
    return _WeightedSums(
        np.array([own[a].sum() for a in arms]),
        np.array([own[a] @ own[a] for a in arms]),
        np.array([own[a] @ rows.y[a] for a in arms]),
        by_outcome,
        by_one,
        Overlap.of(raw, rows.w, read.clip, read.estimand),
    )


def _unit(
    read: _Weighted, means: np.ndarray, sizes: np.ndarray, normalize: bool, push: np.ndarray | None, block: Design
) -> np.ndarray:
    """Influence per unit of weight, shape (n, 1)."""
    rows = read.read(block)
    raw = read.predict(block, rows.x)["propensity"]
    e = clipped(raw, read.clip, read.estimand)
    weight = weights_of(e, rows.d, read.estimand)[0]
    arm = (rows.d > 0.5).astype(np.intp)
    sign = 2.0 * arm - 1.0
    if normalize:
        out = sign * weight * (rows.y - means[arm]) / sizes[arm]
    else:
        out = sign * weight * rows.y / sizes[arm] - (means[1] - means[0]) / sizes[0]
    if push is not None:
        out = out + (rows.d - raw) * (read.predict.columns(rows.x) @ push)
    return out[:, None]
