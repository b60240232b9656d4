"""What a formula makes of a table that is read in blocks: a `Design` for one block at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula.cells import columns_of
from statinf.formula.design import Design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.given import weights_of
from statinf.formula.learning import outcomes, single, values_of
from statinf.formula.reading import Reading
from statinf.formula.recipe import Recipe, check_kinds, sum_offsets
from statinf.formula.rows import Store, strike_untaught, take, usable_rows
from statinf.passes.engine import LocalEngine
from statinf.passes.levels import GroupIndex
from statinf.passes.table import BlockTable
from statinf.results.certified import weights_told
from statinf.results.estimate import Passage


@dataclass(frozen=True)
class Tally:
    """Rows counted in one pass.

    Attributes
    ----------
    n : int
        Rows used, of weight zero too.
    n_total : int
        Rows in all.
    positive : int
        Rows used whose weight is positive.
    causes : mapping of str to int
        Rows lost to each cause.
    """

    n: int = 0
    n_total: int = 0
    positive: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        causes = dict(self.causes)
        for cause, count in other.causes.items():
            causes[cause] = causes.get(cause, 0) + count
        return Tally(self.n + other.n, self.n_total + other.n_total, self.positive + other.positive, causes)


@dataclass(frozen=True)
class UsedBlock:
    """The rows of one block that can be used.

    Attributes
    ----------
    index : ndarray of int, or None
        None for all of them.
    n : int
    weights : ndarray, shape (n,), or None
    clusters : mapping of str to ndarray of int, shape (n,)
        Numbers of the clusters among all of the table.
    tally : Tally
    """

    index: np.ndarray | None
    n: int
    weights: np.ndarray | None
    clusters: Mapping[str, np.ndarray]
    tally: Tally


@dataclass(frozen=True, repr=False)
class PassDesign(Brief):
    """What a formula makes of a table that is read in blocks.

    Attributes
    ----------
    table : BlockTable
    reading : Reading
    recipe : Recipe
    columns : tuple of str
        Those that are read.
    tally : Tally
        Counted in the first pass.
    weights : str, BlockWeights or None
        The column of row weights, or weights that were estimated on the same table.
    clusters : mapping of str to GroupIndex
        All values of the cluster columns.
    progress : bool or None
    before : int
        Passes over the table before the formula was read.
    numbered : bool
        Whether the design of a block knows where its rows stand in the table.
    """

    table: BlockTable
    reading: Reading
    recipe: Recipe
    columns: tuple[str, ...]
    tally: Tally
    weights: Any
    clusters: Mapping[str, GroupIndex]
    progress: Any = None
    before: int = 0
    numbered: bool = False

    @property
    def record(self) -> dict[str, str]:
        """What a summary says of the passes so far."""
        done = self.table.count.done - self.before
        return {"Read in blocks": f"{done} passes over {self.tally.n_total} rows"}

    @property
    def estimated(self) -> bool:
        """Whether its weights were estimated on the same table."""
        return is_estimated(self.weights)

    @property
    def nobs(self) -> int:
        """Rows used whose weight is positive."""
        return self.tally.positive

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the first part."""
        return self.recipe.parts[0].layout.names

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What stands left of `~`."""
        return tuple(f.label for f in self.reading.outcome)

    @property
    def intercept(self) -> bool:
        """Whether the first part has a constant."""
        return self.recipe.parts[0].layout.intercept

    @property
    def passage(self) -> Passage:
        """What a fit keeps of it."""
        weighted = () if self.weights is None else weights_told(self.weights)
        return Passage(recipe=self.recipe, kind="pandas", dropped=self.tally.causes, weighted=weighted)

    @property
    def carried(self) -> PassDesign:
        """What makes a block's design, without the table: all that travels to those who read blocks."""
        table = replace(self.table, parts=(), weigh=None, engine=LocalEngine())
        return replace(self, table=table, weights=carried_weights(self.weights))

    def total(self, function: Callable[..., Any], label: str = "summing over rows", *, placed: bool = False) -> Any:
        """The sum over all blocks of a function of their designs; one pass.

        Parameters
        ----------
        function : callable
            From the `Design` of a block, rows without a value left out, to what `plus` adds. The block's `clusters` are
            numbered as in `clusters` here; `rows` are places in the block. Runs on several threads or processes: it must
            change nothing outside itself.
        label : str
        placed : bool
            Whether the function is also told the place of the block's first row in the table.

        Raises
        ------
        DataError
            If the table has other rows than in the pass before.
        """
        apply = partial(_apply, self.carried, function, placed)
        found = self.table.total(apply, self.columns, label, progress=self.progress, placed=placed or self.numbered)
        sums, tally = (None, Tally()) if found is None else found
        if (tally.positive, tally.n_total) != (self.nobs, self.tally.n_total):
            raise DataError(
                f"the data changed between two passes: {self.tally.n_total} rows with {self.nobs} in use became "
                f"{tally.n_total} with {tally.positive}; fit a copy that nobody writes to."
            )
        return sums

    def head(self) -> Design | None:
        """The first block that has rows in use; None where no block has any. It costs a pass where the first block has none."""
        native = self.table.first(self.columns)
        found = None if native is None else self.block(native)
        if found is not None and found.n:
            return found
        kept = self.total(_kept, "looking for rows in use")
        return None if kept is None else kept.block

    def block(self, native: Any) -> Design | None:
        """The design of one block; None where no row of it can be used."""
        return self.counted(native)[0]

    def counted(self, native: Any) -> tuple[Design | None, Tally]:
        """The design of one block, and its rows counted."""
        frame = as_frame(native)
        reading, learnt = self.reading, self.recipe.learnt
        store = Store.of(frame, reading.scope, states=self.recipe.states)
        check_kinds(store, reading.every)
        held = weights_on(self.weights, frame)
        estimated = held if self.estimated else None
        used = used_block(reading, store, held, self.clusters, learnt)
        # Rows outside the fit may still have helped to estimate its weights.
        if not used.n and (estimated is None or not len(estimated.used)):
            return None, used.tally
        index, n = used.index, used.n
        values = values_of(reading.measured, learnt, store, index, n)
        made = Design(
            response=outcomes(reading.outcome, store, index, n, learnt)[0],
            response_names=tuple(f.label for f in reading.outcome),
            parts=tuple(columns_of(part.layout, values, learnt, n) for part in self.recipe.parts),
            roles=reading.roles[: len(self.recipe.parts)],
            weights=np.ones(n) if used.weights is None else np.array(used.weights),
            weights_object=estimated,
            offset=sum_offsets([single(f, values[f.label]) for f in reading.offsets]),
            clusters=used.clusters,
            rows=np.arange(n) if index is None else index,
            n_total=frame.n,
            dropped=used.tally.causes,
            recipe=self.recipe,
            frame=frame,
            frame_clusters={}
            if estimated is None
            else {name: index.place(frame.categories(name)) for name, index in self.clusters.items()},
        )
        return made, used.tally


