"""A family's part of the demonstration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from statinf.results.table import Table


@dataclass(frozen=True)
class DemoSection:
    """A headline fit on bundled data.

    Attributes
    ----------
    title, intro : str
    code : str
        The lines a reader would type.
    tables : tuple of Table
    figures : tuple of (str, callable)
        Captions, and functions that draw: each returns a matplotlib figure or axes.
    """

    title: str
    intro: str
    code: str
    tables: tuple[Table, ...]
    figures: tuple[tuple[str, Callable[[], Any]], ...] = ()
