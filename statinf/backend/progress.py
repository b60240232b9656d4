"""A progress bar on standard error for long work, silent in logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

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
    from tqdm.auto import tqdm

    yield from tqdm(
        items, total=total, desc=label, delay=0.0 if show else 2.0, disable=False if show else None, leave=False
    )
