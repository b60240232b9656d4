"""A progress bar on standard error for long work, silent in logs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")


def progress_bar(
    items: Iterable[T], *, total: int | None = None, label: str = "", show: bool | None = None
) -> Iterator[T]:
    """Iterate with a bar that appears after two seconds.

    Parameters
    ----------
    items : iterable
    total : int, optional
        Number of items, where the iterable does not know it.
    label : str
        What is being done.
    show : bool, optional
        None shows the bar in a terminal or a notebook only; True always, at once; False never.
    """
    if show is False:
        yield from items
        return
    bar, quiet = _bar(show)
    yield from bar(items, total=total, desc=label, delay=0.0 if show else 2.0, disable=quiet, leave=False)


def _bar(show: bool | None) -> tuple[Any, bool | None]:
    """The bar for where we run, and whether it stays silent; None leaves that to whether there is a terminal."""
    if "ipykernel" in sys.modules and find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as notebook_bar

        return notebook_bar, False
    from tqdm.std import tqdm

    return tqdm, False if show else None
