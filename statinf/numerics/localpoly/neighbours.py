"""Residuals from nearest neighbours on sorted rows, by runs of ties: as many passes as neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.localpoly.side import Side

TIE = float(np.sqrt(np.finfo(float).eps))
"""Relative difference below which a neighbour on the left is as far as one on the right."""


@dataclass(frozen=True)
class Runs:
    """Runs of tied x: values (g,), rows in each (g,), and sums of outcomes over each (g, m)."""

    x: np.ndarray
    size: np.ndarray
    total: np.ndarray


def runs_of(side: Side) -> Runs:
    """The runs of ties of a side."""
    starts = side.groups[:-1]
    if len(starts) == len(side.x):
        return Runs(side.x, np.ones(len(side.x), int), side.y)
    return Runs(side.x[starts], np.diff(side.groups), np.add.reduceat(side.y, starts, axis=0))


def gather(
    runs: Runs, which: np.ndarray, first: np.ndarray, last: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and sums of outcomes of runs with their nearest neighbours.

    A run's own rows count but for one. The nearer run joins whole; where both are as near, both do.

    Parameters
    ----------
    runs : Runs
    which : ndarray of int, shape (t,)
        Runs that look for neighbours.
    first, last : ndarray of int, shape (t,)
        Runs [first, last) among which each looks.
    wanted : ndarray of int, shape (t,)
        Neighbours wanted, at most the rows that there are.

    Returns
    -------
    count : ndarray, shape (t,)
        Rows gathered, the own one with them.
    total : ndarray, shape (t, m)
    low, high : ndarray of int, shape (t,)
        The runs next to those that were taken.
    """
    count, total = runs.size[which].copy(), runs.total[which].copy()
    low, high = which - 1, which + 1
    short = np.flatnonzero(count - 1 < wanted)
    while len(short):
        at, left, right = runs.x[which[short]], low[short], high[short]
        there_l, there_r = left >= first[short], right < last[short]
        to_left = np.where(there_l, at - runs.x[np.maximum(left, 0)], np.inf)
        to_right = np.where(there_r, runs.x[np.minimum(right, len(runs.x) - 1)] - at, np.inf)
        with np.errstate(invalid="ignore"):
            tied = there_l & there_r & (np.abs(to_left - to_right) <= TIE * np.maximum(to_left, to_right))
        go_l = there_l & (tied | (to_left < to_right))
        go_r = there_r & (tied | (to_right < to_left))
        for go, run, step, pointer in ((go_l, left, -1, low), (go_r, right, 1, high)):
            who, from_run = short[go], run[go]
            count[who] += runs.size[from_run]
            total[who] += runs.total[from_run]
            pointer[who] += step
        short = short[(count[short] - 1 < wanted[short]) & (go_l | go_r)]
    return count, total, low, high


def left_over(y: np.ndarray, count: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Residuals sqrt(J / (J + 1)) (y - mean of the J neighbours) of outcomes (n, m) from what `gather` gives per row."""
    j = (count - 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(j / (j + 1)) * (y - (total - y) / j)


def neighbour_residuals(side: Side, neighbours: int) -> np.ndarray:
    """Residuals of every row of a side from its nearest neighbours on that side, shape (n, m); made once per side."""
    key = "neighbours", neighbours
    if key not in side.kept:
        g, n = side.distinct, len(side.x)
        runs = runs_of(side)
        which = np.arange(g)
        count, total, _, _ = gather(runs, which, np.zeros(g, int), np.full(g, g), np.full(g, min(neighbours, n - 1)))
        if g < n:
            of = np.repeat(which, runs.size)
            count, total = count[of], total[of]
        side.kept[key] = left_over(side.y, count, total)
    return side.kept[key]
