"""`BlockDensityRatio`: a density ratio of tables in blocks, made anew for each block from a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, one_of
from statinf.formula.design import Design
from statinf.formula.recipe import Recipe
from statinf.internal import internal
from statinf.passes.block_weights import BlockWeights, WeightSums
from statinf.passes.column_sums import ColumnSums
from statinf.results import Table, to_caller
from statinf.shifts.block_samples import BlockSamples, ratio_columns
from statinf.shifts.block_target import TargetPasses
from statinf.shifts.overlap import tail_shape, tail_size
from statinf.shifts.ratio import ratio_table, scored, shaped, slope_of


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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlockDensityRatio(BlockWeights):
    """Source rows of a table in blocks weighted by an estimate of p_target(x) / p_source(x).

    On the scale of `DensityRatio`; it holds the function of x and no row, so `values` are refused and the table of balance has
    no distances between distributions (`ks`) of columns other than 0 and 1.

    Attributes
    ----------
    function : object
        The ratio as a function of the formula's columns.
    recipe : Recipe
    columns_shown : tuple of str
        The columns, without the constant.
    power, trim : float
    settings, facts : mapping
    before, target_sums, after : ColumnSums
        Of the columns in the source, the target and the weighted source, about `near`.
    near : ndarray, shape (p,)
    counts_beyond : ndarray of int, shape (p,)
        Target rows outside the source's range, by column.
    uncovered_rows : int
        In any column.
    n_target : int
        Target rows of positive weight; 0 for known margins.
    pareto_k : float
        Shape of the weights' upper tail; above 0.7 weighted averages are unreliable.
    other : TargetPasses or None
        The target; not saved.
    """

    function: Any = None
    recipe: Recipe | None = None
    columns_shown: tuple[str, ...] = ()
    power: float = 1.0
    trim: float = np.inf
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    before: ColumnSums | None = None
    target_sums: ColumnSums | None = None
    after: ColumnSums | None = None
    near: np.ndarray = field(default_factory=lambda: np.empty(0))
    counts_beyond: np.ndarray = field(default_factory=lambda: np.empty(0))
    uncovered_rows: int = 0
    n_target: int = 0
    dropped_target: Mapping[str, int] = field(default_factory=dict)
    pareto_k: float = np.nan
    other: TargetPasses | None = field(default=None, metadata={"saved": False})

    beside = ("ess", "diagnostics", "overlap", "score", "on_block")

    @cached_property
    @internal
    def other_products(self) -> np.ndarray | None:
        """Sum of products of the target rows' influence values, shape (k, k); None for known margins. One pass."""
        target = self.target
        if target.known is not None:
            return None
        return target.total(partial(_products, self.expand), "the target's influence")

    @property
    @internal
    def target(self) -> TargetPasses:
        """The target's rows."""
        if self.other is None:
            raise DataError("a saved density ratio leaves the tables out that it was made on; estimate it again.")
        return self.other

    @property
    @internal
    def expand(self) -> BlockExpansion:
        """The influence of rows on the parameters behind the ratio."""
        assert isinstance(self.rule, RatioWeights)
        return self.rule.expand

    def score(self, newdata: Any) -> np.ndarray:
        """The density ratio at new rows, shape (rows,); see `DensityRatio.score`."""
        assert self.recipe is not None
        return scored(self.recipe, self.function, self.power, self.trim, newdata)

    def diagnostics(self) -> Any:
        """Balance of every column before and after weighting; see `DensityRatio.diagnostics`.

        Returns
        -------
        data frame
            The columns that rows in memory have; `ks_before` and `ks_after` are NaN but for columns of 0 and 1.
        """
        return to_caller(self._balance(), self.kind)

    def _balance(self) -> Any:
        assert self.before is not None and self.target_sums is not None and self.after is not None
        return moments_table(
            self.columns_shown, self.near, self.before, self.target_sums, self.after, rows=self.n_target > 0
        )

    def overlap(self) -> Any:
        """Target rows outside the source's range, by column; see `DensityRatio.overlap`."""
        import pandas as pd

        if not self.n_target:
            raise NotIdentifiedError("overlap needs rows of the target, and only margins are known; see diagnostics().")
        assert self.before is not None
        columns = {
            "column": list(self.columns_shown),
            "source_low": self.before.extent.low,
            "source_high": self.before.extent.high,
            "target_outside": self.counts_beyond,
            "share": self.counts_beyond / self.n_target,
        }
        return to_caller(pd.DataFrame(columns), self.kind)

    def summary(self) -> Table:
        """Sizes, tail and effective sample size, with the tuning constants that were used."""
        sums = self.sums
        note = "The weights are made anew for each block of rows; the verb that takes them reads both tables again."
        return ratio_table(self, sums.rows, sums.largest, sums.largest / sums.total, sums.zero, (note,))

    def plot(self, kind: str = "balance", **options: Any) -> Any:
        """A figure of standardised differences before and after weighting: matplotlib axes."""
        one_of("kind", kind, ("balance",))
        from statinf.plotting import shift as figures

        table = self._balance()
        before, after = table["smd_before"].to_numpy(), table["smd_after"].to_numpy()
        return figures.plot_balance(self.columns_shown, before, after, **options)


def moments_table(
    names: tuple[str, ...], near: np.ndarray, before: ColumnSums, target: ColumnSums, after: ColumnSums, *, rows: bool
) -> Any:
    """Balance of source and target before and after weighting, from moments about `near` (p,); see `balance_table`.

    Parameters
    ----------
    names : tuple of str
    near : ndarray, shape (p,)
    before, target, after : ColumnSums
    rows : bool
        Whether the target has rows; margins tell neither spread nor shape.
    """
    import pandas as pd

    own, there = before.raw_variance, target.raw_variance
    spread = np.sqrt(np.where(there > 0, there, own) if rows else own)
    columns: dict[str, Any] = {"column": list(names)}
    columns |= {
        f"mean_{name}": near + sums.mean for name, sums in (("source", before), ("weighted", after), ("target", target))
    }
    gaps = {"before": before.mean - target.mean, "after": after.mean - target.mean}
    with np.errstate(divide="ignore", invalid="ignore"):
        columns |= {f"smd_{when}": gap / spread for when, gap in gaps.items()}
        if rows:
            columns |= {"var_ratio_before": own / there, "var_ratio_after": after.raw_variance / there}
            binary = before.binary & target.binary
            columns |= {f"ks_{when}": np.where(binary, np.abs(gap), np.nan) for when, gap in gaps.items()}
    return pd.DataFrame(columns)


def _products(expand: BlockExpansion, block: Design) -> np.ndarray:
    rows = expand.other(block)
    return np.dot(rows.T, rows)


def tail_of(sums: RatioSums) -> float:
    """`pareto_k` of the weights."""
    positive = sums.weights.rows - sums.weights.zero - sums.negative
    tail = sums.tail[sums.tail > 0]
    return tail_shape(tail, positive)
