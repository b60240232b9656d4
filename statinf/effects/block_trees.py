"""Nuisances of effects on a table in blocks by binned trees: one pass a level for the trees of all nuisances and folds.

Each pass bins a block's rows anew and sends them through the trees so far. Where the bins of all rows take little memory, they are
kept after the first pass instead, as rows in memory would keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.block_rows import BlockFolds, EffectPasses, EffectReader
from statinf.formula.design import Design
from statinf.learners.binned_trees import (
    BinnedTrees,
    columns_of,
    held_total,
    lumped,
    model_values,
    sampled,
    split_rows,
)
from statinf.numerics.trees.bins import Bins, learn_bins
from statinf.numerics.trees.symmetric import BinnedRows, SymmetricTrees, TreePlan, grow
from statinf.passes.adding import plus
from statinf.passes.engine import LocalEngine
from statinf.passes.table import BLOCK_ROWS

HELD = 1 << 29
"""Bytes of bins, outcomes and values of models up to which rows are kept in memory between passes."""


@dataclass(frozen=True)
class _TreeTarget:
    """A nuisance: its name, "y" or "d", the arm that it is learnt on, and its learner."""

    name: str
    target: str
    arm: int | None
    learner: BinnedTrees


@dataclass(frozen=True)
class BlockTrees:
    """Trees grown together, of each nuisance without each fold.

    Attributes
    ----------
    names : tuple of str
    bins : Bins
    trees : SymmetricTrees
    folds : BlockFolds
    """

    names: tuple[str, ...]
    bins: Bins
    trees: SymmetricTrees
    folds: BlockFolds

    def __call__(self, block: Design, x: np.ndarray) -> dict[str, np.ndarray]:
        """Predictions (n,) by name, each by the trees without the row's fold."""
        codes, fold, count = self.bins.codes(columns_of(x)), self.folds(block), self.folds.count
        out = {name: np.empty(len(x)) for name in self.names}
        for k in np.unique(fold):
            here = np.flatnonzero(fold == k)
            some = codes[:, here]
            for j, name in enumerate(self.names):
                out[name][here] = model_values(self.trees, some, j * count + int(k))
        return out


def fit_trees(problem: EffectPasses, wanted: Sequence[Any], folds: BlockFolds, unit: float) -> tuple[BlockTrees, ...]:
    """Trees of every nuisance without each fold, or on all rows where there is one fold.

    Parameters
    ----------
    problem : EffectPasses
    wanted : sequence of BlockNuisance
        With learners that are `BinnedTrees`.
    folds : BlockFolds
    unit : float
        Of the rows' weights.
    """
    groups: dict[TreePlan, list[_TreeTarget]] = {}
    for q in wanted:
        groups.setdefault(q.learner.plan, []).append(_TreeTarget(q.name, q.target, q.arm, q.learner))
    return tuple(_fit(problem, tuple(some), plan, folds, unit) for plan, some in groups.items())


def _fit(
    problem: EffectPasses, targets: tuple[_TreeTarget, ...], plan: TreePlan, folds: BlockFolds, unit: float
) -> BlockTrees:
    bins = learn_bins(*_bin_rows(problem), plan.bins)
    split = _TreeRows(problem.read, folds, bins, targets, unit)
    logistic = np.repeat([q.learner.logistic for q in targets], folds.count)
    trees = grow(plan, logistic, _summing(problem, split, len(logistic)), False)
    return BlockTrees(tuple(q.name for q in targets), bins, trees, folds)


def _summing(problem: EffectPasses, split: _TreeRows, models: int) -> Callable[[Callable[[BinnedRows], Any]], Any]:
    """How a function of rows is summed: over those kept in memory, or in a pass."""
    made = problem.made
    bytes_a_row = len(split.bins.cuts) + 9.0 * models + 24.0
    if isinstance(made.table.engine, LocalEngine) and made.nobs * bytes_a_row <= HELD:
        held: _HeldPieces = made.total(partial(_held, split), "binning rows")
        return partial(held_total, _gathered(held.pieces))
    return partial(_pass, problem, split)


def _pass(problem: EffectPasses, split: _TreeRows, function: Callable[[BinnedRows], Any]) -> Any:
    return problem.made.total(partial(_summed, split, function), "growing trees")


def _held(split: _TreeRows, block: Design) -> _HeldPieces:
    return _HeldPieces(tuple(split(block)))


def _gathered(pieces: Sequence[BinnedRows]) -> list[BinnedRows]:
    """Pieces of the same models put together as long as they are short."""
    groups: dict[tuple[int, ...], list[list[BinnedRows]]] = {}
    for one in pieces:
        lists = groups.setdefault(tuple(one.targets), [[]])
        if lists[-1] and sum(held.size for held in lists[-1]) + one.size > BLOCK_ROWS:
            lists.append([])
        lists[-1].append(one)
    return [BinnedRows.joined(some) for lists in groups.values() for some in lists]


def _summed(split: _TreeRows, function: Callable[[BinnedRows], Any], block: Design) -> Any:
    found = None
    for rows in split(block):
        found = plus(found, function(rows))
    return found


@dataclass(frozen=True)
class _HeldPieces:
    pieces: tuple[BinnedRows, ...]

    def plus(self, other: _HeldPieces) -> _HeldPieces:
        return _HeldPieces((*self.pieces, *other.pieces))


@dataclass(frozen=True)
class _TreeRows:
    """From the design of a block to its rows by fold and arm."""

    read: EffectReader
    folds: BlockFolds
    bins: Bins
    targets: tuple[_TreeTarget, ...]
    unit: float

    def __call__(self, block: Design) -> list[BinnedRows]:
        rows = self.read(block)
        treated = rows.d > 0.5
        arms = {None: None, 0: ~treated, 1: treated}
        for q in self.targets:
            seen = rows.w > 0
            q.learner.check((rows.y if q.target == "y" else rows.d)[seen if q.arm is None else seen & arms[q.arm]])
        return split_rows(
            self.bins.codes(columns_of(rows.x)),
            rows.w / self.unit,
            self.folds(block),
            self.folds.count,
            [rows.y if q.target == "y" else rows.d for q in self.targets],
            [arms[q.arm] for q in self.targets],
        )


@dataclass(frozen=True)
class _BinSample:
    """Columns and weights of some rows, in pieces."""

    pieces: tuple[tuple[np.ndarray, np.ndarray], ...]

    def plus(self, other: _BinSample) -> _BinSample:
        return _BinSample((*self.pieces, *other.pieces))

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        x, w = zip(*self.pieces, strict=True)
        return np.concatenate(x), np.concatenate(w)


def _bin_rows(problem: EffectPasses) -> tuple[np.ndarray, np.ndarray]:
    """Columns and weights of the rows that bins are learnt from, as `bins_of` draws them."""
    made = problem.made
    draw = partial(_sampled, problem.read, made.nobs)
    sample: _BinSample | None = made.total(draw, "quantiles of columns")
    if sample is None or lumped(sample.rows()[0], made.nobs):
        sample = made.total(draw, "quantiles of columns", placed=True)
    assert sample is not None
    return sample.rows()


def _sampled(read: EffectReader, n: int, block: Design, start: int | None = None) -> _BinSample | None:
    rows = read(block)
    x = columns_of(rows.x)
    chosen = sampled(x, rows.w, n, None if start is None else start + np.arange(len(x)))
    return _BinSample(((np.array(x[chosen]), rows.w[chosen]),)) if chosen.any() else None
