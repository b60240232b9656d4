"""Python's own warnings about the text of a formula, kept from the caller's screen.

`warnings.catch_warnings` changes filters for the whole process, and threads that fit at once would leave them
changed. It is entered for the rare text that Python may warn about, by one thread at a time.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_MAY_WARN = re.compile(r"\\|\d(?:and|else|for|if|in|is|not|or)\b")
"""Escapes that may be none, and numbers that run into a word."""
_LOCK = threading.RLock()


@contextmanager
def quiet(text: str) -> Iterator[None]:
    """A block that parses this text without Python's warnings about it."""
    if _MAY_WARN.search(text) is None:
        yield
        return
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
