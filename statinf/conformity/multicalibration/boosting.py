"""Level-set boosting: fit on each level set, round, until the error stops falling; replayed for new rows.

Globus-Harris, Harrison, Kearns, Roth and Sorrell (2023, ICML, arXiv 2301.13767). Arrays only, outcomes in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend.progress import progress_bar
from statinf.brief import Brief
from statinf.conformity.multicalibration.grid import LevelGrid


@dataclass(frozen=True, repr=False)
class LevelRound(Brief):
    """One round.

    Attributes
    ----------
    fits : LinearLevels, StumpLevels or AnyLevels
    active : ndarray of bool, shape (levels,)
        Levels that have a fit; rows of the others keep their level.
    centres : ndarray, shape (levels,)
        What is predicted on each level after the round.
    """

    fits: Any
    active: np.ndarray
    centres: np.ndarray


@dataclass(frozen=True, repr=False)
class LevelState(Brief):
    """Where rows stand: their levels (n,) and what is predicted (n,)."""

    codes: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, repr=False)
class Boosted(Brief):
    """A sequence of rounds that turns an initial prediction into a multicalibrated one.

    Attributes
    ----------
    grid : LevelGrid
    start : ndarray, shape (levels,)
        What is predicted on each level before the first round.
    rounds : tuple of LevelRound
    last : LevelRound or None
        A further update whose values are not rounded.
    rate : float
        Learning rate.
    """

    grid: LevelGrid
    start: np.ndarray
    rounds: tuple[LevelRound, ...]
    last: LevelRound | None
    rate: float

    def opened(self, initial: np.ndarray) -> LevelState:
        """Initial predictions (n,), rounded."""
        codes = self.grid.codes(np.clip(initial, 0.0, 1.0))
        return LevelState(codes, self.start[codes])

    def replay(self, Z: np.ndarray, initial: np.ndarray) -> np.ndarray:
        """Predictions (n,) for rows Z (n, p) with initial predictions (n,)."""
        state = self.opened(initial)
        for one in self.rounds:
            state = moved(self.grid, state, one, Z, self.rate)
        return state.values if self.last is None else updated(state, self.last, Z, self.rate)


UNBOOSTED = Boosted(LevelGrid.even(1), np.array([0.0, 1.0]), (), None, 1.0)
"""Before there is a grid."""


def updated(state: LevelState, one: LevelRound, Z: np.ndarray, rate: float) -> np.ndarray:
    """What a round predicts (n,) before it is rounded, within [0, 1]; levels without a fit keep their value."""
    on = one.active[state.codes]
    if on.all():
        return np.clip((1.0 - rate) * state.values + rate * one.fits.predict(Z, state.codes), 0.0, 1.0)
    out = state.values.copy()
    found = one.fits.predict(Z[on], state.codes[on])
    out[on] = np.clip((1.0 - rate) * out[on] + rate * found, 0.0, 1.0)
    return out


def moved(grid: LevelGrid, state: LevelState, one: LevelRound, Z: np.ndarray, rate: float) -> LevelState:
    """Where rows Z (n, p) stand after a round."""
    codes = next_codes(grid, state, one, updated(state, one, Z, rate))
    return LevelState(codes, one.centres[codes])


def next_codes(grid: LevelGrid, state: LevelState, one: LevelRound, values: np.ndarray) -> np.ndarray:
    """Levels (n,) after values (n,) are rounded; rows of levels without a fit stay on theirs."""
    return np.where(one.active[state.codes], grid.codes(values), state.codes)


@dataclass(frozen=True, repr=False)
class BoostRows(Brief):
    """Rows that are boosted on, and rows that say when to stop.

    Attributes
    ----------
    Z : ndarray, shape (n, p)
    y, w : ndarray, shape (n,)
    initial : ndarray, shape (n,)
    """

    Z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    initial: np.ndarray

    def error(self, values: np.ndarray) -> float:
        """Weighted mean squared error of values (n,); NaN without rows."""
        return float(self.w @ (self.y - values) ** 2 / self.w.sum()) if len(self.y) else np.nan


@dataclass(frozen=True, kw_only=True)
class BoostPlan:
    """How rounds are made.

    Attributes
    ----------
    max_rounds : int
    least : float
        The smallest fall of the error that is a reason to go on.
    min_rows : int
        Level sets with as many rows or fewer have no fit.
    by_level : bool
        Whether a level's fit must lower the error of the held-out rows on its level set.
    mean : bool
        Whether the mean outcome of a level set is predicted on it, not its grid value.
    round_last : bool
    rate : float
    progress : bool or None
    """

    max_rounds: int
    least: float
    min_rows: int
    by_level: bool
    mean: bool
    round_last: bool
    rate: float
    progress: bool | None


@dataclass(frozen=True, repr=False)
class BoostPath(Brief):
    """What happened: errors of rows boosted on and held out before and after each round, the failing one included.

    Attributes
    ----------
    train, held_out : ndarray, shape (rounds + 1,)
    levels : ndarray of int, shape (rounds + 1,)
        Level sets with a fit, after the first entry, which is 0.
    small : ndarray of int, shape (rounds + 1,)
        Level sets that had too few rows.
    deficient : ndarray of int, shape (rounds + 1,)
        Level sets with collinear columns.
    kept : int
        Rounds kept.
    """

    train: np.ndarray
    held_out: np.ndarray
    levels: np.ndarray
    small: np.ndarray
    deficient: np.ndarray
    kept: int


def boost(
    learner: Any, grid: LevelGrid, rows: BoostRows, held: BoostRows, plan: BoostPlan
) -> tuple[Boosted, BoostPath, tuple[np.ndarray, np.ndarray]]:
    """Boost from initial predictions until the error of the held-out rows, or of all without them, stops falling.

    Returns the rounds, their errors, and the predictions of the rows boosted on and of those held out.
    """
    opening = Boosted(grid, grid.centres, (), None, plan.rate)
    state, other = opening.opened(rows.initial), opening.opened(held.initial)
    start = _centres(grid, rows, state.codes, plan.mean)
    state, other = LevelState(state.codes, start[state.codes]), LevelState(other.codes, start[other.codes])
    watched = 1 if len(held.y) else 0
    errors = [(rows.error(state.values), held.error(other.values))]
    counts, rounds = [(0, 0, 0)], []
    for _ in progress_bar(range(plan.max_rounds), label="Rounds", show=plan.progress):
        one, small = _round(learner, grid, rows, held, (state, other), plan)
        if not one.active.any():
            break
        after = tuple(moved(grid, s, one, r.Z, plan.rate) for s, r in ((state, rows), (other, held)))
        errors.append((rows.error(after[0].values), held.error(after[1].values)))
        counts.append((int(one.active.sum()), small, one.fits.deficient))
        if not errors[-2][watched] - errors[-1][watched] >= plan.least:
            break
        rounds.append(one)
        state, other = after
    values, last = (state.values, other.values), None
    if not plan.round_last:
        one, _ = _round(learner, grid, rows, held, (state, other), plan)
        raw = updated(state, one, rows.Z, plan.rate), updated(other, one, held.Z, plan.rate)
        judge = (rows, held)[watched]
        if one.active.any() and judge.error(raw[watched]) <= judge.error(values[watched]):
            values, last = raw, one
    made = Boosted(grid, start, tuple(rounds), last, plan.rate)
    (train, held_out), (levels, few, deficient) = np.array(errors).T, np.array(counts).T
    return made, BoostPath(train, held_out, levels, few, deficient, len(rounds)), values


def _round(
    learner: Any,
    grid: LevelGrid,
    rows: BoostRows,
    held: BoostRows,
    states: tuple[LevelState, LevelState],
    plan: BoostPlan,
) -> tuple[LevelRound, int]:
    """The next round, and how many levels have too few rows for a fit."""
    state, other = states
    count = np.bincount(state.codes, minlength=grid.size)
    active = count > plan.min_rows
    small = int(((count > 0) & ~active).sum())
    one = LevelRound(learner.fit(state.codes, active), active, grid.centres)
    if plan.by_level and len(held.y):
        values = updated(other, one, held.Z, plan.rate)
        fall = held.w * ((held.y - other.values) ** 2 - (held.y - values) ** 2)
        active = active & (np.bincount(other.codes, weights=fall, minlength=grid.size) > 0.0)
        one = LevelRound(one.fits, active, grid.centres)
    if not plan.mean:
        return one, small
    codes = next_codes(grid, state, one, updated(state, one, rows.Z, plan.rate))
    return LevelRound(one.fits, active, _centres(grid, rows, codes, True)), small


def _centres(grid: LevelGrid, rows: BoostRows, codes: np.ndarray, mean: bool) -> np.ndarray:
    """What is predicted on each level (levels,): its grid value, or the mean outcome of its rows where it has some."""
    if not mean:
        return grid.centres
    total = np.bincount(codes, weights=rows.w, minlength=grid.size)
    sums = np.bincount(codes, weights=rows.w * rows.y, minlength=grid.size)
    return np.where(total > 0.0, sums / np.where(total > 0.0, total, 1.0), grid.centres)
