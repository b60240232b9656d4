"""The target of a table in blocks: its rows by the recipe of the source, or margins that stand for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.passes import BlockTable, PassDesign
from statinf.passes.design import Tally
from statinf.shifts.margins import KnownMeans, Margins, known_means
from statinf.shifts.target import TargetRows, check_target, read_columns, some_target_rows


@dataclass(frozen=True, repr=False)
class TargetPasses(PassDesign):
    """The target's rows, block by block: columns of every part by the recipe of the source, and no outcome.

    Attributes
    ----------
    known : KnownMeans or None
        Margins that stand for the rows: one row that holds the means, which no sampling moves.
    """

    known: KnownMeans | None = None

    @property
    def weighed(self) -> int:
        """Rows of positive weight; none where margins stand for them."""
        return 0 if self.known is not None else self.nobs

    def counted(self, native: Any) -> tuple[Design | None, Tally]:
        """The design of one block, and its rows counted."""
        rows = some_target_rows(self.recipe, native, self.weights)
        tally = Tally(len(rows.rows), rows.n_total, rows.nobs, rows.dropped)
        return (_as_design(self.recipe, rows, as_frame(native)) if len(rows.rows) else None), tally

    def total(
        self, function: Callable[..., Any], label: str = "summing over the target", *, placed: bool = False
    ) -> Any:
        """The sum over all blocks of a function of their designs; one pass, or none for margins."""
        if self.known is not None:
            return function(self._margins)
        return super().total(function, label, placed=placed)

    def head(self) -> Design | None:
        """The first block that has rows in use, or the margins."""
        return self._margins if self.known is not None else super().head()

    @property
    def carried(self) -> TargetPasses:
        """What makes a block's design, without the table."""
        made = super().carried
        assert isinstance(made, TargetPasses)
        return made

    @property
    def _margins(self) -> Design:
        assert self.known is not None
        rows = TargetRows(self.known, np.ones(1), np.zeros(1, dtype=np.intp), 1, {}, None, None)
        return _as_design(self.recipe, rows, as_frame({"": [0.0]}))


def _as_design(recipe: Recipe, rows: TargetRows, frame: Frame) -> Design:
    """Target rows as a design, the constant of each part included where it has one."""
    layouts = [part.layout for part in recipe.parts]
    roles = tuple(part.role for part in recipe.parts)
    pairs = zip(layouts, roles, strict=True)
    return Design(
        response=None,
        response_names=(),
        parts=tuple(Matrix(rows.parts[role], la.names, la.terms, la.intercept) for la, role in pairs),
        roles=roles,
        weights=rows.weights,
        weights_object=None,
        offset=rows.offset,
        clusters={},
        rows=rows.rows,
        n_total=rows.n_total,
        dropped=rows.dropped,
        recipe=recipe,
        frame=frame,
    )


def margin_passes(made: PassDesign, margins: Margins) -> TargetPasses:
    """Known margins in the place of a target's rows."""
    known = known_means(made.recipe, margins)
    tally = Tally(1, 1, 1, {})
    return TargetPasses(made.table, made.reading, made.recipe, (), tally, None, {}, known=known)


def target_passes(made: PassDesign, table: BlockTable, weights: Any, *, progress: Any = None) -> TargetPasses:
    """The target's rows before they are counted.

    Parameters
    ----------
    made : PassDesign
        Of the source.
    table : BlockTable
    weights : str, optional
        A column of row weights.
    progress : bool, optional

    Raises
    ------
    DataError
        If the table lacks a column.
    """
    if weights is not None and not isinstance(weights, str):
        raise OptionError("target_weights= of data that are read in blocks is the name of a column, not an array.")
    needed: list[str] = [*read_columns(made.recipe), *([] if weights is None else [weights])]
    columns = tuple(c for c in table.names if c in needed) or table.names[:1]
    first = table.first(columns)
    if first is None:
        raise DataError("no row of the target frame can be used (it is empty).")
    frame = as_frame(first)
    known = Frame(frame.native, frame.kind, frame.names, frame.n, tuple(c for c in table.names if c not in columns))
    for name in needed:
        try:
            known.require(name)
        except DataError as error:
            raise DataError(f"target frame: {error}") from None
    before = table.count.done
    return TargetPasses(table, made.reading, made.recipe, columns, Tally(), weights, {}, progress, before)


def first_pass(target: TargetPasses, function: Callable[[Design], Any], na_action: str) -> tuple[TargetPasses, Any]:
    """The target with its rows counted, and the sum of a function of its blocks; one pass, or none for margins.

    Raises
    ------
    DataError
        If no row can be used, values are infinite, or levels are none of the source's.
    """
    if target.known is not None:
        return target, target.total(function)
    found = target.table.total(
        _Counting(target.carried, function), target.columns, "reading the target", progress=target.progress
    )
    sums, tally = (None, Tally()) if found is None else found
    check_target(tally.causes, tally.n_total, tally.n, tally.positive, na_action)
    return replace(target, tally=tally), sums


@dataclass(frozen=True)
class _Counting:
    target: TargetPasses
    function: Callable[[Design], Any]

    def __call__(self, native: Any) -> tuple[Any, Tally]:
        block, tally = self.target.counted(native)
        return (None if block is None else self.function(block)), tally
