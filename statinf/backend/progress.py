"""A progress bar on standard error for long work, silent in logs.

The bar has a rate and an end, appears after a second, in a terminal or a notebook only, and goes when the work ends, however
it ends. It ticks beside an item that takes long.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
DELAY = 1.0
"""Seconds of work before the bar appears."""
_TICK = 0.5
_asked: ContextVar[bool | None] = ContextVar("statinf_progress", default=None)


@contextmanager
def reporting(show: bool | None) -> Iterator[None]:
    """A block whose bars are shown as `show` says, unless they are told themselves; None leaves it as it is outside.

    Parameters
    ----------
    show : bool, optional
        The `progress=` of a verb.
    """
    token = _asked.set(_asked.get() if show is None else show)
    try:
        yield
    finally:
        _asked.reset(token)


def progress_bar(
    items: Iterable[T], *, total: int | None = None, label: str = "", show: bool | None = None
) -> Iterator[T]:
    """Iterate with a bar that appears after a second.

    Parameters
    ----------
    items : iterable
    total : int, optional
        Number of items, where the iterable does not know it.
    label : str
        What is being done.
    show : bool, optional
        None shows the bar in a terminal or a notebook only, or as `reporting` says; True always, at once; False never.
    """
    if total is None:
        total = len(items) if hasattr(items, "__len__") else None  # pyright: ignore[reportArgumentType]
    with counted_bar(total, label, show=show) as bar:
        if bar.quiet:
            yield from items
            return
        for item in items:
            yield item
            bar.advance()


@contextmanager
def counted_bar(
    total: float | None, label: str, *, unit: str = "it", show: bool | None = None, scaled: bool = False
) -> Iterator[Bar]:
    """A bar that is moved by hand, for work that is no plain loop.

    Parameters
    ----------
    total : float, optional
        The end; None where it is not known.
    label, unit : str
    show : bool, optional
        As `progress_bar` takes it.
    scaled : bool
        Write thousands and millions of units with k and M.
    """
    bar = Bar(total, label, unit=unit, show=show, scaled=scaled)
    try:
        yield bar
    finally:
        bar.close()


class Bar:
    """See `counted_bar`; `quiet` tells whether nothing is ever shown.

    It costs microseconds until it appears. Within the work of one bar others stay silent.
    """

    def __init__(
        self, total: float | None, label: str, *, unit: str = "it", show: bool | None = None, scaled: bool = False
    ) -> None:
        show = _asked.get() if show is None else show
        outer = _shown.get()
        alone = not show and total is not None and total <= 1  # a single item says nothing, its own loops do
        self.quiet = show is False or alone or not (show or _seen()) or (outer is not None and not outer.ended)
        self.ended = self.quiet
        if self.quiet:
            return
        self._settings = {"total": total, "desc": label, "unit": unit, "unit_scale": scaled}
        self._delay = 0.0 if show else DELAY
        self._begun, self._count, self._text = clock(), 0, ""
        self._bar: Any = None
        self._thread, self._verb = threading.get_ident(), _verb()
        _shown.set(self)
        if show:
            self._draw()
        _watch(self)

    def advance(self, count: float = 1) -> None:
        """Move on by some units."""
        if self.ended:
            return
        with _LOCK:
            self._count += count
            if self._bar is not None:
                self._bar.update(count)
            elif clock() - self._begun >= self._delay:
                self._draw()

    def say(self, text: str) -> None:
        """Write something beside the rate."""
        self._text = text
        if not self.ended and self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def close(self) -> None:
        """Take the bar away."""
        if self.ended:
            return
        with _LOCK:
            self.ended = True
            _WATCHED.discard(self)
            if self._bar is not None:
                self._bar.close()

    def tick(self) -> None:
        """Draw the bar beside an item that takes long; `_LOCK` is held.

        After an interrupt at a prompt the traceback keeps the loop alive, so that nothing closes its bar: one whose verb is no
        longer running goes.
        """
        if not _running(self._thread, self._verb):
            self.close()
        elif self._bar is not None:
            self._bar.refresh()
        elif clock() - self._begun >= self._delay:
            self._draw()

    def _draw(self) -> None:
        self._bar = _class()(leave=False, dynamic_ncols=True, smoothing=0.0, **self._settings)
        elapsed = clock() - self._begun
        self._bar.start_t -= elapsed
        self._bar.last_print_t -= elapsed
        self._bar.set_postfix_str(self._text, refresh=False)
        self._bar.update(self._count)
        self._bar.refresh()


_LOCK = threading.RLock()
_WATCHED: set[Bar] = set()
_shown: ContextVar[Bar | None] = ContextVar("statinf_bar", default=None)
_ticker: list[threading.Thread] = []
clock = time.monotonic


def _watch(bar: Bar) -> None:
    with _LOCK:
        _WATCHED.add(bar)
        if not _ticker or not _ticker[0].is_alive():
            _ticker[:] = [threading.Thread(target=_tick, daemon=True, name="statinf-progress")]
            _ticker[0].start()


def _tick() -> None:
    while True:
        time.sleep(_TICK)
        with _LOCK:
            for bar in tuple(_WATCHED):
                bar.tick()
            if not _WATCHED:
                _ticker.clear()
                return


def _verb() -> FrameType:
    """The frame of the verb that works: the outermost one of the package, or of who goes through the bar."""
    frame: FrameType | None = sys._getframe(1)
    consumer: FrameType | None = None
    found: FrameType | None = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name not in (__name__, "contextlib"):
            consumer = consumer or frame
            if name.partition(".")[0] == "statinf":
                found = frame
        frame = frame.f_back
    return found or consumer or sys._getframe(1)


def _running(thread: int, verb: FrameType) -> bool:
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame is verb:
            return True
        frame = frame.f_back
    return False


def _notebook() -> bool:
    return "ipykernel" in sys.modules and find_spec("ipywidgets") is not None


def _seen() -> bool:
    """Whether somebody watches: a notebook that draws bars, or a terminal."""
    return _notebook() or bool(getattr(sys.stderr, "isatty", lambda: False)())


def _class() -> Any:
    if _notebook():
        from tqdm.notebook import tqdm as notebook_bar

        return notebook_bar
    from tqdm.std import tqdm

    return tqdm
