"""Fits that belong together, with what is said above their columns: all that tables read of a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from statinf.results.fit import Fit


@dataclass(frozen=True, eq=False, repr=False)
class FitGroup:
    """Fits of one call.

    Attributes
    ----------
    fits : tuple of Fit
    names : tuple of str
        One for each, all different.
    above : mapping of str to tuple of str
        What tells the fits apart beside their outcomes: the values of `by` and the steps, as rows above tables say.
    """

    fits: tuple[Fit, ...]
    names: tuple[str, ...]
    above: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
