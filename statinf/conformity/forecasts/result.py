"""What `si.calibrate_online` returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from statinf.conformity.forecasts.metrics import METRICS, reliability, score
from statinf.conformity.forecasts.run import ForecastRun
from statinf.errors import OptionError, one_of
from statinf.formula.blocks import warn_dropped
from statinf.formula.in_time import further
from statinf.formula.recipe import warn_rows
from statinf.results import Predictive, Table, format_number, prediction_frame, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OnlineForecasts(Predictive):
    """Calibrated probabilities along a stream, and the state from which they go on.

    Attributes
    ----------
    calibeat : str or None
    bins : int
    clip : float
    run : ForecastRun
    guarantee : str
    """

    calibeat: str | None
    bins: int
    clip: float
    run: ForecastRun
    guarantee: str = ""

    beside = ("path", "update", "metrics", "parameters")

    @property
    def path(self) -> Any:
        """One row per time after the burn-in, in the caller's kind of data frame.

        Columns: the time (`row` without `time=`), `outcome`, `forecast` (as given), `scaled` (the method's own probability,
        where calibeating says something else) and `calibrated`, each as it stood before the outcome.
        """
        import pandas as pd

        run = self.run
        columns: dict[str, Any] = {run.reader.time or "row": run.time, "outcome": run.outcome}
        return to_caller(pd.DataFrame(columns | self._said()), self.kind)

    def _said(self) -> dict[str, np.ndarray]:
        run = self.run
        middle = {} if self.calibeat is None else {"scaled": run.scaled}
        return {"forecast": run.forecast, **middle, "calibrated": run.calibrated}

    @property
    def parameters(self) -> Any:
        """The map's parameters now: slope and intercept of the logit, or for "obs" slopes of log p and log(1 - p)."""
        import pandas as pd

        names = ("log(p)", "log(1 - p)", "Intercept") if self.method == "obs" else ("logit(p)", "Intercept")
        return pd.Series(self.run.scaler.parameters, index=list(names), name="parameter")

    def update(self, data: Any, *, na_action: str = "drop") -> Self:
        """The result after more rows; equal, to the last bit, to one call on everything.

        Parameters
        ----------
        data : table or stream
            Like the data of the first call; rows that come later in time.
        na_action : {"drop", "raise"}

        Returns
        -------
        OnlineForecasts
            A new one; this one stays as it is.
        """
        one_of("na_action", na_action, ("drop", "raise"))
        run = self.run.consume(further(self.run.reader, data), self.clip, strict=na_action == "raise")
        warn_dropped(run.dropped, run.reader.seen, self.dropped)
        return replace(self, run=run, nobs=run.seen, dropped=dict(run.dropped))

    def predict(self, newdata: Any = None, *, interval: str | None = None) -> Any:
        """Calibrated probabilities of forecasts to come, each as if it were the next one.

        Parameters
        ----------
        newdata : data frame
            Needs no outcome.
        interval : None
            A probability has none.

        Returns
        -------
        data frame
            Column `estimate`; NaN for rows that cannot be predicted.
        """
        if interval is not None:
            raise OptionError(f"interval={interval!r}: '{self.method}' gives probabilities without intervals.")
        if newdata is None:
            self.refuse("predictions without newdata", "it keeps no rows; see fit.path")
        new = self.new_rows(newdata)
        p = np.asarray(new.part("covariates").without_intercept().values)[:, 0]
        outside = new.ok & ((p < 0.0) | (p > 1.0))
        if outside.any():
            warn_rows({"a forecast outside [0, 1]": int(outside.sum())}, new.n, "cannot be predicted and are NaN")
        ok = np.flatnonzero(new.ok & ~outside)
        out = np.full(new.n, np.nan)
        if len(ok):
            out[ok] = self.run.beat.ahead(self.run.scaler.ahead(p[ok]))
        return prediction_frame(new, {"estimate": out})

    def metrics(self, every: int | None = None) -> Any:
        """How good forecasts were before and after, over all rows so far, or after every so many.

        Parameters
        ----------
        every : int, optional

        Returns
        -------
        data frame
            `rows`, `kind` ("forecast", "scaled", "calibrated"), `ece` (calibration error over `bins` bins of equal width),
            `sharpness`, `log_loss`, `brier`.
        """
        import pandas as pd

        n = len(self.run.outcome)
        if every is not None and (isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1):
            raise OptionError(f"every={every!r} is a number of rows; it must be a whole number from 1, or None.")
        ends = [n] if every is None else [*range(every, n, every), n]
        rows = [
            {"rows": end, "kind": kind, **score(values[:end], self.run.outcome[:end], self.bins, self.clip)}
            for end in ends
            for kind, values in self._said().items()
        ]
        return to_caller(pd.DataFrame(rows), self.kind)

    def glance(self) -> Any:
        """One row: rows used, and the metrics of the calibrated probabilities."""
        import pandas as pd

        made = score(self.run.calibrated, self.run.outcome, self.bins, self.clip)
        return to_caller(
            pd.DataFrame({"nobs": [self.nobs], **{k: [v] for k, v in made.items()}, "method": [self.method]}), self.kind
        )

    def summary(self) -> Table:
        """Metrics before and after, and what is guaranteed."""
        run = self.run
        rows = []
        for kind, values in self._said().items():
            made = score(values, run.outcome, self.bins, self.clip)
            rows.append((kind, *(format_number(made[m]) for m in METRICS)))
        facts = [("Formula", self.formula), ("Method", self.method), ("Calibeating", str(self.calibeat or "none"))]
        facts += [("Rows", str(self.nobs)), ("Burn-in", str(run.burn_in)), ("Bins", str(self.bins))]
        notes = ["Map now: " + ", ".join(f"{n} {v:.4g}" for n, v in self.parameters.items()) + "."]
        notes.append(f"Guarantee: {self.guarantee}.")
        if run.clipped:
            notes.append(f"Forecasts nearer to 0 or 1 than {self.clip:g}, and kept that far: {run.clipped}.")
        if self.dropped:
            notes.append(self.dropped_note())
        notes.append(f"Method: {self.citation}.")
        title = "Online calibration"
        return Table(("probabilities", *METRICS), tuple(rows), title=title, facts=tuple(facts), notes=tuple(notes))

    def plot(self, kind: str = "calibration", **options: Any) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"calibration", "error", "path"}
            Mean outcome against mean forecast by bin, before and after; the calibration error of all rows so far over
            time; the probabilities over time.
        **options
            `ax`; `last` of "path", how many of the latest rows it shows.
        """
        from statinf.plotting import forecasts

        one_of("plot kind", kind, ("calibration", "error", "path"))
        run, label = self.run, self.run.reader.time or "row"
        if kind == "calibration":
            made = {name: reliability(p, run.outcome, self.bins) for name, p in self._said().items()}
            return forecasts.plot_reliability(made, **options)
        if kind == "path":
            return forecasts.plot_path(run.time, self._said(), run.outcome, xlabel=label, **options)
        n = len(run.outcome)
        ends = np.unique(np.linspace(min(n, 50), n, 100).astype(int)) if n else np.zeros(0, int)
        errors = {
            name: np.array([score(p[:e], run.outcome[:e], self.bins, self.clip)["ece"] for e in ends])
            for name, p in self._said().items()
        }
        return forecasts.plot_error(run.time[ends - 1], errors, xlabel=label, **options)