@dataclass(frozen=True)
class _Kept:
    """A block that is kept; of two the first."""

    block: Design

    def plus(self, other: _Kept) -> _Kept:
        return self


def _kept(block: Design) -> _Kept | None:
    return _Kept(block) if block.n else None


def _apply(
    made: PassDesign, function: Callable[..., Any], told: bool, native: Any, start: int = 0
) -> tuple[Any, Tally]:
    design, tally = made.counted(native)
    if design is None:
        return None, tally
    design = replace(design, start=start)
    return (function(design, start) if told else function(design)), tally


def is_estimated(weights: Any) -> bool:
    """Whether weights were estimated on a table in blocks, which they can follow."""
    return hasattr(weights, "on_block")


def carried_weights(weights: Any) -> Any:
    """Weights as they travel to those who read blocks."""
    return weights.carried if is_estimated(weights) else weights


def weights_on(weights: Any, frame: Frame) -> Any:
    """Weights as they are given, those estimated on a table in blocks as `Weights` of the rows of this block."""
    return weights.on_block(frame) if is_estimated(weights) else weights


def used_block(
    reading: Reading,
    store: Store,
    weights: Any,
    clusters: Mapping[str, GroupIndex | None],
    learnt: Mapping[str, Any] | None = None,
) -> UsedBlock:
    """The rows of a block that every factor, the weights and the clusters have.

    Parameters
    ----------
    reading : Reading
    store : Store
    weights : str, BlockWeights, Weights or None
    clusters : mapping of str to GroupIndex or None
        None while the values of a cluster column are being collected: its codes are those of the block then.
    learnt : mapping, optional
        What the factors learnt from all rows, once they have.
    """
    frame = store.frame
    given, strikes = weights_of(weights_on(weights, frame), frame, lambda: f" of the {frame.n:,} rows read together")
    groups = {name: frame.categories(name) for name in clusters}
    strikes |= {f"{name} is missing": found.codes < 0 for name, found in groups.items()}
    absent = None if given is None else given == 0.0
    if absent is not None and not absent.any():
        absent = None
    used = usable_rows(store, reading.every, None, strikes, absent)
    ok = used.ok
    if absent is not None and learnt is not None:
        # Levels that rows of weight zero alone have are learnt from no row.
        ok = strike_untaught(store, reading.every, learnt, ok, absent)
    index = None if ok.all() else np.flatnonzero(ok)
    n = frame.n if index is None else len(index)
    kept = None if given is None else take(given, index)
    codes = {
        name: take(found.codes if clusters[name] is None else clusters[name].place(found), index)  # type: ignore[union-attr]
        for name, found in groups.items()
    }
    positive = n if kept is None else int(np.count_nonzero(kept > 0))
    return UsedBlock(index, n, kept, codes, Tally(n, frame.n, positive, used.causes))
