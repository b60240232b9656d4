"""Averages of items over groups of rows, and items of single rows, by blocks of rows that bound the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks, map_threads, rows_per_chunk
from statinf.brief import Brief
from statinf.inference.indexed_mean import IndexedMean
from statinf.inference.marginal import (
    Direction,
    RowGroups,
    RowValues,
    drawn_values,
    mean_values,
    shared_slopes,
    slope_values,
)
from statinf.results.margins.items import Item, MeanItem, SlopeItem
from statinf.results.margins.mean import MeanModel
from statinf.results.margins.rows import MarginRows

_BUDGET = 24 * 2**20
_PARALLEL_FROM = 100_000


@dataclass(frozen=True, repr=False)
class ItemAverages(Brief):
    """Averages of items over groups of rows.

    Attributes
    ----------
    values : ndarray, shape (I, K, G)
        Of I items and K means.
    gradients : ndarray, shape (I, K, G, q)
    rows : ndarray, shape (I, K, n), or None
        The items of every row.
    totals : ndarray, shape (G,)
        Weight of each group.
    """

    values: np.ndarray
    gradients: np.ndarray
    rows: np.ndarray | None
    totals: np.ndarray


class ItemBlock:
    """A block of rows with the columns that items need, each made once."""

    def __init__(self, source: MarginRows, model: MeanModel, rows: slice) -> None:
        self.source, self.model, self.slice = source, model, rows
        self.columns = source.columns[rows]
        self.offset = None if source.offset is None else source.offset[rows]
        self.settable = source.settable.take(rows)
        self.groups = RowGroups(source.codes[rows], source.weights[rows], len(source.groups))
        self.bad = self._bad(self.columns)

    def _bad(self, columns: np.ndarray) -> np.ndarray | None:
        if self.model.broken is None:
            return None
        # Where differences alone are estimated, so are they alone looked at: what is aliased may be so with what is not seen.
        return self.model.broken(columns - self.columns if self.model.differences else columns)

    def version(self, item: MeanItem) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Columns and offset with an item's settings, and the rows without an estimate."""
        if not item.settings:
            return self.columns, self.offset, self.bad
        numbers = {name: values for name, _ in item.settings if (values := self.settable.numbers(name)) is not None}
        changed = self.settable.with_values(item.values(numbers))
        columns = self.columns.copy(order="F")
        columns[:, changed.positions] = changed.values
        bad = self._bad(columns)
        if not changed.ok.all():
            bad = ~changed.ok if bad is None else bad | ~changed.ok
        return columns, self.offset if changed.offset is None else changed.offset, bad

    def direction(self, variable: str) -> Direction:
        """How the columns move with a variable."""
        found = self.settable.slopes(variable)
        numbers = self.settable.numbers(variable)
        assert numbers is not None
        return Direction(found.positions, found.values, found.offset, numbers)

    def strays(self, direction: Direction) -> np.ndarray | None:
        """Rows whose slope depends on aliased coefficients."""
        if self.model.broken is None:
            return None
        # Seen beside the columns, as far from them as they are large: what rounding leaves of an alias breaks none then.
        moved = np.zeros_like(self.columns) if self.model.differences else self.columns.copy(order="F")
        size = np.abs(self.columns).max(initial=1.0) / max(float(np.abs(direction.values).max(initial=0.0)), 1e-300)
        moved[:, direction.positions] += size * direction.values
        return self.model.broken(moved)


def _blocks(source: MarginRows, model: MeanModel, copies: int) -> list[slice]:
    p = max(source.columns.shape[1], 1)
    predictors = max(mean.predictors for mean in model.means)
    return list(chunks(source.n, rows_per_chunk(8.0 * (p * copies + 12 * predictors), _BUDGET)))


def _cleared(found: RowValues, bad: np.ndarray | None) -> RowValues:
    if bad is None or not bad.any():
        return found
    return RowValues(np.where(bad, np.nan, found.values), found.pieces)


