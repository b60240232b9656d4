"""The weights that a density ratio gives the rows of a block, and what their sums over all blocks tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from statinf.formula.design import Design
from statinf.passes.block_weights import WeightSums
from statinf.passes.column_sums import ColumnSums
from statinf.shifts.block_samples import BlockSamples, ratio_columns
from statinf.shifts.overlap import tail_shape, tail_size
from statinf.shifts.ratio import shaped, slope_of


class BlockExpansion(Protocol):
    """Influence on the parameters behind a ratio, and the ratio's derivatives by them, block by block; picklable."""

    def own(self, block: Design, ratio: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of weights that move by `factor` (n,) with the ratio (n,), and influence of the source's rows (n, k)."""
        ...

    def other(self, block: Design) -> np.ndarray:
        """Influence of the target's rows, shape (m, k)."""
        ...


@dataclass(frozen=True)
class RatioWeights:
    """The weights of a block's rows: their own times the ratio, flattened and cut.

    Attributes
    ----------
    part : int
        Whose columns the ratio is a function of.
    rule : RatioRule
    expand : BlockExpansion
    power, trim, size : float
        `size` multiplies all.
    """

    part: int
    rule: Any
    expand: BlockExpansion
    power: float = 1.0
    trim: float = np.inf
    size: float = 1.0

    def ratio(self, block: Design) -> np.ndarray:
        """The ratio as it was estimated, shape (n,)."""
        return self.rule.at(ratio_columns(self.part, block)[0])

    def values(self, block: Design) -> np.ndarray:
        """Weights with the sampling weights multiplied in, shape (n,)."""
        return block.weights * shaped(self.ratio(block), self.power, self.trim) * self.size

    def expansion(self, block: Design) -> tuple[np.ndarray, np.ndarray, None]:
        """Derivatives (n, k) and influence values (n, k)."""
        raw = self.ratio(block)
        factor = slope_of(raw, self.power, self.trim) * block.weights * self.size
        return (*self.expand.own(block, raw, factor), None)


@dataclass(frozen=True)
class RatioSums:
    """What one pass over the source tells of a ratio.

    Attributes
    ----------
    weights : WeightSums
    columns : ColumnSums
        Under the weights.
    unusable : int
        Ratios that are no finite numbers.
    negative : int
    tail : ndarray
        The largest weights, in order.
    keep : int
        How many of them are kept.
    """

    weights: WeightSums
    columns: ColumnSums
    unusable: int
    negative: int
    tail: np.ndarray
    keep: int

    def plus(self, other: RatioSums) -> RatioSums:
        """Of both."""
        return RatioSums(
            self.weights.plus(other.weights), self.columns.plus(other.columns), self.unusable + other.unusable,
            self.negative + other.negative, np.sort(np.concatenate([self.tail, other.tail]))[-self.keep :], self.keep,
        )  # fmt: skip

    def times(self, size: float) -> RatioSums:
        """Of the weights times a number."""
        w = self.weights
        weights = replace(
            w,
            total=w.total * size,
            squares=w.squares * size**2,
            least=w.least * size,
            most=w.most * size,
            largest=w.largest * size,
        )
        return replace(self, weights=weights, tail=self.tail * size)


def ratio_sums(samples: BlockSamples, rule: RatioWeights) -> RatioSums:
    """The sums, in one pass over the source."""
    keep = tail_size(samples.source.nobs) + 1
    return samples.source.total(partial(_sums, rule, samples.near, keep), "weights")


def _sums(rule: RatioWeights, near: np.ndarray, keep: int, block: Design) -> RatioSums:
    seen = block.weights > 0
    values, w = rule.values(block)[seen], block.weights[seen]
    x = ratio_columns(rule.part, block)[0][seen]
    finite = np.isfinite(values)
    values = np.where(finite, values, 0.0)
    return RatioSums(
        WeightSums.of(values, w),
        ColumnSums.of(x, near, values),
        int(np.count_nonzero(~finite)),
        int(np.count_nonzero(values < 0)),
        np.sort(values)[-keep:],
        keep,
    )


def tail_of(sums: RatioSums) -> float:
    """`pareto_k` of the weights."""
    positive = sums.weights.rows - sums.weights.zero - sums.negative
    tail = sums.tail[sums.tail > 0]
    return tail_shape(tail, positive)
