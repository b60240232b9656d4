"""What `si.monitor` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from statinf.errors import one_of
from statinf.formula.blocks import warn_dropped
from statinf.formula.in_time import further
from statinf.results import Result, Table, format_number, to_caller
from statinf.stochastic.monitoring.run import MonitorRun
from statinf.stochastic.table import MONITOR

_LISTED = 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Monitor(Result):
    """A stream under watch: what was found at each look, alarms, and the state from which it goes on.

    Attributes
    ----------
    run : MonitorRun
    guarantee : str
        What is known of the method's false alarms.
    """

    run: MonitorRun
    guarantee: str = ""

    beside = ("path", "alarms", "update")

    @property
    def path(self) -> Any:
        """One row per look, in the caller's kind of data frame.

        Columns: the time (`row` without `time=`), `statistic`, `limit`, `alarm` (True where one was raised: once for a
        statistic that stays beyond its limit). "cusum" and "martingale" look at every row after the first ones, "adwin" every
        `clock` rows. The statistic is the norm of the summed scores; the logarithm to base 10 of the martingale, beside the
        row's `p_value`; or the largest difference of means over its bound, beside `mean` and `width` of the window afterwards.
        """
        import pandas as pd

        return to_caller(pd.DataFrame(self._columns()), self.kind)

    @property
    def alarms(self) -> Any:
        """The rows of `path` at which an alarm was raised."""
        import pandas as pd

        at = self.run.path.alarm
        columns = {name: values[at] for name, values in self._columns().items() if name != "alarm"}
        return to_caller(pd.DataFrame(columns), self.kind)

    def _columns(self) -> dict[str, np.ndarray]:
        path = self.run.path
        first = {self.run.reader.time or "row": path.time}
        return first | {"statistic": path.statistic, "limit": path.limit, "alarm": path.alarm} | dict(path.also)

    def tidy(self) -> Any:
        """The same as `path`."""
        return self.path

    def glance(self) -> Any:
        """One row: rows used and monitored, alarms, and the latest statistic with its limit."""
        import pandas as pd

        path = self.run.path
        last = (float(path.statistic[-1]), float(path.limit[-1])) if len(path) else (np.nan, np.nan)
        columns = {
            "nobs": self.nobs, "monitored": self.run.monitored, "alarms": int(path.alarm.sum()), "statistic": last[0],
            "limit": last[1], "method": self.method,
        }  # fmt: skip
        return to_caller(pd.DataFrame({name: [v] for name, v in columns.items()}), self.kind)

    def update(self, data: Any, *, na_action: str = "drop") -> Self:
        """The result after more rows, as one call on everything would give it.

        Parameters
        ----------
        data : table or stream
            Like the data of the first call; rows that come later in time.
        na_action : {"drop", "raise"}

        Returns
        -------
        Monitor
            A new one; this one stays as it is.
        """
        one_of("na_action", na_action, ("drop", "raise"))
        frames = further(self.run.reader, data)
        run = self.run.consume(MONITOR[self.method], frames, strict=na_action == "raise")
        warn_dropped(run.dropped, run.reader.seen, self.dropped)
        return replace(self, run=run, nobs=run.nobs, dropped=dict(run.dropped))

    def summary(self) -> Table:
        """Alarms, the latest look, and what is known of false alarms."""
        path, run = self.run.path, self.run
        facts = [("Formula", self.formula), ("Method", self.method), ("Rows", str(self.nobs))]
        facts += [("Burn-in", str(run.start.burn_in)), ("Rows monitored", str(run.monitored))]
        facts.append(("Alarms", str(int(path.alarm.sum()))))
        said: Sequence[str] = ()
        if run.detector is not None:
            facts += run.detector.facts().items()
            said = run.detector.notes()
        at = np.flatnonzero(path.alarm)
        shown = [(f"alarm {i + 1}", int(row)) for i, row in enumerate(at[:_LISTED])]
        shown += [("latest look", len(path) - 1)] if len(path) else []
        rows = [
            (label, str(path.time[i]), format_number(float(path.statistic[i])), format_number(float(path.limit[i])))
            for label, i in shown
        ]
        notes = [f"Guarantee: {self.guarantee}.", *said]
        if len(at) > _LISTED:
            notes.append(f"{len(at) - _LISTED} further alarms are in `alarms`.")
        if run.detector is None:
            notes.append(f"Learning anew: {len(run.pending)} of {run.start.burn_in} first rows are there.")
        if self.dropped:
            notes.append(self.dropped_note())
        notes.append(f"Method: {self.citation}.")
        columns = ("", run.reader.time or "row", "statistic", "limit")
        return Table(columns, tuple(rows), title="Monitoring for changes", facts=tuple(facts), notes=tuple(notes))

    def plot(self, *, ax: Any = None) -> Any:
        """The statistic over time with its limit, alarms as vertical lines; returns the matplotlib axes."""
        from statinf.plotting.monitoring import plot_monitor

        path = self.run.path
        label = "log10 of the statistic" if self.method == "martingale" else "Statistic"
        return plot_monitor(
            path.time, path.statistic, path.limit, path.alarm, xlabel=self.run.reader.time or "row", ylabel=label, ax=ax
        )
