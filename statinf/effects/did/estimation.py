"""All group-time effects at once: cells that share units, covariates and controls share their nuisances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads
from statinf.brief import Brief
from statinf.effects.did.cells import GroupTimeCell, controls_of, plan
from statinf.effects.did.problem import DidProblem, Panel
from statinf.effects.did.scores import DidNuisances, cross_section_effects, panel_effects
from statinf.errors import NotIdentifiedError, StatinfWarning, issue_warning

_THREADS_FROM = 1 << 18
"""Influence values from which cells are worth more than one thread."""


@dataclass(frozen=True, eq=False, repr=False)
class GroupTimes(Brief):
    """Effects of cohorts by period.

    Attributes
    ----------
    cells : tuple of GroupTimeCell
        Those with an effect, references (effect zero, no error) among them.
    theta : ndarray, shape (k,)
    influence : ndarray, shape (U, k)
        Of each unit; sums to the estimate's error.
    left_out : tuple of str
        Cells without an effect, with the reason.
    """

    cells: tuple[GroupTimeCell, ...]
    theta: np.ndarray
    influence: np.ndarray
    left_out: tuple[str, ...]


def group_times(problem: DidProblem, how: DidNuisances) -> GroupTimes:
    """Estimate every cell; those that the data do not identify are named and left out.

    Raises
    ------
    NotIdentifiedError
        If no cell is left.
    """
    cells = plan(problem.cohorts, problem.times, problem.base_period, problem.anticipation)
    theta = np.zeros(len(cells))
    # One cell's values lie side by side.
    influence = np.zeros((len(cells), problem.units)).T
    lost: dict[int, str] = {}

    def run(job: Job) -> None:
        """Fill in the columns of a job's own cells."""
        places, solve = job
        try:
            rows, theta[places], values = solve()
        except NotIdentifiedError as error:
            lost.update(dict.fromkeys(places, str(error).rstrip(".")))
        else:
            for place, column in zip(places, values.T, strict=True):
                influence[rows, place] = column

    jobs = (_panel_jobs if problem.paired else _cross_section_jobs)(problem, cells, how)
    map_threads(run, jobs, parallel=influence.size > _THREADS_FROM)
    kept = [k for k in range(len(cells)) if k not in lost]
    left_out = tuple(f"{cells[k].label}: {lost[k]}" for k in sorted(lost))
    if all(cells[k].reference for k in kept):
        raise NotIdentifiedError(f"no group-time effect is identified: {'; '.join(left_out[:3])}.")
    if left_out:
        more = f", and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        issue_warning(f"cells are left out: {'; '.join(left_out[:3])}{more}.", StatinfWarning)
    full = len(kept) == len(cells)
    return GroupTimes(
        tuple(cells[k] for k in kept), theta[kept], influence if full else influence[:, kept], left_out
    )  # fmt: skip


Job = tuple[list[int], Callable[[], tuple[np.ndarray, np.ndarray | float, np.ndarray]]]
"""Places of cells, and what gives units (n,), effects (m,) and influence values (n, m)."""


def _panel_jobs(problem: DidProblem, cells: tuple[GroupTimeCell, ...], how: DidNuisances) -> list[Job]:
    panel = Panel.of(problem)
    at = {time: place for place, time in enumerate(problem.times.tolist())}
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, cell in enumerate(cells):
        if cell.reference:
            continue
        against = None if problem.control == "never" else int(np.searchsorted(problem.cohorts, cell.threshold, "right"))
        changing = len(panel.x) > 1 or len(panel.w) > 1
        pair = (cell.time, cell.base) if panel.seen is not None else ()
        groups.setdefault((cell.cohort, against, cell.earlier if changing else None, pair), []).append(place)
    return [(places, _PanelJob(problem, panel, at, [cells[k] for k in places], how)) for places in groups.values()]


@dataclass(frozen=True, eq=False, repr=False)
class _PanelJob(Brief):
    """Cells of the same units, covariates and controls."""

    problem: DidProblem
    panel: Panel
    at: dict[float, int]
    cells: list[GroupTimeCell]
    how: DidNuisances

    def __call__(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first, panel, cohort = self.cells[0], self.panel, self.problem.cohort
        treated = cohort == first.cohort
        used = treated | controls_of(first, cohort, self.problem.control)
        now, before = ([self.at[getattr(c, end)] for c in self.cells] for end in ("time", "base"))
        if panel.seen is not None:
            used &= panel.seen[now[0]] & panel.seen[before[0]]
        rows = np.flatnonzero(used)
        d = treated[rows].astype(np.float64)
        _check_both(d.any(), not d.all(), "seen at both periods")
        earlier = self.at[first.earlier]
        x, w = (values[earlier if len(values) > 1 else 0][rows] for values in (panel.x, panel.w))
        change = np.stack([panel.y[t][rows] - panel.y[b][rows] for t, b in zip(now, before, strict=True)], axis=1)
        return rows, *panel_effects(x, d, w, change, self.how)


def _cross_section_jobs(problem: DidProblem, cells: tuple[GroupTimeCell, ...], how: DidNuisances) -> list[Job]:
    order = np.argsort(problem.period, kind="stable")
    ends = np.cumsum(np.bincount(problem.period, minlength=len(problem.times)))
    by_period = dict(zip(problem.times.tolist(), np.split(order, ends[:-1]), strict=True))
    return [
        ([k], _CrossSectionJob(problem, cell, by_period, how)) for k, cell in enumerate(cells) if not cell.reference
    ]


@dataclass(frozen=True, eq=False, repr=False)
class _CrossSectionJob(Brief):
    """One cell, from rows of either period."""

    problem: DidProblem
    cell: GroupTimeCell
    by_period: dict[float, np.ndarray]
    how: DidNuisances

    def __call__(self) -> tuple[np.ndarray, float, np.ndarray]:
        problem, cell = self.problem, self.cell
        halves = [self.by_period[cell.base], self.by_period[cell.time]]
        rows, after = np.concatenate(halves), np.repeat([0.0, 1.0], [len(half) for half in halves])
        cohort = problem.cohort[problem.unit[rows]]
        used = (cohort == cell.cohort) | controls_of(cell, cohort, problem.control)
        rows, after, d = rows[used], after[used], (cohort[used] == cell.cohort).astype(np.float64)
        for half, when in ((1.0, "period"), (0.0, "base period")):
            own = d[after == half]
            _check_both(own.any(), not own.all(), f"seen at the {when}")
        effect, influence = cross_section_effects(problem.x[rows], d, after, problem.w[rows], problem.y[rows], self.how)
        if not problem.id:
            return rows, effect, influence[:, None]
        units, place = np.unique(problem.unit[rows], return_inverse=True)
        return units, effect, np.bincount(place, influence, len(units))[:, None]


def _check_both(treated: bool, controls: bool, when: str) -> None:
    if not treated or not controls:
        raise NotIdentifiedError(f"no {'controls' if treated else 'units of the cohort'} {when}")
