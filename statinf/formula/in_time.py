"""From frames to rows in the order of time, one block after the other, by what the first rows taught."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula import Design, Frame, Recipe, as_frame, design
from statinf.formula.blocks import add_counts, counted, listed_causes, refuse_infinite
from statinf.formula.native_rows import native_rows, pandas_rows
from statinf.formula.scale import check_sizes
from statinf.formula.sources import mentioned, open_source


@dataclass(frozen=True, repr=False)
class OnlineRows(Brief):
    """Rows in the order of time: covariates X (n, p), outcomes y (n,), zero where the formula has none, and times (n,)."""

    X: np.ndarray
    y: np.ndarray
    time: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, part: slice) -> OnlineRows:
        return OnlineRows(self.X[part], self.y[part], self.time[part])

    def then(self, other: OnlineRows) -> OnlineRows:
        """These rows, then the others."""
        pairs = ((self.X, other.X), (self.y, other.y), (self.time, other.time))
        return OnlineRows(*map(np.concatenate, pairs))


@dataclass(frozen=True, kw_only=True, repr=False)
class OnlineReader(Brief):
    """What the first rows taught of the formula, and where time stands.

    Attributes
    ----------
    recipe : Recipe
    time : str or None
        The column of times; without it rows are numbered in the order in which they come.
    last : ndarray, shape (0,) or (1,)
        The latest time read.
    seen : int
        Rows read, usable or not.
    """

    recipe: Recipe
    time: str | None
    last: np.ndarray
    seen: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (*self.recipe.columns, *([self.time] if self.time else []))

    def read(self, frame: Frame, *, strict: bool) -> tuple[OnlineRows, dict[str, int], OnlineReader]:
        """The usable rows of a block that is in the order of time, rows left out by cause, and the reader of the next."""
        times = times_of(frame, self.time, self.seen)
        if len(times) and len(self.last):
            if times.dtype.kind != self.last.dtype.kind:
                raise DataError(
                    f"'{self.time}' held {_KINDS[self.last.dtype.kind]} and now holds {_KINDS[times.dtype.kind]}."
                )
            if times[0] < self.last[0]:
                raise DataError(
                    f"time runs backwards: '{self.time}' is {times[0]} after {self.last[0]}. Give rows that come later than "
                    "those that were read."
                )
        with_outcome = bool(self.recipe.response)
        new = self.recipe.new_rows(frame, response=with_outcome, warn=False)
        y = np.asarray(new.response, np.float64) if with_outcome else np.zeros(new.n)
        refuse_infinite(self.recipe, new, y)
        missing = np.isnan(y) & new.ok
        dropped = counted(self.recipe, new)
        if missing.any():
            dropped[f"{self.recipe.response[0]} is missing"] = int(missing.sum())
        if strict and dropped:
            raise DataError(f"na_action='raise' and rows cannot be used: {listed_causes(dropped)}.")
        ok = new.ok & ~missing
        X = np.ascontiguousarray(new.part("covariates").without_intercept().values[ok])
        after = replace(self, last=times[-1:] if len(times) else self.last, seen=self.seen + frame.n)
        return OnlineRows(X, y[ok], times[ok]), dropped, after


_KINDS = {"i": "whole numbers", "u": "whole numbers", "f": "numbers", "M": "dates", "U": "text"}


def times_of(frame: Frame, time: str | None, first: int) -> np.ndarray:
    """The times of a frame's rows, shape (n,); row numbers from `first` on where no column is named."""
    if time is None:
        return np.arange(first, first + frame.n)
    raw = frame.raw(time)
    if raw.is_null().any():
        raise DataError(f"'{time}' is missing in {int(raw.is_null().sum())} rows; every row needs its time.")
    values = np.asarray(raw.to_numpy())
    if values.dtype.kind in "OT":
        listed = values.tolist()
        if all(isinstance(v, str) for v in listed):
            values = np.array(listed, dtype=np.str_)
        else:
            try:
                values = np.array(listed, dtype="datetime64[ns]")
            except (TypeError, ValueError):
                raise DataError(f"'{time}' holds neither numbers, dates nor text; it cannot order the rows.") from None
    if values.dtype.kind not in _KINDS:
        raise DataError(f"'{time}' is of type {values.dtype}; times are numbers, dates or text.")
    if values.dtype.kind == "i" or values.dtype.kind == "u":
        values = values.astype(np.int64)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"'{time}' is missing or infinite in {int((~np.isfinite(values)).sum())} rows.")
    return values


