"""A run of forecasts over a stream: what has been said so far, and how to go on."""

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


@dataclass(frozen=True, kw_only=True, repr=False)
class ForecastRun(Brief):
    """Where a stream stands.

    Attributes
    ----------
    reader : OnlineReader
    scaler, beat : object
        States of the method and of calibeating.
    burn_in : int
    time, outcome, forecast, scaled, calibrated : ndarray, shape (n,)
        One row per time after the burn-in.
    seen, clipped : int
        Usable rows so far, and how many forecasts were 0, 1 or nearer to them than the clip.
    dropped : mapping of str to int
    """

    reader: OnlineReader
    scaler: Any
    beat: Any
    burn_in: int
    time: np.ndarray
    outcome: np.ndarray
    forecast: np.ndarray
    scaled: np.ndarray
    calibrated: np.ndarray
    seen: int = 0
    clipped: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    def add(self, rows: OnlineRows, clip: float) -> ForecastRun:
        """The run after rows."""
        p, y = checked(rows, self.reader.recipe.response[0])
        scaler, scaled = self.scaler.advance(p, y)
        beat, calibrated = self.beat.advance(scaled, y)
        skip = max(0, self.burn_in - self.seen)
        new = {"time": rows.time, "outcome": y, "forecast": p, "scaled": scaled, "calibrated": calibrated}
        return replace(
            self, scaler=scaler, beat=beat, seen=self.seen + len(y),
            clipped=self.clipped + int(np.count_nonzero((p < clip) | (p > 1.0 - clip))),
            **{name: np.concatenate([getattr(self, name), values[skip:]]) for name, values in new.items()},
        )  # fmt: skip

    def consume(self, frames: Iterable[Frame], clip: float, *, strict: bool) -> ForecastRun:
        """The run after frames that are in the order of time."""
        rows, reader, dropped = gathered(self.reader, frames, strict=strict)
        run = replace(self, reader=reader, dropped=add_counts(self.dropped, dropped))
        return run if rows is None else run.add(rows, clip)


def checked(rows: OnlineRows, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts and outcomes, shape (n,) each.

    Raises
    ------
    DataError
        Unless outcomes are 0 and 1 and forecasts lie in [0, 1].
    """
    p, y = np.ascontiguousarray(rows.X[:, 0]), rows.y
    if not np.isin(y, (0.0, 1.0)).all():
        raise DataError(f"'{outcome}' must hold 0 and 1; it holds {y[~np.isin(y, (0.0, 1.0))][0]:g}.")
    outside = (p < 0.0) | (p > 1.0)
    if outside.any():
        raise DataError(
            f"forecasts are outside [0, 1] in {int(outside.sum())} of {len(p)} rows, such as {p[outside][0]:g}: the formula is "
            f"'{outcome} ~ p' with a probability p."
        )
    return p, y
