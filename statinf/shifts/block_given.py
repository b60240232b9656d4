"""The density ratio of a mean or a regression on tables in blocks: estimated with it, or given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import as_frame
from statinf.passes import PassDesign
from statinf.passes.block_weights import BlockWeights, CarriedWeights
from statinf.shifts.block_ratio import BlockDensityRatio
from statinf.shifts.block_ratio_sums import BlockExpansion, RatioWeights
from statinf.shifts.block_target import TargetPasses


class RatioRows(Protocol):
    """The weights of the rows of a block, with their expansion."""

    @property
    def values(self) -> np.ndarray: ...

    @property
    def derivative(self) -> np.ndarray: ...

    @property
    def influence(self) -> np.ndarray: ...

    @property
    def plain(self) -> np.ndarray: ...


class SourceRatio(Protocol):
    """From a block of the source to the weights of its rows; picklable."""

    def __call__(self, block: Design) -> RatioRows: ...


@dataclass(frozen=True)
class _Made:
    values: np.ndarray
    expand: Callable[[], tuple[np.ndarray, np.ndarray, Any]]
    own: Callable[[], np.ndarray]

    @property
    def plain(self) -> np.ndarray:
        """The rows' weights without the ratio in them, on the scale of those with it."""
        return self.own()

    @cached_property
    def _expanded(self) -> tuple[np.ndarray, np.ndarray, Any]:
        return self.expand()

    @property
    def derivative(self) -> np.ndarray:
        return self._expanded[0]

    @property
    def influence(self) -> np.ndarray:
        return self._expanded[1]


@dataclass(frozen=True)
class OwnRatio:
    """A ratio that was estimated on the design of the block."""

    rule: RatioWeights

    def __call__(self, block: Design) -> RatioRows:
        rule = self.rule
        return _Made(rule.values(block), partial(rule.expansion, block), lambda: block.weights * rule.size)


@dataclass(frozen=True)
class GivenRatio:
    """A ratio with a design of its own."""

    carried: CarriedWeights

    def __call__(self, block: Design) -> RatioRows:
        held = self.carried.on_block(block.frame)
        place = np.searchsorted(held.used, block.rows)
        missing = ~np.isin(block.rows, held.used)
        if missing.any():
            raise DataError(
                f"the ratio has no weight for {int(missing.sum())} of the {block.n} rows of a block (first: row "
                f"{block.rows[np.argmax(missing)]} of it); make it from columns without missing values, or from those of the "
                "regression."
            )
        return _Made(
            held.values[place],
            lambda: (held.derivative[place], held.influence[place], None),
            partial(self._plain, block),
        )

    def _plain(self, block: Design) -> np.ndarray:
        rule, own = self.carried.rule, self.carried.made.block(block.frame.native)
        if own is None or not isinstance(rule, RatioWeights):
            return block.weights
        return own.weights[np.searchsorted(own.rows, block.rows)] * rule.size

    def left_out(self, made: PassDesign, pull: np.ndarray) -> float:
        """Sum of squares of the influence, along `pull` (k,), of source rows that the mean lacks; one pass."""
        columns = tuple(c for c in made.table.names if c in (*made.columns, *self.carried.made.columns))
        found = made.table.total(
            partial(_left_out, made.carried, self.carried, pull), columns, "rows of the ratio", progress=made.progress
        )
        return 0.0 if found is None else float(found)


def _left_out(made: PassDesign, carried: CarriedWeights, pull: np.ndarray, native: Any) -> float | None:
    block, held = made.block(native), carried.on_block(as_frame(native))
    left = np.ones(len(held.used), bool) if block is None else ~np.isin(held.used, block.rows)
    if not left.any():
        return None
    pushed = held.influence[left] @ pull
    return float(pushed @ pushed)


@dataclass(frozen=True)
class InfluenceRows:
    """Influence of target rows on the parameters behind a ratio.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Their places in the block.
    influence : ndarray, shape (m, k)
    aligned : bool
        Whether they are the rows that the mean has.
    """

    rows: np.ndarray
    influence: np.ndarray
    aligned: bool


@dataclass(frozen=True)
class TargetInfluence:
    """The influence of a target's rows on a ratio.

    Attributes
    ----------
    expand : BlockExpansion
    given : TargetPasses or None
        The ratio's own target, where it is not that of the mean.
    """

    expand: BlockExpansion
    given: TargetPasses | None

    def total(self, target: TargetPasses, function: Callable[[Design | None, InfluenceRows], Any], label: str) -> Any:
        """The sum over the blocks of a function of the mean's rows and of the ratio's; one pass."""
        if self.given is None or target.known is not None:
            return target.total(partial(_one, self.expand, function), label)
        columns = tuple(c for c in target.table.names if c in (*target.columns, *self.given.columns))
        both = partial(_two, self.expand, self.given.carried, target.carried, function)
        return target.table.total(both, columns, label, progress=target.progress)


def _one(expand: BlockExpansion, function: Callable[[Design | None, InfluenceRows], Any], block: Design) -> Any:
    return function(block, InfluenceRows(block.rows, expand.other(block), True))


def _two(
    expand: BlockExpansion,
    given: TargetPasses,
    target: TargetPasses,
    function: Callable[[Design | None, InfluenceRows], Any],
    native: Any,
) -> Any:
    own, held = target.block(native), given.block(native)
    if held is None:
        if own is None:
            return None
        return function(own, InfluenceRows(own.rows[:0], np.zeros((0, 0)), False))
    aligned = own is not None and np.array_equal(own.rows, held.rows)
    return function(own, InfluenceRows(held.rows, expand.other(held), aligned))


def refuse_ratio(ratio: Any) -> None:
    """Refuse a ratio that data read in blocks cannot take: one of rows in memory.

    Raises
    ------
    OptionError
    """
    if ratio is None or isinstance(ratio, str | BlockWeights):
        return
    raise OptionError(
        "data that are read in blocks take ratio= as the name of a method, or as si.density_ratio of the same tables in blocks; "
        "known ratios are weights= of si.glm, or of si.lm, as the name of a column."
    )


def check_given(ratio: BlockWeights, made: PassDesign, target: TargetPasses) -> None:
    """Refuse a ratio that was made of other tables.

    Parameters
    ----------
    ratio : BlockWeights
    made : PassDesign
        Of the source.
    target : TargetPasses

    Raises
    ------
    DataError
    """
    assert ratio.made is not None
    rows = ratio.made.tally.n_total
    if rows != made.tally.n_total:
        raise DataError(
            f"the density ratio was made for a source of {rows} rows, this one has {made.tally.n_total}; make it for this source."
        )
    other = ratio.other if isinstance(ratio, BlockDensityRatio) else None
    if other is None or other.known is not None:
        return
    if target.known is not None:
        raise DataError(
            "the density ratio was made for a target sample, and this target is known margins; make it from them."
        )
    if other.tally.n_total != target.tally.n_total:
        raise DataError(
            f"the density ratio was made for a target of {other.tally.n_total} rows, this one has {target.tally.n_total}; make it "
            "for this target."
        )
