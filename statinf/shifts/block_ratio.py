"""`BlockDensityRatio`: a density ratio of tables in blocks, made anew for each block from a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, one_of
from statinf.formula.design import Design
from statinf.formula.recipe import Recipe
from statinf.internal import internal
from statinf.passes.block_weights import BlockWeights
from statinf.passes.column_sums import ColumnSums
from statinf.results import Table, to_caller
from statinf.shifts.block_ratio_sums import BlockExpansion, RatioWeights
from statinf.shifts.block_target import TargetPasses
from statinf.shifts.ratio import ratio_table, scored


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