def opened(formula: str, data: Any, time: str | None) -> tuple[str, Iterator[Frame]]:
    """The kind of table that a stream holds, and its frames in the order of time.

    Raises
    ------
    OptionError
        If `time` is no name.
    """
    if time is not None and not isinstance(time, str):
        raise OptionError(f"time={time!r} must be the name of a column.")
    source = open_source(data, mentioned(formula, [time] if time else []))
    return source.kind, in_time(source.frames, time)


def further(reader: OnlineReader, data: Any) -> Iterator[Frame]:
    """Frames that go on with a stream."""
    return in_time(open_source(data, mentioned("", reader.columns)).frames, reader.time)


def in_time(tables: Iterator[Any], time: str | None) -> Iterator[Frame]:
    """Frames with their own rows in the order of time; rows of one time stay as they come."""
    for table in tables:
        frame = as_frame(table)
        if not frame.n:
            continue
        if time is not None:
            times = times_of(frame, time, 0)
            if (times[1:] < times[:-1]).any():
                frame = as_frame(native_rows(frame, np.argsort(times, kind="stable")))
        yield frame


def begin(
    formula: str, frames: Iterator[Frame], time: str | None, rows: int, *, context: Mapping[str, Any] | None
) -> tuple[OnlineReader, Iterator[Frame]]:
    """Learn the formula on the first usable rows.

    Parameters
    ----------
    formula : str
    frames : iterator of Frame
        In the order of time.
    time : str or None
    rows : int
        How many usable rows teach what the formula learns from data (categories, centres, knots).
    context : mapping, optional

    Returns
    -------
    reader : OnlineReader
    frames : iterator of Frame
        All of them, from the first row on.
    """
    read: list[Frame] = []
    made = _first_design(formula, frames, read, rows, context)
    if made.offset is not None:
        raise OptionError("methods that follow a stream row by row take no offset(); subtract it from the outcome.")
    check_sizes(made)
    kept = np.empty(0) if time is None else times_of(read[0], time, 0)[:0]
    return OnlineReader(recipe=made.recipe, time=time, last=kept), chain(read, frames)


def _first_design(
    formula: str, frames: Iterator[Frame], read: list[Frame], rows: int, context: Mapping[str, Any] | None
) -> Design:
    """The design on exactly the first `rows` usable rows, wherever blocks end."""
    size, shrunk = rows, False
    response = "none" if isinstance(formula, str) and formula.lstrip().startswith("~") else "numeric"
    while True:
        while sum(f.n for f in read) < size:
            more = next(frames, None)
            if more is None:
                break
            read.append(more)
        held = sum(f.n for f in read)
        if not held:
            raise DataError("the data have no rows.")
        try:
            made = design(formula, _head(read, size), response=response, context=context)
        except DataError:
            # The first rows may all lack something, such as lags; more rows may do.
            if shrunk or held < size:
                raise
            size *= 2
            continue
        if made.n > rows:
            size, shrunk = int(made.rows[rows - 1]) + 1, True
        elif made.n == rows:
            return made
        elif held < size:
            raise DataError(
                f"the data have {made.n} usable rows, and burn_in={rows} rows come before the first result: "
                "lower burn_in=, or give more rows."
            )
        else:
            size += rows - made.n


def _head(frames: list[Frame], rows: int) -> Any:
    import pandas as pd

    parts, left = [], rows
    for frame in frames:
        parts.append(pandas_rows(frame, left))
        left -= len(parts[-1])
        if left <= 0:
            break
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def gathered(
    reader: OnlineReader, frames: Iterable[Frame], *, strict: bool
) -> tuple[OnlineRows | None, OnlineReader, dict[str, int]]:
    """All usable rows of some frames, the reader of the next, and rows left out by cause."""
    parts: list[OnlineRows] = []
    dropped: dict[str, int] = {}
    for frame in frames:
        rows, lost, reader = reader.read(frame, strict=strict)
        dropped = add_counts(dropped, lost)
        if len(rows):
            parts.append(rows)
    if not parts:
        return None, reader, dropped
    if len(parts) == 1:
        return parts[0], reader, dropped
    columns = ([getattr(p, name) for p in parts] for name in ("X", "y", "time"))
    return OnlineRows(*map(np.concatenate, columns)), reader, dropped
