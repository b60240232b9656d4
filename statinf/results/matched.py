"""Rows of several fits matched by their identity, so that influence values of one row stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.formula.identity import RowMatch, column_keys, identity_column


def common_rows(designs: Sequence[Design]) -> tuple[int, list[np.ndarray]]:
    """Which of the designs has the most rows, and where the rows of every design's frame stand in that frame.

    Returns
    -------
    base : int
    places : list of ndarray of int, shape (n_total of each,)

    Raises
    ------
    DataError
        If a design was made on other rows.
    """
    base = int(np.argmax([d.n_total for d in designs]))
    first = designs[base]
    places = []
    for number, design in enumerate(designs, start=1):
        what = f"the rows of fit {base + 1} cannot be matched with those of fit {number}: they"
        found = replace(first.identity, names=_witnesses(first, design)).locate(design.frame, what)
        _check_twins(design, first, found)
        places.append(np.arange(design.n_total) if found is None else found.position)
    return base, places


def _witnesses(first: Design, design: Design) -> tuple[str, ...]:
    """The columns that tell whether two frames hold the same rows: those that both fits read, else those of either.

    Where the fits share no column, one that was changed for one of them is no witness against rows that others confirm.
    """
    read = tuple(dict.fromkeys((*first.recipe.columns, *design.recipe.columns)))
    both = tuple(c for c in read if c in first.recipe.columns and c in design.recipe.columns)
    if both:
        return both
    here = tuple(c for c in read if c in first.frame.names and c in design.frame.names)
    if first.frame.n != design.frame.n:
        return here
    same = tuple(
        c
        for c in here
        if np.array_equal(column_keys(identity_column(first.frame, c)), column_keys(identity_column(design.frame, c)))
    )
    return same or here


def _check_twins(design: Design, first: Design, found: RowMatch | None) -> None:
    """Rows told apart by nothing but their order must weigh the same in both fits."""
    if found is None or found.same is None:
        return
    for made, same in ((design, found.same), (first, found.same[np.argsort(found.position)])):
        kinds, weights = same[made.rows], made.weights
        order = np.argsort(kinds, kind="stable")
        twins = np.diff(kinds[order]) == 0
        if (np.diff(weights[order])[twins] != 0).any():
            raise DataError(
                "the fits were made on frames in different row orders, and rows of equal columns have different weights; "
                "make both on one frame."
            )
