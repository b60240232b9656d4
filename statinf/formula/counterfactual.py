"""Rows of a formula on which columns are set to other values, and the derivatives of its columns.

Only the columns that depend on what is set are made again; transforms keep what they learnt at the fit.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula import factors as fa
from statinf.formula.calls import grouped_columns
from statinf.formula.columns import Categorical, FrameColumn, Numeric
from statinf.formula.derivative import SlopeIn
from statinf.formula.frame import Frame
from statinf.formula.layout import Layout
from statinf.formula.learning import values_of
from statinf.formula.matrix import written
from statinf.formula.part_sides import PartSide, depending, holding, joined, parts_of
from statinf.formula.recipe import Recipe, sum_offsets
from statinf.formula.rows import Store, take, usable_rows
from statinf.formula.set_values import at_level, set_to, some_rows
from statinf.formula.transforms import transform


@dataclass(frozen=True, repr=False)
class ChangedColumns(Brief):
    """Columns of rows on which something is set to another value, or their derivatives.

    Attributes
    ----------
    positions : ndarray of int, shape (k,)
        Which columns of the predictors these are.
    values : ndarray, shape (n, k), or (k,) where all rows have the same
    offset : ndarray, shape (n,), float or None
        The offset with the change, or its derivative.
    ok : ndarray of bool, shape (n,)
        Rows that can be made.
    """

    positions: np.ndarray
    values: np.ndarray
    offset: Any
    ok: np.ndarray


@dataclass(frozen=True, repr=False)
class SettableRows(Brief):
    """Rows of a frame with what a formula reads of them.

    Attributes
    ----------
    recipe : Recipe
    sides : tuple of PartSide
    columns : mapping of str to FrameColumn
    grouped : mapping of str to Categorical
        Columns that `C()` reads.
    n : int
    """

    recipe: Recipe
    sides: tuple[PartSide, ...]
    columns: Mapping[str, FrameColumn]
    grouped: Mapping[str, Categorical]
    n: int

    @classmethod
    def of(
        cls, recipe: Recipe, sides: Sequence[PartSide], frame: Frame, rows: np.ndarray | None = None
    ) -> SettableRows:
        """The rows of a frame, or some of them."""
        made = cls(recipe, tuple(sides), {}, {}, frame.n if rows is None else len(rows))
        store = Store.of(frame, recipe._scope(), new=True, states=recipe.states)
        columns, grouped = {}, {}
        for factor in made._factors():
            group = fa.grouping_column(factor, store.scope)
            as_levels, as_they_are = grouped_columns(factor.node, store.scope)
            for name in factor.columns:
                if name == group or name in as_levels:
                    grouped[name] = take(store.categories(name), rows)
                if name != group and name in as_they_are and name not in columns:
                    columns[name] = some_rows(store.column(name), rows)
        return replace(made, columns=columns, grouped=grouped)

    def take(self, rows: np.ndarray | slice) -> SettableRows:
        """Some of the rows."""
        some: Any = rows
        n = len(range(*rows.indices(self.n))) if isinstance(rows, slice) else len(rows)
        return replace(
            self,
            columns={k: some_rows(v, some) for k, v in self.columns.items()},
            grouped={k: take(v, some) for k, v in self.grouped.items()},
            n=n,
        )

    # --- what there is ------------------------------------------------------------------------------------

    def _factors(self) -> list[fa.Factor]:
        labels = [label for _, part in parts_of(self.recipe, self.sides) for label in part.factors]
        return [self.recipe.factors[label] for label in dict.fromkeys([*labels, *self.recipe.offset])]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the data that the predictors use, in the order of the formula; those of offsets last."""
        return tuple(dict.fromkeys(c for f in self._factors() for c in f.columns))

    @property
    def regressors(self) -> tuple[str, ...]:
        """The same without columns that offsets alone use."""
        labels = dict.fromkeys(label for _, part in parts_of(self.recipe, self.sides) for label in part.factors)
        return tuple(dict.fromkeys(c for label in labels for c in self.recipe.factors[label].columns))

    def levels(self, name: str) -> tuple[Any, ...] | None:
        """The levels of a column that enters by its levels alone, as the fit has them; None for numbers."""
        scope = self.recipe._scope()
        found: tuple[Any, ...] | None = None
        for factor in self._factors():
            if name not in factor.columns:
                continue
            coding = self.recipe.learnt[factor.label].coding
            if fa.grouping_column(factor, scope) == name and coding is not None:
                found = coding.levels if found is None else found
            elif not isinstance(self._as_read(name), Categorical):
                return None
        column = self._as_read(name)
        return column.levels if found is None and isinstance(column, Categorical) else found

    def _as_read(self, name: str) -> FrameColumn | None:
        """The column as its factors read it, by its levels where they read nothing else of it."""
        return self.columns.get(name, self.grouped.get(name))

    def _coded_levels(self, name: str) -> tuple[Any, ...]:
        """The levels that the fit knows of a column; none where it has no coding."""
        scope = self.recipe._scope()
        for factor in self._factors():
            coding = self.recipe.learnt[factor.label].coding
            if coding is not None and name in factor.columns and fa.grouping_column(factor, scope) == name:
                return coding.levels
        return ()

    def numbers(self, name: str) -> np.ndarray | None:
        """The values of a column of numbers, shape (n,); None for categories."""
        column = self.columns.get(name)
        return column.values if isinstance(column, Numeric) else None

    def logical(self, name: str) -> bool:
        """Whether a column holds truth values."""
        column = self.columns.get(name)
        return isinstance(column, Numeric) and column.logical

    # --- changes ------------------------------------------------------------------------------------------

    def with_values(self, settings: Mapping[str, Any]) -> ChangedColumns:
        """The columns that depend on some of the data's, with these set to other values.

        Parameters
        ----------
        settings : mapping of str to object
            A level of a column of categories; a number, or one for each row, of a column of numbers.

        Raises
        ------
        OptionError
            If a level is not one of the fit's.
        """
        columns, grouped = dict(self.columns), dict(self.grouped)
        for name, value in settings.items():
            known = self._coded_levels(name)
            if name in columns:
                columns[name] = set_to(columns[name], value, self.n, name, known)
            if name in grouped:
                grouped[name] = at_level(grouped[name], value, self.n, name, known)
        store = self._store(columns, grouped)
        used = {f.label: f for f in self._factors() if set(settings) & set(f.columns)}
        found = usable_rows(store, used.values(), self.recipe.learnt)
        rows = slice(None) if found.index is None else found.index
        kept = self.n if found.index is None else len(found.index)
        places, blocks = [], []
        for side, at, sub, layout in depending(self.recipe, self.sides, set(used)):
            values = self._values(layout, store, found.index, kept)
            made = written(layout, values, self.recipe.learnt, kept)
            blocks.append(made if side.plain else (made - side.low) / (side.high - side.low))
            places.append(sub + at)
        out = np.full((self.n, sum(b.shape[1] for b in blocks)), np.nan, order="F")
        if blocks:
            out[rows] = np.hstack(blocks)
        return ChangedColumns(joined(places), out, self._offset(store, set(used)), found.ok)

    def slopes(self, name: str) -> ChangedColumns:
        """The derivatives of the columns that depend on one of the data's, in that one."""
        store = self._store(self.columns, self.grouped)
        slopes = {f.label: self._slope(f, name, store) for f in self._factors() if name in f.columns}
        slopes = {label: slope for label, slope in slopes.items() if slope is not None}
        places, blocks, same = [], [], True
        for side, at, sub, layout in depending(self.recipe, self.sides, set(slopes)):
            alone = all(len(b.factors) == 1 and np.ndim(slopes[b.factors[0]]) == 0 for b in layout.blocks)
            if alone:
                made = np.array([[b.scale * slopes[b.factors[0]] for b in layout.blocks]])
            else:
                made = self._product_rule(layout, self._values(layout, store, None, self.n), slopes)
            same = same and alone
            blocks.append(made if side.plain else made / (side.high - side.low))
            places.append(sub + at)
        offsets = [slopes[label] for label in self.recipe.offset if label in slopes]
        offset = sum(np.broadcast_to(np.ravel(o), (self.n,)) for o in offsets) if offsets else None
        if same:
            values = np.concatenate([b[0] for b in blocks]) if blocks else np.empty(0)
        else:
            values = np.hstack([np.broadcast_to(b, (self.n, b.shape[1])) for b in blocks])
        return ChangedColumns(joined(places), values, offset, np.ones(self.n, dtype=bool))

    def _product_rule(self, layout: Layout, values: Mapping[str, Any], slopes: Mapping[str, Any]) -> np.ndarray:
        """Derivatives of products of factors, shape (n, columns of the layout)."""
        total = np.zeros((self.n, len(layout.names)), order="F")
        for label, slope in slopes.items():
            places, mine = holding(layout, {label}, self.recipe)
            if len(places):
                table = np.zeros((self.n, self.recipe.learnt[label].columns(True)))
                table += slope[:, None] if np.ndim(slope) == 1 else slope
                total[:, places] += written(mine, {**values, label: table}, self.recipe.learnt, self.n)
        return total

    def _slope(self, factor: fa.Factor, name: str, store: Store) -> Any:
        """The derivative of a factor in a column; None where it is zero."""
        if factor.kind == "categorical" or factor.logical:
            return None
        states = self.recipe.learnt[factor.label].states

        def stateful(call: ast.Call, inner: Any) -> np.ndarray:
            return transform(call, inner, dict(states))[0]

        return SlopeIn(name, replace(store.values(), stateful=stateful), states).slope(factor.node)

    # --- helpers ------------------------------------------------------------------------------------------

    def _store(self, columns: Mapping[str, FrameColumn], grouped: Mapping[str, Categorical]) -> Store:
        frame = Frame(None, "", tuple(dict.fromkeys((*columns, *grouped))), self.n)
        return Store(frame, self.recipe._scope(), True, dict(columns), dict(grouped), {}, [], self.recipe.states)

    def _values(self, layout: Layout, store: Store, index: np.ndarray | None, n: int) -> dict[str, Any]:
        labels = dict.fromkeys(f for b in layout.blocks for f in b.factors)
        return values_of([self.recipe.factors[label] for label in labels], self.recipe.learnt, store, index, n)

    def _offset(self, store: Store, labels: set[str]) -> np.ndarray | None:
        if not set(self.recipe.offset) & labels:
            return None
        every = [self.recipe.factors[label] for label in self.recipe.offset]
        values = values_of(every, self.recipe.learnt, store, None, self.n)
        return sum_offsets([values[f.label][:, 0] for f in every])
