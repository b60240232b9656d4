"""What every density-ratio method hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from statinf.brief import Brief
from statinf.errors import OptionError
from statinf.numerics.linear.products import RowExpansion, row_multiples
from statinf.results.methods import Method


class RatioRule(Protocol):
    """An estimated density ratio as a function."""

    def at(self, x: np.ndarray) -> np.ndarray:
        """Ratios target / source at rows x (n, p), shape (n,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class RatioMethod(Method):
    """A method of `density_ratio`.

    Attributes
    ----------
    known_margins : bool
        Whether known means of the target are enough.
    drawn : bool
        Whether anything is drawn by a row's place.
    result : type or None
        Kind of `DensityRatio` that it ends in, where it is one of its own.
    """

    known_margins: bool = False
    drawn: bool = True
    result: type | None = None


@dataclass(frozen=True, repr=False)
class Multiples(Brief):
    """Rows that are those of some columns (n, k), each times a number (n,): not multiplied out before they are read."""

    columns: np.ndarray
    multiplier: np.ndarray

    def times(self, factor: np.ndarray) -> np.ndarray:
        """The rows, each times another number (n,), shape (n, k)."""
        return row_multiples(self.columns, self.multiplier * factor)

    def __call__(self) -> np.ndarray:
        return row_multiples(self.columns, self.multiplier)


@dataclass(frozen=True)
class RatioEstimate:
    """An estimated density ratio.

    Attributes
    ----------
    rule : RatioRule
        Of columns as they stand in the samples.
    ratio : ndarray, shape (n,)
        At the source rows, in the order of the samples.
    settings : mapping
        Tuning constants used, chosen ones included.
    derivative : ndarray, shape (n, k), optional
        Of the ratio at the source rows by the parameters behind it; or a function that makes it when it is needed.
    influence, other_influence : ndarray, shape (n, k) and (m, k), optional
        Of the source and target rows on those parameters; or functions that make them.
    expansion : callable, optional
        From factors of the derivative (n,) to a `RowExpansion` of both samples.
    facts : mapping
        Numbers for the summary.
    extra : mapping
        Further fields of the method's own kind of result.
    """

    rule: Any
    ratio: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)
    derivative: np.ndarray | Callable[[], np.ndarray] | None = None
    influence: np.ndarray | Callable[[], np.ndarray] | None = None
    other_influence: np.ndarray | Callable[[], np.ndarray] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    expansion: Callable[[np.ndarray], RowExpansion] | None = None


def check_known(method: Method, margins: Any) -> None:
    """Refuse a method that needs the rows of a target of which only margins are known."""
    if margins is not None and not (isinstance(method, RatioMethod) and method.known_margins):
        raise OptionError(
            f"method={method.name!r} needs rows of the target, and only margins are known; use method='moment'."
        )


def default_ratio(margins: Any) -> str:
    """The method where none was named: means alone leave one."""
    return "logistic" if margins is None else "moment"
