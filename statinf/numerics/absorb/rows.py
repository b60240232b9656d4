"""Rows that tell nothing beside absorbed effects: single rows of a level, and levels whose outcomes are all at one end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def informative_rows(
    codes: Sequence[np.ndarray], present: np.ndarray, *, singletons: bool, ends: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, list[int], list[int]]:
    """Rows that stay when those are left out, again and again until none is, that an effect fits exactly.

    Parameters
    ----------
    codes : sequence of ndarray of int, shape (n,)
        Levels of each factor, from 0.
    present : ndarray of bool, shape (n,)
        Rows of positive weight; the others are out from the start and are not counted.
    singletons : bool
        Whether the only row of its level is left out.
    ends : sequence of ndarray of bool, shape (n,)
        Rows whose outcome lies on an end of its range: a level with nothing else has no finite effect.

    Returns
    -------
    keep : ndarray of bool, shape (n,)
    alone, settled : list of int
        By factor, the rows left out as the only ones of their level, and as rows of a level at one end.
    """
    keep = present.copy()
    alone, settled = [0] * len(codes), [0] * len(codes)
    changed = True
    while changed:
        changed = False
        for q, code in enumerate(codes):
            for end in ends:
                counts = np.bincount(code[keep])
                full = np.bincount(code[keep & end], minlength=len(counts)) == counts
                changed |= _strike(keep, code, full & (counts > 0), settled, q)
            if singletons:
                changed |= _strike(keep, code, np.bincount(code[keep]) == 1, alone, q)
    return keep, alone, settled


def _strike(keep: np.ndarray, code: np.ndarray, levels: np.ndarray, counted: list[int], q: int) -> bool:
    """Leave out the rows of some levels and count them; whether there were any."""
    if not levels.any():
        return False
    # Rows that are out may have levels beyond those counted.
    gone = np.flatnonzero(keep)
    gone = gone[levels[code[gone]]]
    keep[gone] = False
    counted[q] += len(gone)
    return len(gone) > 0
