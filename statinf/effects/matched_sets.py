"""Matched sets: which rows of the other arm stand for each row, with replacement or without, within calipers and groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.numerics.geometry.nearest import Neighbours, gather, nearest

_CELLS = 1 << 22
"""Distances that are held at once where a caliper has to be tried against all rows."""


@dataclass(frozen=True, repr=False)
class Space(Brief):
    """Where rows are compared.

    Attributes
    ----------
    at : ndarray, shape (n, q)
        Coordinates whose squared differences add up to the distance.
    limited : ndarray, shape (n, c)
        Columns in standard deviations, which calipers limit.
    caliper : float
        Largest difference in any of them; infinite for none.
    cells : ndarray of int, shape (n,)
        Rows are compared within the same cell only.
    tolerance : float
        Squared distances that differ by no more are ties.
    """

    at: np.ndarray
    limited: np.ndarray
    caliper: float
    cells: np.ndarray
    tolerance: float


def matched(space: Space, rows: np.ndarray, pool: np.ndarray, k: int, *, itself: bool = False) -> Neighbours:
    """The k nearest rows of a pool for each row, ties included; fewer where fewer are allowed.

    Parameters
    ----------
    space : Space
    rows, pool : ndarray of int
        Row numbers.
    k : int
    itself : bool
        Whether rows are in the pool themselves and must not be their own match.

    Returns
    -------
    Neighbours
        By position in `rows`; points are row numbers.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    cells = space.cells[rows]
    order = np.argsort(space.cells[pool], kind="stable")
    labels, starts = np.unique(space.cells[pool][order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    for label, start, end in zip(labels.tolist(), starts.tolist(), ends, strict=True):
        mine, theirs = np.flatnonzero(cells == label), pool[order[start:end]]
        if len(mine):
            parts.append(_in_cell(space, rows, mine, np.sort(theirs), k, itself))
    if not parts:
        return gather(len(rows), np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    who, whom, squared = (np.concatenate(one) for one in zip(*parts, strict=True))
    return gather(len(rows), who, whom, squared)


def _in_cell(
    space: Space, rows: np.ndarray, mine: np.ndarray, pool: np.ndarray, k: int, itself: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    here = rows[mine]
    most = min(k + itself, len(pool))
    found = nearest(space.at[here], space.at[pool], most, tolerance=space.tolerance)
    who, whom, squared = found.rows, pool[found.points], found.squared
    if itself:
        # One of the k + 1 nearest is the row itself; among many ties at distance zero it is one of them too.
        other = whom != here[who]
        who, whom, squared = who[other], whom[other], squared[other]
    if np.isfinite(space.caliper):
        far = (np.abs(space.limited[here[who]] - space.limited[whom]) > space.caliper).any(axis=1)
        again = np.zeros(len(mine), bool)
        again[who[far]] = True
        kept = ~again[who]
        more = _within_caliper(space, here, np.flatnonzero(again), pool, k)
        who, whom, squared = (
            np.concatenate(both) for both in zip((who[kept], whom[kept], squared[kept]), more, strict=True)
        )
    return mine[who], whom, squared


def _within_caliper(
    space: Space, here: np.ndarray, again: np.ndarray, pool: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest within the caliper, for rows whose nearest of all lie beyond it."""
    parts = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    step = max(1, _CELLS // len(pool))
    for s in range(0, len(again), step):
        some = again[s : s + step]
        square = np.zeros((len(some), len(pool)))
        for column in range(space.at.shape[1]):
            square += (space.at[here[some], column][:, None] - space.at[pool, column]) ** 2
        for column in range(space.limited.shape[1]):
            gap = np.abs(space.limited[here[some], column][:, None] - space.limited[pool, column])
            square[gap > space.caliper] = np.inf
        most = min(k, len(pool)) - 1
        edge = np.partition(square, most, axis=1)[:, most]
        # Fewer than k within the caliper: all of them.
        edge = np.where(np.isfinite(edge), edge + space.tolerance, np.finfo(float).max)
        i, j = np.nonzero(square <= edge[:, None])
        parts.append((some[i], pool[j], square[i, j]))
    return tuple(np.concatenate(one) for one in zip(*parts, strict=True))  # type: ignore[return-value]


def matched_once(space: Space, rows: np.ndarray, pool: np.ndarray, k: int) -> Neighbours:
    """Matches without replacement: rows take the nearest that are left, in their order; ties go to the earlier row.

    A row for which fewer than k are left within its caliper and cell gets none.
    """
    free = np.ones(len(pool), bool)
    who, whom, squared = [], [], []
    for i, row in enumerate(rows.tolist()):
        square = ((space.at[pool] - space.at[row]) ** 2).sum(axis=1)
        usable = free & (space.cells[pool] == space.cells[row])
        if np.isfinite(space.caliper):
            usable &= (np.abs(space.limited[pool] - space.limited[row]) <= space.caliper).all(axis=1)
        if np.count_nonzero(usable) < k:
            continue
        square[~usable] = np.inf
        chosen = np.argsort(square, kind="stable")[:k] if k > 1 else [int(np.argmin(square))]
        free[chosen] = False
        who += [i] * k
        whom += pool[chosen].tolist()
        squared += square[chosen].tolist()
    return gather(len(rows), np.array(who, np.intp), np.array(whom, np.intp), np.array(squared))