def _items_of(
    block: ItemBlock, items: Sequence[Item], means: Sequence[IndexedMean], theta: np.ndarray, link: bool
) -> Iterator[tuple[int, int, RowValues]]:
    """Every item of a block under every mean: places of both, and values of the rows."""
    for i, item in enumerate(items):
        if isinstance(item, MeanItem):
            columns, offset, bad = block.version(item)
            for k, mean in enumerate(means):
                yield i, k, _cleared(mean_values(mean, theta, columns, offset, link), bad)
        else:
            direction = block.direction(item.variable)
            bad = block.strays(direction)
            bad = block.bad if bad is None else bad if block.bad is None else bad | block.bad
            for k, mean in enumerate(means):
                found = slope_values(mean, theta, block.columns, block.offset, direction, item.kind, link)
                yield i, k, _cleared(found, bad)


def averages(
    source: MarginRows,
    model: MeanModel,
    items: Sequence[Item],
    theta: np.ndarray,
    *,
    link: bool = False,
    keep: bool = False,
) -> ItemAverages:
    """Averages of items over the groups of rows, with their derivatives in theta."""
    shape = (len(items), len(model.means), len(source.groups))
    p, q = source.columns.shape[1], len(theta)
    rows = np.empty((*shape[:2], source.n)) if keep else None

    def one(rows_of: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        block = ItemBlock(source, model, rows_of)
        sums, gradients = np.zeros(shape), np.zeros((*shape, q))
        left = list(range(len(items)))
        if not keep and not link and model.broken is None:
            left = _in_one_pass(block, items, model.means, theta, sums, gradients)
        for i, k, found in _items_of(block, [items[i] for i in left], model.means, theta, link):
            at = left[i], k
            sums[at], gradients[at] = found.sums(model.means[k], block.groups, p, q)
            if rows is not None:
                rows[(*at, rows_of)] = found.values
        return sums, gradients, block.groups.totals

    made = map_threads(one, _blocks(source, model, 4), parallel=source.n > _PARALLEL_FROM)
    totals = np.sum([m[2] for m in made], axis=0)
    values = np.sum([m[0] for m in made], axis=0) / totals
    gradients = np.sum([m[1] for m in made], axis=0) / totals[:, None]
    return ItemAverages(values, gradients, rows, totals)


def _in_one_pass(
    block: ItemBlock,
    items: Sequence[Item],
    means: Sequence[IndexedMean],
    theta: np.ndarray,
    sums: np.ndarray,
    gradients: np.ndarray,
) -> list[int]:
    """Fill in the slopes of variables that enter linearly; the places of the other items come back."""
    if any(mean.predictors > 1 for mean in means):
        return list(range(len(items)))
    found, left = {}, []
    for i, item in enumerate(items):
        direction = block.direction(item.variable) if isinstance(item, SlopeItem) and item.kind == "dydx" else None
        if direction is not None and direction.values.ndim == 1 and direction.offset is None:
            found[i] = direction
        else:
            left.append(i)
    if found:
        at = list(found)
        for k, mean in enumerate(means):
            sums[at, k], gradients[at, k] = shared_slopes(
                mean, theta, block.columns, block.offset, list(found.values()), block.groups
            )
    return left


def drawn(
    source: MarginRows, model: MeanModel, items: Sequence[Item], thetas: np.ndarray, *, link: bool = False
) -> np.ndarray:
    """Averages of items under draws of theta (R, q), shape (R, I, K, G)."""
    count, groups = len(thetas), len(source.groups)
    total, weight = np.zeros((len(items), len(model.means), groups, count)), np.zeros(groups)
    size = rows_per_chunk(8.0 * (6 * count + source.columns.shape[1] * (4 + 2 * len(items))), _BUDGET)
    for rows in chunks(source.n, size):
        block = ItemBlock(source, model, rows)
        weight += block.groups.totals
        ones = np.ones(len(block.columns))
        for i, item in enumerate(items):
            columns, offset, bad, direction, kind = block.columns, block.offset, block.bad, None, "dydx"
            if isinstance(item, MeanItem):
                columns, offset, bad = block.version(item)
            else:
                direction, kind = block.direction(item.variable), item.kind
            for k, mean in enumerate(model.means):
                found = drawn_values(mean, thetas, columns, offset, direction, kind, link)
                if bad is not None and bad.any():
                    found = np.where(bad[:, None], np.nan, found)
                total[i, k] += block.groups.products(ones, found)
    return np.moveaxis(total / weight[:, None], -1, 0)
