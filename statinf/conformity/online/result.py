"""What `si.conformal_online` returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from statinf.conformity.online.run import OnlineRun
from statinf.conformity.online.tracker import upcoming
from statinf.errors import OptionError, one_of
from statinf.formula.blocks import warn_dropped
from statinf.formula.in_time import further
from statinf.results import Predictive, Table, format_number, prediction_frame, to_caller

PLOTS = ("coverage", "band", "level")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OnlineIntervals(Predictive):
    """Prediction intervals along a stream, and the state from which they go on.

    Attributes
    ----------
    level : float
        Coverage asked for.
    run : OnlineRun
        Predictions, intervals and the method's state so far.
    side : str
        Which side of the level `bound` bounds: "both" or "below".
    guarantee : str
        What is known of the method's coverage.
    """

    level: float
    run: OnlineRun
    side: str = "both"
    guarantee: str = ""

    beside = ("path", "update", "coverage", "bound")

    # --- rows so far --------------------------------------------------------------------------------------

    @property
    def path(self) -> Any:
        """One row per time after the burn-in, in the caller's kind of data frame.

        Columns: the time (`row` without `time=`), `outcome`, `estimate` (where the model has a mean; of two given quantiles
        their middle), `lower`, `upper`, `covered` (ends count as inside) and `level_used`: the level of coverage behind the
        interval, or for methods that move a radius the share of past scores within it. An empty interval, which never covers,
        has lower = inf, upper = -inf.
        """
        import pandas as pd

        path = self.run.path
        columns: dict[str, Any] = {self.run.reader.time or "row": path.time, "outcome": path.outcome}
        if self.run.base.point:
            columns["estimate"] = (path.low + path.high) / 2.0
        columns |= {"lower": path.lower, "upper": path.upper, "covered": path.covered, "level_used": path.level}
        return to_caller(pd.DataFrame(columns), self.kind)

    def update(self, data: Any, *, na_action: str = "drop") -> Self:
        """The result after more rows; equal, to the last bit, to one call on everything.

        Parameters
        ----------
        data : table or stream
            Like the data of the first call; rows that come later in time.
        na_action : {"drop", "raise"}

        Returns
        -------
        OnlineIntervals
            A new one; this one stays as it is.
        """
        one_of("na_action", na_action, ("drop", "raise"))
        run = self.run.consume(further(self.run.reader, data), strict=na_action == "raise")
        warn_dropped(run.dropped, run.reader.seen, self.dropped)
        return replace(self, run=run, nobs=run.nobs, dropped=dict(run.dropped))

    def predict(self, newdata: Any = None, *, interval: str | None = None) -> Any:
        """Intervals of rows to come, each as if it were the next one.

        Parameters
        ----------
        newdata : data frame
            Needs no outcome.
        interval : {None, "prediction"}

        Returns
        -------
        data frame
            `estimate` (as `path` has it), `lower`, `upper`; NaN for rows that cannot be predicted.
        """
        if interval not in (None, "prediction"):
            raise OptionError(
                f"interval={interval!r}: '{self.method}' has prediction intervals only; leave interval= out."
            )
        if newdata is None:
            self.refuse("predictions without newdata", "it keeps no rows; see fit.path")
        new = self.new_rows(newdata)
        ok = np.flatnonzero(new.ok)
        X = np.ascontiguousarray(new.part("covariates").without_intercept().values[ok])
        low, high = self.run.base.ends(X)
        steps = upcoming(self.run.tracker)
        made = {"lower": low - steps.lower[0], "upper": high + steps.upper[0]}
        if self.run.base.point:
            made = {"estimate": (low + high) / 2.0, **made}
        columns = {name: np.full(new.n, np.nan) for name in made}
        for name, values in made.items():
            columns[name][ok] = values
        return prediction_frame(new, columns)

    # --- how often they cover -----------------------------------------------------------------------------

    @property
    def bound(self) -> float | None:
        """What coverage so far is at most away from the level (`side="below"`: falls short of it), whatever the outcomes."""
        return self.run.tracker.bound(len(self.run.path))

    def coverage(self, window: int = 250) -> Any:
        """Running coverage, one row per time.

        Parameters
        ----------
        window : int
            Rows of the moving share.

        Returns
        -------
        data frame
            The time, `n` (rows so far), `coverage` (share covered so far), `recent` (share of the last `window` rows; NaN
            before there are so many) and `infinite` (intervals so far that are the whole line).
        """
        import pandas as pd

        if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1:
            raise OptionError(f"window={window!r} is a number of rows; it must be a whole number from 1.")
        path = self.run.path
        n, hits = np.arange(1, len(path) + 1), np.cumsum(path.covered)
        recent = np.full(len(path), np.nan)
        if len(path) >= window:
            before = np.concatenate([[0], hits[: len(path) - window]])
            recent[window - 1 :] = (hits[window - 1 :] - before) / window
        endless = np.cumsum(np.isneginf(path.lower) & np.isposinf(path.upper))
        columns = {self.run.reader.time or "row": path.time, "n": n, "coverage": hits / n, "recent": recent}
        return to_caller(pd.DataFrame(columns | {"infinite": endless}), self.kind)

    def glance(self) -> Any:
        """One row: rows used, coverage, the level, mean finite width, and counts of infinite and empty intervals."""
        import pandas as pd

        return to_caller(pd.DataFrame({k: [v] for k, v in self._numbers().items()}), self.kind)

    def _numbers(self) -> dict[str, Any]:
        path = self.run.path
        width = path.upper - path.lower
        finite = np.isfinite(width)
        return {
            "nobs": self.nobs,
            "intervals": len(path),
            "level": self.level,
            "coverage": float(path.covered.mean()) if len(path) else np.nan,
            "width": float(width[finite].mean()) if finite.any() else np.nan,
            "infinite": int(np.isposinf(width).sum()),
            "empty": int(np.isneginf(width).sum()),
            "method": self.method,
        }

    # --- showing ------------------------------------------------------------------------------------------

    def summary(self) -> Table:
        """Coverage and width of all rows so far and of the latest, and what is guaranteed."""
        numbers, path = self._numbers(), self.run.path
        facts = [("Formula", self.formula), ("Method", self.method), ("Level", f"{self.level:g}")]
        facts += [("Rows", str(self.nobs)), ("Burn-in", str(self.run.burn_in))]
        rows = []
        for label, last in (("all", len(path)), ("last 250", 250), ("last 50", 50)):
            if not 0 < last <= len(path):
                continue
            width = (path.upper - path.lower)[-last:]
            width = width[np.isfinite(width)]
            cells = (float(path.covered[-last:].mean()), float(width.mean()) if len(width) else np.nan)
            rows.append((label, str(last), *map(format_number, cells), format_number(float(path.level[-last:].mean()))))
        notes = [f"Guarantee: {self.guarantee}."]
        if self.bound is not None:
            what = "is within" if self.side == "both" else "falls short of the level by at most"
            of = " of the level" if self.side == "both" else ""
            notes.append(f"On this path coverage {what} {self.bound:.3g}{of}, whatever the outcomes.")
        if numbers["infinite"] or numbers["empty"]:
            notes.append(f"Intervals that are infinite: {numbers['infinite']}; empty: {numbers['empty']}.")
        if self.dropped:
            notes.append(self.dropped_note())
        notes.append(f"Method: {self.citation}.")
        columns = ("rows", "n", "coverage", "mean width", "level used")
        return Table(columns, tuple(rows), title="Online conformal prediction", facts=tuple(facts), notes=tuple(notes))

    def plot(self, kind: str = "coverage", **options: Any) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"coverage", "band", "level"}
            Running coverage with the level and the method's bound; intervals and outcomes over time; the level used.
        **options
            `ax`; `window` of "coverage"; `last` of "band", how many of the latest rows it shows.
        """
        from statinf.plotting import online

        one_of("plot kind", kind, PLOTS)
        path, label = self.run.path, self.run.reader.time or "row"
        if kind == "band":
            return online.plot_band(
                path.time, path.outcome, path.lower, path.upper, xlabel=label, ylabel=self.outcome, **options
            )
        if kind == "level":
            return online.plot_level(path.time, path.level, level=self.level, xlabel=label, **options)
        bounds = np.full(len(path), np.nan)
        if self.side == "both" and self.bound is not None:
            bounds = np.array([self.run.tracker.bound(t) for t in range(1, len(path) + 1)], np.float64)
        return online.plot_coverage(path.time, path.covered, bounds, level=self.level, xlabel=label, **options)
