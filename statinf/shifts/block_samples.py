"""A source and a target in blocks behind one formula, with the moments of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError, OptionError
from statinf.formula.design import Design
from statinf.passes import BlockTable, PassDesign, block_table, blocks, read_passes
from statinf.passes.column_sums import ColumnSums
from statinf.passes.design import is_estimated
from statinf.results.estimate import Passage
from statinf.shifts.block_target import TargetPasses, first_pass, margin_passes, target_passes
from statinf.shifts.margins import Margins
from statinf.shifts.overlap import described, judge_support
from statinf.shifts.reading import ratio_terms, recipe_alone
from statinf.shifts.samples import flat_columns


@dataclass(frozen=True)
class Beyond:
    """Target rows outside the source's range, by column, shape (p,), and in any column."""

    counts: np.ndarray
    anywhere: int

    def plus(self, other: Beyond) -> Beyond:
        """Of both."""
        return Beyond(self.counts + other.counts, self.anywhere + other.anywhere)


@dataclass(frozen=True, repr=False)
class BlockSamples(Brief):
    """Both samples, block by block.

    Attributes
    ----------
    source : PassDesign
        The formula on the source's rows; the ratio's columns are those of its part `part`.
    target : TargetPasses
    part : int
    near : ndarray, shape (p,)
        The point that sums are about.
    xs, xt : ColumnSums
        Of the ratio's columns without the constant, rows of positive weight.
    beyond : Beyond
    """

    source: PassDesign
    target: TargetPasses
    part: int
    near: np.ndarray
    xs: ColumnSums
    xt: ColumnSums
    beyond: Beyond

    @property
    def names(self) -> tuple[str, ...]:
        """Of the ratio's columns without the constant."""
        layout = self.source.recipe.parts[self.part].layout
        return layout.names[int(layout.intercept) :]

    def passage(self, formula: str) -> Passage:
        """What a fit keeps of the source: the recipe of the regression alone, whose formula this is."""
        made = self.source.passage
        return made if not self.part else replace(made, recipe=recipe_alone(made.recipe, 0, formula))

    @property
    def uncovered(self) -> str:
        """The columns in which target rows lie outside the source's range, with counts; empty if there are none."""
        return described(self.beyond.counts, self.beyond.anywhere, self.target.weighed, self.names)


def sample_tables(
    formula: str, source: Any, target: Any, *named: Any, known: bool = False
) -> tuple[BlockTable, BlockTable | None] | None:
    """Both samples as tables in blocks where one of them is passed over in blocks; None where both are read into memory.

    Parameters
    ----------
    formula : str
    source, target : object
        As the caller gave them.
    *named : object
        Names of further columns, or lists of them, and a ratio that was estimated in blocks.
    known : bool
        Whether the target is margins, which are no table.
    """
    first = block_table(source, formula, *named)
    second = None if known else block_table(target, formula, *named)
    if first is None and second is None:
        return None
    return first or blocks(source), None if known else second or blocks(target)


def read_block_samples(
    formula: str,
    tables: tuple[BlockTable, BlockTable | None],
    margins: Margins | None,
    *,
    ratio_formula: str | None = None,
    response: str = "none",
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    also: tuple[str, ...] = (),
    progress: Any = None,
) -> BlockSamples:
    """Read a formula on the source in blocks and make the same columns of the target; see `read_samples`.

    Two passes over the source and one over the target.
    """
    if weights is not None and not isinstance(weights, str) and not is_estimated(weights):
        raise OptionError("weights= of data that are read in blocks is the name of a column, not an array.")
    text, roles, part = formula, ("covariates",), 0
    if ratio_formula is not None:
        text, roles, part = f"{formula} | {ratio_terms(ratio_formula)}", ("covariates", "ratio"), 1
    source = read_passes(
        text, tables[0], roles=roles, response=response, weights=weights, cluster=cluster, na_action=na_action,
        context=context, also=also, progress=progress,
    )  # fmt: skip
    if margins is not None:
        other = margin_passes(source, margins)
    else:
        assert tables[1] is not None
        other = target_passes(source, tables[1], target_weights, progress=progress)
    head = source.head()
    if head is None:
        raise DataError("no row of the data can be used.")
    if response == "none":
        head.refuse_offset("comparisons of two samples take")
    near = head.parts[part].rest.values.mean(axis=0)
    xs: ColumnSums = source.total(partial(_moments, part, near), "moments of the columns")
    found = first_pass(other, partial(_target_moments, part, near, xs.extent.low, xs.extent.high), na_action)
    target, (xt, beyond) = found
    return BlockSamples(source, target, part, near, xs, xt, beyond)


def check_block_columns(samples: BlockSamples) -> None:
    """Refuse samples in whose columns nothing can differ, or that have no common support; see `check_columns`."""
    if not samples.names:
        raise FormulaError("the formula has no covariates in which the samples could differ; write '~ x1 + x2'.")
    if samples.target.known is not None:
        return
    s, t = samples.xs.extent, samples.xt.extent
    flat_columns(samples.names, samples.xs.flat & samples.xt.flat & (s.low == t.low))
    judge_support(samples.beyond.counts, samples.beyond.anywhere, samples.target.weighed, samples.names)


def ratio_columns(part: int, block: Design) -> tuple[np.ndarray, np.ndarray]:
    """The ratio's columns without the constant, shape (n, p), and weights (n,) of a block."""
    return block.parts[part].rest.values, block.weights


def _seen(part: int, block: Design) -> tuple[np.ndarray, np.ndarray]:
    x, w = ratio_columns(part, block)
    seen = w > 0
    return (x, w) if seen.all() else (x[seen], w[seen])


def _moments(part: int, near: np.ndarray, block: Design) -> ColumnSums:
    x, w = _seen(part, block)
    return ColumnSums.of(x, near, w)


def _target_moments(
    part: int, near: np.ndarray, low: np.ndarray, high: np.ndarray, block: Design
) -> tuple[ColumnSums, Beyond]:
    x, w = _seen(part, block)
    outside = (x < low) | (x > high)
    return ColumnSums.of(x, near, w), Beyond(outside.sum(axis=0), int(np.count_nonzero(outside.any(axis=1))))
