"""What a method of `si.monitor` is once it runs, and the options that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from statinf.brief import Brief
from statinf.formula.in_time import OnlineRows
from statinf.numerics.glm.families import FAMILIES
from statinf.results import Options, choice, count, flag, number


@dataclass(frozen=True, repr=False)
class Findings(Brief):
    """What was found at each look, all of shape (k,).

    Attributes
    ----------
    at : ndarray of int
        The row of the block at which it was.
    statistic, limit : ndarray
    alarm : ndarray of bool
        Whether an alarm was raised here; a statistic that stays beyond its limit raises one.
    also : mapping of str to ndarray
        Further columns of the path.
    """

    at: np.ndarray
    statistic: np.ndarray
    limit: np.ndarray
    alarm: np.ndarray
    also: Mapping[str, np.ndarray] = field(default_factory=dict)

    def head(self, k: int) -> Findings:
        """The first k looks."""
        also = {name: values[:k] for name, values in self.also.items()}
        return Findings(self.at[:k], self.statistic[:k], self.limit[:k], self.alarm[:k], also)


class ChangeDetector(Protocol):
    """A method's state."""

    def advance(self, rows: OnlineRows) -> tuple[Self, Findings]:
        """The state after rows, and what was found."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What stands above the summary."""
        ...

    def notes(self) -> Sequence[str]:
        """What stands below it."""
        ...


@dataclass(frozen=True, repr=False)
class MonitorProblem(Brief):
    """What a method starts from.

    Attributes
    ----------
    rows : OnlineRows
        The first rows, as many as the options ask for.
    names : tuple of str
        Of the columns of X.
    outcome : str
        Empty where the formula has none.
    intercept : bool
    seed, segment : int
        How often monitoring has begun before.
    """

    rows: OnlineRows
    names: tuple[str, ...]
    outcome: str
    intercept: bool
    seed: int = 0
    segment: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """How the first rows are used."""

    family: str = choice("gaussian", FAMILIES, "of the model of the outcome, with its usual link")
    burn_in: int | None = count(
        100, "rows at the beginning, taken to be without change, from which the model is learnt", low=4
    )

    def first_rows(self, modelled: bool) -> int:
        """Rows before monitoring begins, by whether the formula is a model `y ~ x`."""
        assert self.burn_in is not None
        return self.burn_in


@dataclass(frozen=True, kw_only=True)
class AlarmOptions(ModelOptions):
    """How alarms are raised."""

    level: float = number(
        0.95, "one less the probability of a false alarm", low=0, high=1, open_low=True, open_high=True
    )
    restart: bool = flag(
        False, "after an alarm learn anew from the next rows, as many as the burn-in, and go on; else one alarm is all"
    )


def crossed(beyond: np.ndarray, before: bool) -> np.ndarray:
    """The first row of a block (n,) that is beyond its limit, where none was before."""
    alarm = np.zeros(len(beyond), bool)
    if not before and beyond.any():
        alarm[int(np.argmax(beyond))] = True
    return alarm
