"""The columns that a formula mentions, known before it is parsed: all that is read of a file or a lazy table."""

from __future__ import annotations

import re
from typing import Any

from statinf.errors import DataError
from statinf.formula.frame import Frame, as_frame
from statinf.formula.scan import check_text

_DOT = re.compile(r"(?<![\w.])\.(?![\w.])")


def read_frame(formula: str, data: Any, *named: Any) -> Frame:
    """The caller's table; of a file or a lazy table, the columns that the formula or `named`, names or lists of them, mention.

    A table that was read so can be given to `design` and `kind_of_outcome`, which read nothing again.

    Raises
    ------
    FormulaError, DataError
        If the text cannot be a formula, or the data are no table.
    """
    return as_frame(data, Mentioned(check_text(formula), *named))


def available_names(frame: Frame, formula: str) -> list[str]:
    """Columns that a formula's `.` may stand for."""
    unnamed = [c for c in frame.names if not isinstance(c, str)]
    if unnamed and _DOT.search(formula):
        raise DataError(
            f"'.' stands for every column, and the column named {unnamed[0]} is not a string: "
            "rename it, for example with data.columns.astype(str)."
        )
    return [c for c in frame.names if isinstance(c, str)]


class Mentioned:
    """The columns that a formula's text may mention, a superset known before it is parsed, and those named beside it."""

    def __init__(self, text: str, *named: Any) -> None:
        listed = [names if isinstance(names, list | tuple) else [names] for names in named]
        self._names = {name for names in listed for name in names if isinstance(name, str)}
        self._text = text
        # A dot of its own stands for every column; an escaped quote hides a name.
        self._all = "\\" in text or _DOT.search(text) is not None

    def __contains__(self, name: object) -> bool:
        return self._all or name in self._names or str(name) in self._text
