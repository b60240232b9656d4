"""Tables of results, rendered as text, HTML, Markdown, LaTeX and Typst.

A table is data until it is shown. It carries no caption environment and no label: in a Quarto document
those are Quarto's.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results import markup
from statinf.results.files import checked_path, replacing


def format_number(value: Any, digits: int = 4) -> str:
    """A number with significant digits, a count as it is, text as it is, missing values empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(int(value))
    number = float(value)
    if np.isnan(number):
        return ""
    if np.isinf(number):
        return "Inf" if number > 0 else "-Inf"
    size = abs(number)
    if number == 0.0:
        return "0"
    if size < 1e-4 or size >= 1e7:
        return f"{number:.{digits - 1}e}"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(size))))
    return f"{number:.{decimals}f}"


def format_p(value: Any) -> str:
    """A p-value with three decimals, or '<0.001'."""
    if value is None or np.isnan(value):
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def format_interval(low: Any, high: Any, digits: int = 4) -> str:
    """Two limits in brackets; empty where neither exists."""
    if np.isnan(low) and np.isnan(high):
        return ""
    return f"[{format_number(low, digits) or 'NA'}, {format_number(high, digits) or 'NA'}]"


def check_digits(digits: Any) -> int:
    """Return a number of significant digits, else raise an `OptionError`."""
    if isinstance(digits, bool) or not isinstance(digits, int | np.integer) or not 1 <= digits <= 17:
        raise OptionError(f"digits={digits!r}: give a whole number of significant digits from 1 to 17.")
    return int(digits)


@dataclass(frozen=True)
class Table:
    """A small table with a block of facts above it and notes below.

    Attributes
    ----------
    columns : tuple of str
        Headings; the first column holds row names.
    rows : tuple of tuple of str
        Cells as text.
    title : str
    facts : tuple of (str, str)
        Pairs shown above the table, such as ("Observations", "32").
    notes : tuple of str
        Lines below it.
    rules : tuple of int
        Rows before which a line is drawn.
    kind : str
        Kind of data frame that `to_frame` makes, as `Frame.kind` names it.

    Examples
    --------
    >>> from statinf.results import Table
    >>> print(Table(("term", "estimate"), (("wt", "-5.344"),), title="A fit"))
    A fit
    term  estimate
    --------------
    wt      -5.344
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    rules: tuple[int, ...] = ()
    kind: str = "pandas"

    def __post_init__(self) -> None:
        wrong = [i for i, row in enumerate(self.rows) if len(row) != len(self.columns)]
        if not self.columns or wrong:
            found = f"row {wrong[0]} has {len(self.rows[wrong[0]])} cells" if wrong else "there are no columns"
            raise OptionError(
                f"a table has one cell for each of its {len(self.columns)} columns in every row; {found}."
            )

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Sequence[Any]], **options: Any) -> Table:
        """A table of values, formatted to four significant digits."""
        return cls(tuple(columns), tuple(tuple(format_number(c) for c in row) for row in rows), **options)

    @classmethod
    def of_frame(cls, frame: Any, **options: Any) -> Table:
        """A table of a pandas data frame's columns."""
        return cls.of([str(c) for c in frame.columns], frame.itertuples(index=False, name=None), **options)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_text(self) -> str:
        """Plain text, columns aligned, the first to the left."""
        grid = [[markup.one_line(c) for c in cells] for cells in (self.columns, *self.rows)]
        widths = [max(markup.width(row[j]) for row in grid) for j in range(len(self.columns))]
        line = "-" * (sum(widths) + 2 * (len(widths) - 1))
        out = [markup.one_line(self.title)] if self.title else []
        out += _facts_in_two_columns(self.facts, len(line))
        out += [_text_row(grid[0], widths), line]
        for i, row in enumerate(grid[1:]):
            if i in self.rules:
                out.append(line)
            out.append(_text_row(row, widths))
        if self.notes:
            out += [line, *map(markup.one_line, self.notes)]
        return "\n".join(text.rstrip() for text in out)

    def to_html(self) -> str:
        """An HTML table with a header and footer."""
        return markup.html_table(self)

    def to_markdown(self) -> str:
        """A pipe table."""
        return markup.markdown_table(self)

    def to_latex(self) -> str:
        """A bare booktabs `tabular`, without environment, caption or label."""
        return markup.latex_table(self)

    def to_typst(self) -> str:
        """A Typst `table` with rules above and below its head and at its end."""
        return markup.typst_table(self)

    def to_frame(self) -> Any:
        """Headings and cells as text, in the caller's kind of data frame.

        Raises
        ------
        OptionError
            If two columns have one heading.
        """
        import pandas as pd

        from statinf.frames import to_caller

        twice = [c for i, c in enumerate(self.columns) if c in self.columns[:i]]
        if twice:
            raise OptionError(f"two columns have the heading {twice[0]!r}; give each a name of its own.")
        cells = {c: [row[j] for row in self.rows] for j, c in enumerate(self.columns)}
        return to_caller(pd.DataFrame(cells, dtype=object), self.kind)

    def to_csv(self) -> str:
        """Headings and cells, separated by commas."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((self.columns, *self.rows))
        return text.getvalue()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table to a file, in the format that its suffix names.

        Parameters
        ----------
        path : path-like
            Ends in .html, .md, .tex, .typ, .csv or .txt.

        Returns
        -------
        Path

        Raises
        ------
        OptionError
            For another suffix.
        DataError
            If the folder is missing or the file cannot be written.
        """
        writers = {
            ".html": markup.html_page,
            ".md": Table.to_markdown,
            ".tex": Table.to_latex,
            ".typ": Table.to_typst,
            ".csv": Table.to_csv,
            ".txt": Table.to_text,
        }
        target = checked_path(path)
        if target.suffix.lower() not in writers:
            raise OptionError(f"path={str(path)!r} names no format; let it end in one of {', '.join(writers)}.")
        text = writers[target.suffix.lower()](self).rstrip("\n") + "\n"
        with replacing(target) as file:
            file.write(text.encode())
        return target


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(markup.padded(c, w, right=j > 0) for j, (c, w) in enumerate(zip(cells, widths, strict=True)))


def _facts_in_two_columns(facts: Sequence[tuple[str, str]], least: int) -> list[str]:
    if not facts:
        return []
    shown = [markup.one_line(f"{k}: {v}") for k, v in facts]
    half = max(map(markup.width, shown)) + 3
    if 2 * half > max(least, 78):
        return [*shown, ""]
    pairs = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    return ["".join(markup.padded(s, half, right=False) for s in pair) for pair in pairs] + [""]
