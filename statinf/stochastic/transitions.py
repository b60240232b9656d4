"""The problem that every method of `si.td` gets: a stream of transitions and how its rows follow one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from statinf.errors import FormulaError, OptionError
from statinf.formula.sources import Source
from statinf.stochastic.next_columns import next_columns
from statinf.stochastic.opening import Opening, begin
from statinf.stochastic.options import StreamOptions
from statinf.stochastic.transition_reader import TransitionReader


@dataclass(frozen=True)
class TransitionStream:
    """What a method for values of states needs; see `si.td`."""

    formula: str
    source: Source
    next: Any
    discount: float
    trace: float
    rho: str | None
    id: str | None
    terminal: str | None
    sampling: str
    na_action: str
    context: Mapping[str, Any] | None
    seed: int
    progress: bool | None

    def begin(
        self, options: StreamOptions, expected: int | None = None
    ) -> tuple[Opening, TransitionReader, tuple[str, ...]]:
        """The first rows, the reader of transitions and the features' names."""
        opening = begin(
            self.formula, self.source, levels=options.levels, expected=expected, na_action=self.na_action,
            context=self.context,
        )  # fmt: skip
        if opening.design.offset is not None:
            raise FormulaError("offset() has no meaning for values of states; leave it out.")
        reader = TransitionReader(
            recipe=opening.recipe, discount=self.discount, trace=self.trace,
            following=next_columns(self.next, opening.design), ratio=self.rho, episode=self.id, terminal=self.terminal,
        )  # fmt: skip
        if self.sampling == "iid" and reader.following is None:
            raise OptionError(
                "independent transitions need their next states: give next=, or sampling='markov' for rows in order."
            )
        return opening, reader, opening.recipe.parts[0].layout.names

    def kind(self, opening: Opening) -> str:
        """The caller's kind of data frame."""
        return opening.design.kind if self.source.whole is None else self.source.whole.kind
