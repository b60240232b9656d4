"""A few whole columns of a table in blocks, for transforms that learn from all their values at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.formula.columns import Categorical, Numeric
from statinf.formula.frame import as_frame
from statinf.formula.given import weights_of
from statinf.passes.design import weights_on
from statinf.passes.levels import is_declared


@dataclass(frozen=True)
class Gathered:
    """Columns, in pieces.

    Attributes
    ----------
    pieces : mapping of str to tuple of columns
    declared : frozenset of str
        Columns whose levels have an order of their own.
    """

    pieces: Mapping[str, tuple[Any, ...]]
    declared: frozenset[str]

    def plus(self, other: Gathered) -> Gathered:
        """The rows of the other behind these."""
        joined = {name: (*held, *other.pieces[name]) for name, held in self.pieces.items()}
        return Gathered(joined, self.declared)

    def frame(self) -> Any:
        """A pandas frame of the columns."""
        import pandas as pd

        return pd.DataFrame({name: self._column(name, pieces) for name, pieces in self.pieces.items()}, copy=False)

    def _column(self, name: str, pieces: Sequence[Any]) -> Any:
        import pandas as pd

        if all(isinstance(p, Numeric) for p in pieces):
            values = np.concatenate([p.values for p in pieces])
            return values.astype(bool) if all(p.logical for p in pieces) and not np.isnan(values).any() else values
        named = [_named(p) for p in pieces]
        order = tuple(dict.fromkeys(level for p in named for level in p.levels))
        place = {level: i for i, level in enumerate(order)}
        codes = np.concatenate([np.array([*(place[v] for v in p.levels), -1])[p.codes] for p in named])
        if name in self.declared:
            return pd.Categorical.from_codes(codes, list(order))
        return np.array([*order, None], dtype=object)[codes]


def _named(piece: Any) -> Categorical:
    """A piece as categories; one of numbers has none but missing values."""
    return piece if isinstance(piece, Categorical) else Categorical(np.full(len(piece.values), -1), ())


def gather(names: Sequence[str], weights: Any, native: Any) -> Gathered:
    """The columns of one block, without rows of weight zero."""
    frame = as_frame(native)
    given = weights_of(weights_on(weights, frame), frame)[0]
    seen = slice(None) if given is None else given != 0.0
    pieces: dict[str, tuple[Any, ...]] = {}
    declared = set()
    for name in names:
        column = frame.column(name)
        if isinstance(column, Categorical):
            pieces[name] = (Categorical(np.array(column.codes[seen]), column.levels),)
            if is_declared(frame, name):
                declared.add(name)
        else:
            pieces[name] = (Numeric(np.array(column.values[seen]), column.logical),)
    return Gathered(pieces, frozenset(declared))
