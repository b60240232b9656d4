"""Cluster columns that are named after the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.frame import Frame, as_frame
from statinf.formula.rows import Store
from statinf.passes.design import PassDesign, used_block, weights_on
from statinf.passes.levels import GroupIndex


def grouped(made: PassDesign, names: Sequence[str]) -> PassDesign:
    """The design with the codes of further cluster columns, which one pass looks through; the same one if it has them.

    Raises
    ------
    DataError
        If a column is not there, or is missing in rows that are used.
    """
    missing = [name for name in names if name not in made.clusters]
    if not missing:
        return made
    first = as_frame(made.table.first(made.columns))
    known = Frame(first.native, first.kind, made.table.names, first.n)
    for name in missing:
        known.require(name)
    columns = tuple(c for c in made.table.names if c in (*made.columns, *missing))
    found: dict[str, Any] = made.table.total(
        partial(_values, made.carried, tuple(missing)), columns, "reading clusters", progress=made.progress
    )
    return replace(made, columns=columns, clusters={**made.clusters, **found})


def _values(made: PassDesign, names: Sequence[str], native: Any) -> dict[str, GroupIndex]:
    frame = as_frame(native)
    store = Store.of(frame, made.reading.scope, states=made.recipe.states)
    held = weights_on(made.weights, frame)
    index = used_block(made.reading, store, held, made.clusters, made.recipe.learnt).index
    groups = {name: frame.categories(name) for name in names}
    for name, column in groups.items():
        lost = np.count_nonzero((column.codes if index is None else column.codes[index]) < 0)
        if lost:
            raise DataError(
                f"the cluster column '{name}' is missing in rows used by the fit (in one block {lost}); give cluster={name!r} at "
                "the fit, so that these rows are left out."
            )
    grouped = held.used if made.estimated else index
    return {name: GroupIndex.of(column, grouped) for name, column in groups.items()}
