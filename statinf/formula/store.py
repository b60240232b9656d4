"""The columns of one frame, each converted once, and what is computed from them on all its rows."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.formula import evaluate as ev
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.calls import learning_calls
from statinf.formula.columns import Categorical, FrameColumn, Numeric
from statinf.formula.frame import Frame


@dataclass(frozen=True)
class Store:
    """Columns of one frame, each converted once, and expressions computed on all its rows.

    `new` says that the rows are not those of the fit; `states` are what calls whose values are categories have learnt.
    """

    frame: Frame
    scope: ex.Scope
    new: bool
    columns: dict[str, FrameColumn]
    grouped: dict[str, Categorical]
    computed: dict[str, np.ndarray]
    notes: list[str]
    states: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, frame: Frame, scope: ex.Scope, new: bool = False, states: Mapping[str, dict[str, Any]] | None = None
    ) -> Store:
        return cls(frame, scope, new, {}, {}, {}, [], dict(states or {}))

    def column(self, name: str) -> FrameColumn:
        if name not in self.columns:
            self.columns[name] = self.frame.column(name)
        return self.columns[name]

    def categories(self, name: str) -> Categorical:
        if name not in self.grouped:
            column = self.columns.get(name)
            self.grouped[name] = column if isinstance(column, Categorical) else self.frame.categories(name)
        return self.grouped[name]

    def states_of(self, factor: fa.Factor) -> dict[str, dict[str, Any]]:
        """What the calls of a factor whose values are categories have learnt, by their text."""
        texts = [ast.unparse(call) for call in learning_calls(factor.node, self.scope)]
        return {text: self.states[text] for text in texts if text in self.states}

    def values(self, rows: np.ndarray | None = None) -> ev.Values:
        """How an expression finds its columns: all rows, or those of an index."""
        if rows is None:
            return ev.Values(self.column, self.scope, self.categories, states=self.states, new=self.new)
        taken: dict[str, FrameColumn] = {}

        def column(name: str) -> FrameColumn:
            if name not in taken:
                taken[name] = take(self.column(name), rows)
            return taken[name]

        def categories(name: str) -> Categorical:
            return take(self.categories(name), rows)

        return ev.Values(column, self.scope, categories, states=self.states, new=self.new)


def take(column: Any, rows: np.ndarray | None) -> Any:
    """Rows of a column; the column itself, uncopied, where `rows` is None."""
    if rows is None:
        return column
    if isinstance(column, Categorical):
        return Categorical(column.codes[rows], column.levels, column.ordered)
    if isinstance(column, Numeric):
        return Numeric(column.values[rows], column.logical)
    return column[rows]
