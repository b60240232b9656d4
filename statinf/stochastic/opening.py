"""How a formula is read on a table, or on the first rows of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula import Design, Recipe, as_frame, design
from statinf.formula.native_rows import pandas_rows
from statinf.formula.scale import check_sizes
from statinf.formula.sources import Source

FIRST_ROWS = 1_000
"""Rows of a stream on which categories and transformations are learnt."""


def head(frames: Iterator[Any], rows: int) -> tuple[Any, list[Any], bool]:
    """The first rows of a stream as one pandas frame, the frames read for it, and whether the stream is used up."""
    import pandas as pd

    read: list[Any] = []
    parts: list[Any] = []
    count = 0
    for table in frames:
        frame = as_frame(table)
        if not frame.n:
            continue
        read.append(table)
        parts.append(pandas_rows(frame, rows - count))
        count += len(parts[-1])
        if count >= rows:
            return (parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)), read, False
    if not parts:
        raise DataError("the stream has no rows.")
    return (parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)), read, True


@dataclass(frozen=True)
class Opening:
    """How a table or a stream begins.

    Attributes
    ----------
    design : Design
        Of the whole table, or of the stream's first rows.
    recipe : Recipe
        With all declared levels.
    frames : iterator of tables
        Everything, from the first row.
    length : int or None
        Rows that the caller expects, usable rows of a table, rows of a stream; None where unknown.
    whole : bool
        Whether the design holds every row.
    first : Any
        The rows of the design.
    """

    design: Design
    recipe: Recipe
    frames: Iterator[Any]
    length: int | None
    whole: bool
    first: Any


def begin(
    formula: str, source: Source, *, levels: Mapping[str, Sequence[Any]] | None, expected: int | None, **options: Any
) -> Opening:
    """Read the formula on a table, or on the first rows of a stream.

    Parameters
    ----------
    formula : str
    source : Source
    levels : mapping, optional
        All levels of columns of categories, where the first rows may lack some.
    expected : int, optional
        Rows that will come in all, later ones among them; those that are there where that is known.
    **options
        Of `statinf.formula.design`.
    """
    if source.whole is not None and not levels:
        made = design(formula, source.whole, **options)
        check_sizes(made)
        present = int(np.count_nonzero(made.weights))
        return Opening(made, made.recipe, iter([source.whole.native]), expected or present, True, source.whole)
    if source.whole is not None:
        first, frames = pandas_rows(source.whole), iter([source.whole.native])
        length = expected or source.whole.n
    else:
        first, read, ended = head(source.frames, FIRST_ROWS)
        frames = chain(read, source.frames)
        length = expected or source.rows
        if ended and length is None:
            length = len(first)
    made = design(formula, first, **options) if not levels else _with_levels(formula, first, levels, options)
    check_sizes(made)
    return Opening(made, made.recipe, frames, length, False, first)


def _with_levels(formula: str, first: Any, levels: Mapping[str, Sequence[Any]], options: dict[str, Any]) -> Design:
    """The design with declared levels: their coding is learnt with one more row a level, all else from the rows as they are."""
    import pandas as pd

    frame = as_frame(first)
    parts = [first]
    complete = first.dropna()
    line = (complete if len(complete) else first).iloc[[0]]
    for name, values in levels.items():
        frame.require(name)
        present = set(frame.categories(name).levels)
        unknown = sorted(present - set(values), key=str)
        if unknown:
            raise DataError(f"levels[{name!r}] lacks {unknown[0]!r}, which the data have.")
        parts += [line.assign(**{name: value}) for value in values if value not in present]
    longer = pd.concat([p.astype(dict.fromkeys(levels, object)) for p in parts], ignore_index=True)
    for name, values in levels.items():
        longer[name] = pd.Categorical(longer[name], categories=list(values))
    extended = design(formula, longer, **options)
    try:
        plain = design(formula, first, **options).recipe
    except DataError:  # such as a single level so far
        return extended
    recipe = extended.recipe
    learnt = {k: (v if v.coding is not None else plain.learnt.get(k, v)) for k, v in recipe.learnt.items()}
    return replace(extended, recipe=replace(recipe, learnt=learnt))
