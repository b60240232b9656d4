"""A run of a detector over a stream: what has been read and found so far, and how to go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula import Frame
from statinf.formula.blocks import add_counts
from statinf.formula.in_time import OnlineReader, OnlineRows, gathered
from statinf.results import Method
from statinf.stochastic.monitoring.detector import Findings, MonitorProblem


@dataclass(frozen=True, repr=False)
class WatchedPath(Brief):
    """One row per look, all of shape (k,).

    Attributes
    ----------
    time : ndarray
    statistic, limit : ndarray
    alarm : ndarray of bool
    also : mapping of str to ndarray
    """

    time: np.ndarray
    statistic: np.ndarray
    limit: np.ndarray
    alarm: np.ndarray
    also: Mapping[str, np.ndarray] = field(default_factory=dict)

    def then(self, rows: OnlineRows, found: Findings) -> WatchedPath:
        """The path after what was found in rows."""
        also = {
            name: np.concatenate([self.also[name], more]) if name in self.also else more
            for name, more in found.also.items()
        }
        return WatchedPath(
            np.concatenate([self.time, rows.time[found.at]]),
            np.concatenate([self.statistic, found.statistic]),
            np.concatenate([self.limit, found.limit]),
            np.concatenate([self.alarm, found.alarm]),
            also or self.also,
        )

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, repr=False)
class MonitorStart(Brief):
    """How monitoring begins, and begins again: the method by its table's record, its options, and the formula's columns."""

    options: Any
    names: tuple[str, ...]
    outcome: str
    intercept: bool
    seed: int
    burn_in: int

    def __call__(self, method: Method, rows: OnlineRows, segment: int) -> Any:
        """The detector after the first rows."""
        return method.estimate(
            MonitorProblem(rows, self.names, self.outcome, self.intercept, self.seed, segment), self.options
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class MonitorRun(Brief):
    """Where a stream stands.

    Attributes
    ----------
    reader : OnlineReader
    start : MonitorStart
    detector : ChangeDetector or None
        None while its first rows are being gathered.
    pending : OnlineRows
        First rows gathered so far.
    path : WatchedPath
    nobs, monitored, segment : int
        Usable rows, those after the first rows, and how often monitoring began again.
    dropped : mapping of str to int
        Rows left out so far, by cause.
    """

    reader: OnlineReader
    start: MonitorStart
    detector: Any
    pending: OnlineRows
    path: WatchedPath
    nobs: int = 0
    monitored: int = 0
    segment: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    def add(self, method: Method, rows: OnlineRows) -> MonitorRun:
        """The run after rows."""
        run = replace(self, nobs=self.nobs + len(rows))
        while True:
            if run.detector is None:
                rows = run.pending.then(rows)
                first = run.start.burn_in
                if len(rows) < max(first, 1):
                    return replace(run, pending=rows)
                run = replace(run, detector=run.start(method, rows[:first], run.segment), pending=rows[:0])
                rows = rows[first:]
            if not len(rows):
                return run
            detector, found = run.detector.advance(rows)
            restart = getattr(run.start.options, "restart", False) and found.alarm.any()
            if not restart:
                path = run.path.then(rows, found)
                return replace(run, detector=detector, path=path, monitored=run.monitored + len(rows))
            looks = int(np.argmax(found.alarm)) + 1
            used = int(found.at[looks - 1]) + 1
            run = replace(
                run, detector=None, path=run.path.then(rows, found.head(looks)), monitored=run.monitored + used,
                segment=run.segment + 1,
            )  # fmt: skip
            rows = rows[used:]

    def consume(self, method: Method, frames: Iterable[Frame], *, strict: bool) -> MonitorRun:
        """The run after frames that are in the order of time."""
        rows, reader, dropped = gathered(self.reader, frames, strict=strict)
        run = replace(self, reader=reader, dropped=add_counts(self.dropped, dropped))
        return run if rows is None else run.add(method, rows)


def begin_run(
    method: Method, reader: OnlineReader, frames: Iterable[Frame], start: MonitorStart, *, strict: bool
) -> MonitorRun:
    """Read the first frames: the first rows, and what was found after them."""
    rows, reader, dropped = gathered(reader, frames, strict=strict)
    if rows is None or len(rows) < start.burn_in:
        raise DataError(
            f"the data have {0 if rows is None else len(rows)} usable rows, and burn_in={start.burn_in} of them come before "
            "the first that is monitored: lower burn_in=, or give more rows."
        )
    none = np.zeros(0)
    empty = WatchedPath(rows.time[:0], none, none, np.zeros(0, bool))
    run = MonitorRun(reader=reader, start=start, detector=None, pending=rows[:0], path=empty, dropped=dropped)
    return run.add(method, rows)
