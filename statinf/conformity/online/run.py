"""A run over a stream: what has been read, predicted and covered so far, and how to go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.online.base import Ends, start_given, start_learned
from statinf.conformity.online.tracker import OnlineMethod, OnlineProblem, OnlineSteps
from statinf.errors import DataError
from statinf.formula import Frame
from statinf.formula.blocks import add_counts
from statinf.formula.in_time import OnlineReader, OnlineRows, gathered


@dataclass(frozen=True, repr=False)
class Path(Brief):
    """One row per time after the burn-in, all of shape (n,).

    Attributes
    ----------
    time : ndarray
    outcome, low, high : ndarray
        The outcome, and the ends of the base's prediction (equal for a point).
    lower, upper : ndarray
        The interval; an empty one has a lower end above its upper end.
    covered : ndarray of bool
    level : ndarray
    """

    time: np.ndarray
    outcome: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    covered: np.ndarray
    level: np.ndarray

    @classmethod
    def of(cls, rows: OnlineRows, ends: Ends, steps: OnlineSteps) -> Path:
        """The path of some rows."""
        low, high = ends
        return cls(rows.time, rows.y, low, high, low - steps.lower, high + steps.upper, steps.covered, steps.level)

    def then(self, other: Path) -> Path:
        """A path that goes on with another."""
        return Path(*(np.concatenate([a, b]) for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, repr=False)
class RunStart(Brief):
    """How a run begins: method, options, model, level and seed."""

    method: OnlineMethod
    options: Any
    model: Any
    level: float
    seed: int

    @property
    def given(self) -> bool:
        """Whether predictions are columns of the data."""
        return isinstance(self.model, str) and self.model == "given"

    def __call__(self, rows: OnlineRows) -> tuple[Any, Any]:
        """The base and the method's state after the rows of the burn-in."""
        options = self.options
        if self.given:
            base = start_given(rows.X)
            ends, y = base.ends(rows.X), rows.y
        elif self.method.base is not None:
            base, ends = self.method.base(self.model, rows.X, rows.y, options, self.seed)
            y = rows.y
        else:
            base, ends = start_learned(
                self.model, rows.X, rows.y, quantiles=options.score == "cqr", level=self.level, refit=options.refit,
                seed=self.seed,
            )  # fmt: skip
            y = rows.y[len(rows) - len(ends[0]) :]
        return base, self.method.estimate(OnlineProblem(self.level, ends[0] - y, y - ends[1]), options)


@dataclass(frozen=True, kw_only=True, repr=False)
class OnlineRun(Brief):
    """Where a stream stands.

    Attributes
    ----------
    reader : OnlineReader
    base, tracker : object
        Predictions and the method's state.
    path : Path
    burn_in : int
    dropped : mapping of str to int
        Rows left out so far, by cause.
    """

    reader: OnlineReader
    base: Any
    tracker: Any
    path: Path
    burn_in: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def nobs(self) -> int:
        """Rows used, those of the burn-in included."""
        return self.burn_in + len(self.path)

    def add(self, rows: OnlineRows) -> OnlineRun:
        """The run after rows."""
        base, ends = self.base.advance(rows.X, rows.y)
        tracker, steps = self.tracker.advance(ends[0] - rows.y, rows.y - ends[1])
        return replace(self, base=base, tracker=tracker, path=self.path.then(Path.of(rows, ends, steps)))

    def consume(self, frames: Iterable[Frame], *, strict: bool) -> OnlineRun:
        """The run after frames that are in the order of time."""
        rows, reader, dropped = gathered(self.reader, frames, strict=strict)
        run = replace(self, reader=reader, dropped=add_counts(self.dropped, dropped))
        return run if rows is None else run.add(rows)


def begin_run(
    reader: OnlineReader, frames: Iterable[Frame], start: RunStart, burn_in: int, *, strict: bool
) -> OnlineRun:
    """Read the first frames: the burn-in, and the intervals of all rows after it."""
    rows, reader, dropped = gathered(reader, frames, strict=strict)
    if rows is None or len(rows) < burn_in:
        raise DataError(f"the data have {0 if rows is None else len(rows)} usable rows, and burn_in={burn_in}.")
    base, tracker = start(rows[:burn_in])
    none = rows.y[:0]
    empty = Path(rows.time[:0], none, none, none, none, none, np.zeros(0, bool), none)
    run = OnlineRun(reader=reader, base=base, tracker=tracker, path=empty, burn_in=burn_in, dropped=dropped)
    return run.add(rows[burn_in:])
