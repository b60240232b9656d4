"""Records that print as one line however long their arrays are."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

_LONGEST = 60


class Brief:
    """A dataclass, made with `repr=False`, that prints the shapes of its arrays instead of their numbers.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(repr=False)
    ... class Sample(Brief):
    ...     name: str
    ...     rows: np.ndarray
    >>> Sample("a", np.zeros((1000, 3)))
    Sample(name='a', rows=<float64 of shape (1000, 3)>)
    """

    def __repr__(self) -> str:
        assert is_dataclass(self)
        shown = ", ".join(f"{f.name}={_brief(getattr(self, f.name))}" for f in fields(self))
        return f"{type(self).__name__}({shown})"


class Later(partial):
    """A call to be made when it is needed, which prints what it holds as `Brief` does."""

    def __repr__(self) -> str:
        given = [*map(_brief, self.args), *(f"{name}={_brief(value)}" for name, value in self.keywords.items())]
        return f"{type(self).__name__}({', '.join([getattr(self.func, '__name__', repr(self.func)), *given])})"


def _brief(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"<{value.dtype} of shape {tuple(value.shape)}>" if value.shape else repr(value)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "...")
    if isinstance(value, list | tuple | set | frozenset | dict):
        return f"<{type(value).__name__} of {len(value)}>" if len(value) > 5 else _items(value)
    return f"<{type(value).__name__}>"


def _items(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_brief(v)}" for k, v in value.items()) + "}"
    inner = ", ".join(map(_brief, value))
    return f"[{inner}]" if isinstance(value, list) else f"({inner})"
