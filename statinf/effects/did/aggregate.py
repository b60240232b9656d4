"""Averages of group-time effects: over all, by time since treatment, by cohort, by period.

Weights are the cohorts' shares of units, estimated from the same units, which influence values count (Callaway and Sant'Anna 2021,
section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.did.estimation import GroupTimes
from statinf.effects.did.problem import DidProblem
from statinf.errors import DataError, OptionError

KINDS = ("simple", "dynamic", "group", "calendar")


@dataclass(frozen=True, eq=False)
class PathAverages:
    """Averages along a path, and over it.

    Attributes
    ----------
    at : ndarray, shape (k,)
        Times since treatment, cohorts or periods; empty for "simple".
    theta : ndarray, shape (1 + k,)
        The overall average first.
    influence : ndarray, shape (U, 1 + k)
    reference : ndarray, shape (r,)
        Times since treatment that are zero by definition.
    """

    at: np.ndarray
    theta: np.ndarray
    influence: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True, eq=False)
class Window:
    """Which times since treatment count.

    Attributes
    ----------
    low, high : float
    balance : float or None
        Only cohorts seen for so long after treatment, at times that all of them are seen.
    """

    low: float = -np.inf
    high: float = np.inf
    balance: float | None = None


class _Cells:
    """Cells as arrays, with shares of cohorts and their influence."""

    def __init__(self, found: GroupTimes, problem: DidProblem) -> None:
        self.found, self.problem = found, problem
        self.cohort = np.array([cell.cohort for cell in found.cells])
        self.time = np.array([cell.time for cell in found.cells])
        self.since = self.time - self.cohort
        self.fixed = np.array([cell.reference for cell in found.cells])
        self.weight = problem.unit_weight / problem.unit_weight.sum()
        groups = np.unique(self.cohort)
        shares = {g: float(self.weight[problem.cohort == g].sum()) for g in groups.tolist()}
        self.share = np.array([shares[g] for g in self.cohort.tolist()])

    def mean(self, which: np.ndarray, equal: bool = False) -> tuple[float, np.ndarray]:
        """The average of some cells, with its influence (U,): all alike, or by their cohorts' shares."""
        place = np.flatnonzero(which)
        share = np.ones(len(place)) if equal else self.share[place]
        total = share.sum()
        theta = self.found.theta[place]
        mean = float(share @ theta / total)
        influence = self.found.influence[:, place] @ (share / total)
        if not equal:
            influence = influence + self.shares_influence(self.cohort[place], theta - mean) / total
        return mean, influence

    def shares_influence(self, cohorts: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Sum over cells of a gap (k,) times the influence of its cohort's share, up to a constant that gaps cancel."""
        of = np.zeros(self.problem.units)
        for g in np.unique(cohorts).tolist():
            of[self.problem.cohort == g] = gap[cohorts == g].sum()
        return of * self.weight


def average(found: GroupTimes, problem: DidProblem, kind: str, window: Window) -> PathAverages:
    """Averages of the cells in a window.

    Raises
    ------
    DataError
        If no cell is in it.
    """
    cells = _Cells(found, problem)
    post = (cells.since >= 0) & (cells.since >= window.low) & (cells.since <= window.high)
    if kind == "dynamic":
        return _by_exposure(cells, window)
    if not post.any():
        raise DataError("no effect at or after treatment is in that window; widen min_e= and max_e=.")
    if kind == "simple":
        theta, influence = cells.mean(post)
        return PathAverages(np.empty(0), np.array([theta]), influence[:, None], np.empty(0))
    along = cells.cohort if kind == "group" else cells.time
    at = np.unique(along[post])
    parts = [cells.mean(post & (along == value), equal=kind == "group") for value in at.tolist()]
    if kind == "calendar":
        return _stacked(at, parts, np.full(len(at), 1.0 / len(at)))
    share = np.array([cells.share[cells.cohort == g][0] for g in at.tolist()])
    path = np.array([theta for theta, _ in parts])
    weights = share / share.sum()
    more = cells.shares_influence(at, path - weights @ path) / share.sum()
    return _stacked(at, parts, weights, more)


def _by_exposure(cells: _Cells, window: Window) -> PathAverages:
    last, first = cells.problem.times[-1], cells.problem.times[0]
    inside = (cells.since >= window.low) & (cells.since <= window.high)
    if window.balance is not None:
        inside &= last - cells.cohort >= window.balance
        inside &= (cells.since <= window.balance) & (cells.since >= window.balance - last + first)
    at = np.unique(cells.since[inside])
    fixed = np.array([cells.fixed[inside & (cells.since == e)].all() for e in at.tolist()], bool)
    if not (~fixed).any():
        raise DataError("no effect is in that window of times since treatment; widen min_e=, max_e= or balance_e=.")
    if not (at >= 0).any():
        raise DataError("no effect at or after treatment is in that window; widen min_e=, max_e= or balance_e=.")
    path = at[~fixed]
    parts = [cells.mean(inside & (cells.since == e)) for e in path.tolist()]
    weights = np.where(path >= 0, 1.0, 0.0) / np.count_nonzero(path >= 0)
    made = _stacked(path, parts, weights)
    return PathAverages(made.at, made.theta, made.influence, at[fixed])


def _stacked(
    at: np.ndarray, parts: list[tuple[float, np.ndarray]], weights: np.ndarray, more: np.ndarray | float = 0.0
) -> PathAverages:
    """The path's averages behind their own average."""
    theta = np.array([one for one, _ in parts])
    influence = np.column_stack([one for _, one in parts])
    overall = influence @ weights + more
    return PathAverages(at, np.append(weights @ theta, theta), np.column_stack([overall, influence]), np.empty(0))


def check_window(min_e: object, max_e: object, balance_e: object, kind: str) -> Window:
    """The window that options ask for, or an `OptionError`."""

    def number(name: str, value: object, absent: float | None) -> float | None:
        if value is None:
            return absent
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or np.isnan(value):
            raise OptionError(f"{name}={value!r} is not a number of periods since treatment.")
        return float(value)

    low, high = number("min_e", min_e, -np.inf), number("max_e", max_e, np.inf)
    balance = number("balance_e", balance_e, None)
    assert low is not None and high is not None
    if low > high:
        raise OptionError(f"min_e={min_e!r} is above max_e={max_e!r}.")
    if balance is not None and kind != "dynamic":
        raise OptionError(f"balance_e= is an option of aggregate('dynamic'), not of {kind!r}.")
    if balance is not None and balance < 0:
        raise OptionError(f"balance_e={balance_e!r} must be 0 or more.")
    return Window(low, high, balance)
