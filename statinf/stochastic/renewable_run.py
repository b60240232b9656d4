"""A run of renewable estimates: settings, state and the reader of further rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from statinf.brief import Brief
from statinf.formula import as_frame
from statinf.formula.blocks import add_counts
from statinf.formula.sources import mentioned, open_source
from statinf.stochastic.renewable_reader import RenewableReader
from statinf.stochastic.renewal import renew
from statinf.stochastic.renewal_state import GroupRows, RenewalSettings, RenewalState


@dataclass(frozen=True, kw_only=True, repr=False)
class Renewal(Brief):
    """Where the groups of a stream stand, and how to go on.

    Parameters
    ----------
    settings : RenewalSettings
    state : RenewalState
    reader : RenewableReader
    dropped : mapping of str to int
        Rows left out so far, by cause.
    """

    settings: RenewalSettings
    state: RenewalState
    reader: RenewableReader
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that were used."""
        waiting = 0 if self.settings.window else len(self.state.pending)
        return int(self.state.past.count.sum()) + waiting

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients; of several classes with the class in front."""
        names = next(p.layout.names for p in self.reader.recipe.parts if p.role == "covariates")
        classes = self.reader.classes[1:]
        return tuple(f"{c}: {name}" for c in classes for name in names) if classes else tuple(names)

    def add(self, rows: GroupRows, dropped: Mapping[str, int], reader: RenewableReader) -> Renewal:
        """The run after some rows, of which others were lost; `reader` has read them."""
        state = renew(self.settings, self.state, rows, len(reader.groups)) if len(rows) else self.state
        return replace(self, state=state, reader=reader, dropped=add_counts(self.dropped, dropped))

    def consume(self, tables: Iterable[Any], weights: Any = None, *, strict: bool = False) -> Renewal:
        """The run after a stream of frames."""
        run = self
        for frame in map(as_frame, tables):
            if frame.n:
                run = run.add(*run.reader.block(frame, weights, strict=strict))
        return run

    def further(self, data: Any, weights: Any, strict: bool) -> Renewal:
        """The run after the rows of a table or stream."""
        return self.consume(open_source(data, mentioned("", self.reader.columns)).frames, weights, strict=strict)
