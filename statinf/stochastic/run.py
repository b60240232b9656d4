"""A run over a stream: settings, state and the reader that turns frames into rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import numpy as np

from statinf.backend.progress import Bar
from statinf.brief import Brief
from statinf.formula import as_frame
from statinf.formula.blocks import add_counts
from statinf.formula.sources import BLOCK_ROWS
from statinf.stochastic.covariance import plugin
from statinf.stochastic.engine import advance
from statinf.stochastic.reading import StreamBlock
from statinf.stochastic.regression_reader import RegressionReader
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State
from statinf.stochastic.transition_reader import TransitionReader


@dataclass(frozen=True, kw_only=True, repr=False)
class Run(Brief):
    """Where a stream stands, and how to go on.

    Parameters
    ----------
    settings : Settings
    state : State
    reader : RegressionReader or TransitionReader
    dropped : mapping of str to int
        Rows left out so far, by cause.
    """

    settings: Settings
    state: State
    reader: RegressionReader | TransitionReader
    dropped: Mapping[str, int] = field(default_factory=dict)

    def add(self, block: StreamBlock, meter: Meter | None = None) -> Run:
        """The run after a block of rows."""
        state = self.state
        for start in range(0, len(block.rows), BLOCK_ROWS):
            part = block.rows[start : start + BLOCK_ROWS]
            state = advance(self.settings, state, part, after=None if meter is None else meter.show)
        return replace(self, state=state, dropped=add_counts(self.dropped, block.dropped))

    def consume(
        self, tables: Iterable[Any], weights: Any = None, *, strict: bool = False, meter: Meter | None = None
    ) -> Run:
        """The run after a stream of frames."""
        run = self
        for frame in map(as_frame, tables):
            if not frame.n:
                continue
            block, reader = run.reader.read(frame, weights, strict=strict)
            run = replace(run, reader=reader).add(block, meter)
        return run


class Meter:
    """A progress bar over rows, with rows per second and the widest current 95 % interval.

    Parameters
    ----------
    settings : Settings
    total : int or None
        Rows in all.
    show : bool or None
        None: in a terminal or a notebook, after a second.
    done : int
        Rows worked in before.
    """

    def __init__(self, settings: Settings, total: int | None, show: bool | None, done: int = 0) -> None:
        self.settings, self.done = settings, done
        self.bar = Bar(total, "rows", unit=" rows", show=show, scaled=True)
        self.looked = 0.0

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def show(self, state: State) -> None:
        """Move the bar to where a state stands."""
        if self.bar.quiet:
            return
        now = time.monotonic()
        if now - self.looked > 0.5 and state.done > self.settings.burn_in:
            self.looked = now
            self.bar.say(f"widest interval {self._width(state):.3g}")
        self.bar.advance(state.done - self.done)
        self.done = state.done

    @staticmethod
    def _width(state: State) -> float:
        try:
            return float(2 * 1.96 * np.sqrt(np.maximum(np.diag(plugin(state.sums)), 0.0)).max())
        except np.linalg.LinAlgError:
            return float("nan")
