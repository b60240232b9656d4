"""The mean outcome of a target population on tables in blocks: sums over both, and the influence of a block's rows.

The estimators are those of `statinf.shifts.means`: a sum of means, each with the influence of every row of both samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.models.glm_pass_sums import LikelihoodRows
from statinf.passes.scored import ScoredRows
from statinf.shifts.block_given import SourceRatio, TargetInfluence
from statinf.shifts.block_samples import BlockSamples


@dataclass(frozen=True)
class ModelAverage:
    """The outcome model averaged over the target.

    Attributes
    ----------
    rows : LikelihoodRows
    value, mass : float
        The average, and the target's weights.
    slope : ndarray, shape (k,)
        Of the average in the model's coefficients.
    """

    rows: LikelihoodRows
    value: float
    mass: float
    slope: np.ndarray


@dataclass(frozen=True)
class WeightedAverage:
    """The weighted mean of outcomes, or of the residuals of a model, over the source.

    Attributes
    ----------
    ratio : SourceRatio
    value, total : float
        The mean, and the sum that is divided by.
    normalize : bool
        Whether that sum is the weights' own.
    slope : ndarray, shape (k,)
        Weighted sum of the slopes of the model's means; empty without a model.
    pull : ndarray, shape (q,)
        The mean's slope in the parameters behind the ratio.
    """

    ratio: SourceRatio
    value: float
    total: float
    normalize: bool
    slope: np.ndarray
    pull: np.ndarray

    @property
    def centre(self) -> float:
        """What is taken from each row before it is weighted."""
        return self.value if self.normalize else 0.0


def model_average(samples: BlockSamples, rows: LikelihoodRows) -> ModelAverage:
    """One pass over the target."""
    mass, total, slope = samples.target.total(partial(_averaged, rows), "the model over the target")
    return ModelAverage(rows, total / mass, mass, slope / mass)


def _averaged(rows: LikelihoodRows, block: Design) -> tuple[float, float, np.ndarray]:
    mean, slope = _means(rows, block)
    w = block.weights
    return float(w.sum()), float(w @ mean), w @ slope


def _means(rows: LikelihoodRows, block: Design) -> tuple[np.ndarray, np.ndarray]:
    """Means of the model and their slopes in its coefficients."""
    x, eta = rows.predictor(block)
    link = rows.problem.model.family.link
    return link.inverse(eta), x if link.name == "identity" else x * link.slope(eta)[:, None]


def weighted_average(
    samples: BlockSamples, ratio: SourceRatio, model: LikelihoodRows | None, *, normalize: bool
) -> WeightedAverage:
    """One pass over the source."""
    head = samples.source.head()
    near = 0.0 if model is not None or head is None else float(head.y.mean())
    found = samples.source.total(partial(_weighted, ratio, model, near, normalize), "weighted outcomes")
    mass, moved, slope, one, by_rest, own = found
    total = mass if normalize else own
    value = (near * mass + moved) / total
    pull = (by_rest + (near - (value if normalize else 0.0)) * one) / total
    return WeightedAverage(ratio, value, total, normalize, slope / total, pull)


def _weighted(
    ratio: SourceRatio, model: LikelihoodRows | None, near: float, normalize: bool, block: Design
) -> tuple[float, float, np.ndarray, np.ndarray, np.ndarray, float]:
    held = ratio(block)
    rest, slope = _rest(model, block)
    w, rest = held.values, rest - near
    return (
        float(w.sum()),
        float(w @ rest),
        w @ slope,
        held.derivative.sum(axis=0),
        rest @ held.derivative,
        0.0 if normalize else float(held.plain.sum()),
    )


def _rest(model: LikelihoodRows | None, block: Design) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes less the model's means, and the slopes of these."""
    if model is None:
        return block.y, np.empty((block.n, 0))
    mean, slope = _means(model, block)
    return block.y - mean, slope


@dataclass(frozen=True)
class SourceScores:
    """Influence of the source's rows on a mean.

    Attributes
    ----------
    model : ModelAverage or None
    weighted : WeightedAverage or None
    """

    model: ModelAverage | None
    weighted: WeightedAverage | None

    def __call__(self, block: Design) -> ScoredRows:
        """Scores of one block, shape (n, 1)."""
        out = np.zeros(block.n)
        if self.weighted is not None:
            out += self._weighted(self.weighted, block)
        if self.model is not None:
            direction = self.model.slope if self.weighted is None else self.model.slope - self.weighted.slope
            rows = self.model.rows
            out += rows.scored(block).scores @ (rows.whitened.T @ direction)
        return ScoredRows(out[:, None])

    def _weighted(self, by: WeightedAverage, block: Design) -> np.ndarray:
        held = by.ratio(block)
        rest, _ = _rest(None if self.model is None else self.model.rows, block)
        out = held.values * (rest - by.centre) / by.total + held.influence @ by.pull
        if not by.normalize:
            out = out - by.value * held.plain / by.total
        return out


@dataclass(frozen=True)
class TargetScores:
    """Influence of the target's rows on a mean, of which the sum of squares is what counts.

    Attributes
    ----------
    model : ModelAverage or None
    ratio : TargetInfluence or None
    pull : ndarray, shape (q,), or None
    """

    model: ModelAverage | None
    ratio: TargetInfluence | None
    pull: np.ndarray | None

    def own(self, block: Design) -> np.ndarray:
        """Through the average of the model, shape (m,)."""
        if self.model is None:
            return np.zeros(block.n)
        mean, _ = _means(self.model.rows, block)
        return block.weights * (mean - self.model.value) / self.model.mass


def squares_of_target(samples: BlockSamples, scores: TargetScores) -> float:
    """Sum of squares of the target rows' influence; one pass over the target."""
    if scores.ratio is None:
        return float(samples.target.total(partial(_squares, scores), "the target's influence"))
    return float(scores.ratio.total(samples.target, partial(_joined_squares, scores), "the target's influence"))


def _squares(scores: TargetScores, block: Design) -> float:
    return float(np.sum(scores.own(block) ** 2))


def _joined_squares(scores: TargetScores, block: Design | None, held: Any) -> float:
    """Of rows that the mean, the ratio, or both have."""
    pushed = held.influence @ scores.pull if len(held.rows) else np.zeros(0)
    if block is None:
        return float(pushed @ pushed)
    own = scores.own(block)
    if held.aligned:
        return float(np.sum((own + pushed) ** 2))
    whole = np.zeros(block.n_total)
    whole[block.rows] = own
    whole[held.rows] += pushed
    return float(whole @ whole)
