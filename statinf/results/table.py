"""Tables of results, rendered as text, HTML, Markdown, LaTeX and Typst.

A table is data until it is shown. Without a caption it is bare: in a Quarto document caption and label belong to the
cell (`tbl-cap`, `label`). With one it brings both itself, for documents that have nobody else to do so.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.internal import internal
from statinf.results import markup, typeset
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


def format_fixed(value: Any, digits: int = 3) -> str:
    """A number with so many digits behind the point; all else as `format_number` writes it."""
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return f"{float(value) + 0.0:.{digits}f}"
    return format_number(value, digits)


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


Span = tuple[str, tuple[tuple[str, int], ...]]
"""A row above the headings: its name, and texts with the number of columns that each stands over."""


def check_caption(caption: Any, label: Any) -> None:
    """Refuse what is no caption, and a label that a language of documents cannot refer to."""
    if not isinstance(caption, str):
        raise OptionError(f"caption={caption!r}: give a text.")
    if not isinstance(label, str) or (label and not re.fullmatch(r"[A-Za-z][\w.:-]*", label, re.ASCII)):
        raise OptionError(
            f"label={label!r}: give a letter, then letters, digits, '-', '_', '.' or ':', as in 'tbl-cars'."
        )
    if label and not caption:
        raise OptionError(f"label={label!r} names a table that has no caption; give caption= as well.")


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
    spans : tuple of (str, tuple of (str, int))
        Rows above the headings, from the top: a name, and texts with the number of columns that each stands over, all
        columns but the first taken together.
    heads, indented : tuple of int
        Rows that head others, and rows that stand below such a head.
    caption, label : str
        A caption, and the name by which a document refers to the table, such as "tbl-cars".

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
    spans: tuple[Span, ...] = ()
    heads: tuple[int, ...] = ()
    indented: tuple[int, ...] = ()
    caption: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        wrong = [i for i, row in enumerate(self.rows) if len(row) != len(self.columns)]
        if not self.columns or wrong:
            found = f"row {wrong[0]} has {len(self.rows[wrong[0]])} cells" if wrong else "there are no columns"
            raise OptionError(
                f"a table has one cell for each of its {len(self.columns)} columns in every row; {found}."
            )
        if any(sum(k for _, k in over) != len(self.columns) - 1 for _, over in self.spans):
            raise OptionError("the texts above the headings do not stand over all columns but the first.")
        check_caption(self.caption, self.label)

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

    def captioned(self, caption: str, label: str = "") -> Table:
        """The same table with a caption, and a label by which a document refers to it."""
        return replace(self, caption=caption, label=label)

    @property
    @internal
    def unrolled(self) -> tuple[tuple[str, ...], ...]:
        """All rows, what stands over several columns repeated in each; for formats without spanning cells."""
        over = ((name, *(text for text, k in texts for _ in range(k))) for name, texts in self.spans)
        return (*over, *self.rows)

    @property
    @internal
    def ruled_spans(self) -> tuple[tuple[str, tuple[tuple[str, int], ...], bool], ...]:
        """The rows above the headings, and whether lines stand below their texts: not where the next has the same spans."""
        cuts = [[k for _, k in texts] for _, texts in self.spans]
        last = len(cuts) - 1
        return tuple((*one, i == last or cuts[i] != cuts[i + 1]) for i, one in enumerate(self.spans))

    def to_text(self) -> str:
        """Plain text, columns aligned, the first to the left."""
        return markup.text_table(self)

    def to_html(self) -> str:
        """An HTML table with a header and footer."""
        return markup.html_table(self)

    def to_markdown(self) -> str:
        """A pipe table; with Pandoc's and Quarto's caption below if there is one."""
        return markup.markdown_table(self)

    def to_latex(self) -> str:
        """A booktabs `tabular`; in an environment `table` if there is a caption, else bare."""
        return typeset.latex_table(self)

    def to_typst(self) -> str:
        """A Typst `table` with rules above and below its head and at its end; in a `figure` if there is a caption."""
        return typeset.typst_table(self)

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
        cells = {c: [row[j] for row in self.unrolled] for j, c in enumerate(self.columns)}
        return to_caller(pd.DataFrame(cells, dtype=object), self.kind)

    def to_csv(self) -> str:
        """Headings and cells, separated by commas."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((self.columns, *self.unrolled))
        return text.getvalue()

    def to_gt(self) -> Any:
        """The table as a `GT` of the package great_tables, to be styled further.

        Raises
        ------
        OptionError
            If great_tables is not installed; the message holds the command that installs it.
        """
        from statinf.results.great import great_table

        return great_table(self)

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
