"""Tables of results, rendered as text, HTML, Markdown, LaTeX and Typst.

A table is data until it is shown. It carries no caption environment and no label: in a Quarto document
those are Quarto's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


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
        widths = [max(len(r[j]) for r in (self.columns, *self.rows)) for j in range(len(self.columns))]
        line = "-" * (sum(widths) + 2 * (len(widths) - 1))
        out = [self.title] if self.title else []
        out += _facts_in_two_columns(self.facts, len(line))
        out += [_text_row(self.columns, widths), line]
        for i, row in enumerate(self.rows):
            if i in self.rules:
                out.append(line)
            out.append(_text_row(row, widths))
        if self.notes:
            out += [line, *self.notes]
        return "\n".join(text.rstrip() for text in out)

    def to_html(self) -> str:
        """An HTML table with a header and footer."""
        esc = html.escape
        head = "".join(
            f'<th style="text-align:{"left" if j == 0 else "right"}">{esc(c)}</th>' for j, c in enumerate(self.columns)
        )
        body = []
        for i, row in enumerate(self.rows):
            border = ' style="border-top:1px solid currentColor"' if i in self.rules else ""
            cells = "".join(
                f'<td style="text-align:{"left" if j == 0 else "right"}">{esc(c)}</td>' for j, c in enumerate(row)
            )
            body.append(f"<tr{border}>{cells}</tr>")
        span = len(self.columns)
        foot = "".join(
            f'<tr><td colspan="{span}" style="text-align:left"><small>{esc(n)}</small></td></tr>' for n in self.notes
        )
        facts = " &middot; ".join(f"{esc(k)}: {esc(v)}" for k, v in self.facts)
        above = f"<p><strong>{esc(self.title)}</strong></p>" if self.title else ""
        above += f"<p><small>{facts}</small></p>" if facts else ""
        footer = f"<tfoot>{foot}</tfoot>" if foot else ""
        return (
            f'<div class="statinf-result">{above}<table class="statinf"><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody>{footer}</table></div>"
        )

    def to_markdown(self) -> str:
        """A pipe table."""

        def cell(text: str) -> str:
            return text.replace("|", "\\|").replace("\n", " ") or " "

        lines = []
        if self.title:
            lines += [f"**{self.title}**", ""]
        if self.facts:
            lines += [" · ".join(f"{k}: {v}" for k, v in self.facts), ""]
        lines.append("| " + " | ".join(cell(c) for c in self.columns) + " |")
        lines.append("|" + "|".join(":---" if j == 0 else "---:" for j in range(len(self.columns))) + "|")
        lines += ["| " + " | ".join(cell(c) for c in row) + " |" for row in self.rows]
        if self.notes:
            lines += ["", *[f"*{n}*  " for n in self.notes]]
        return "\n".join(lines)

    def to_latex(self) -> str:
        """A bare booktabs `tabular`, without environment, caption or label."""
        spec = "l" + "r" * (len(self.columns) - 1)
        lines = [rf"\begin{{tabular}}{{{spec}}}", r"\toprule", _latex_row(self.columns), r"\midrule"]
        for i, row in enumerate(self.rows):
            if i in self.rules:
                lines.append(r"\midrule")
            lines.append(_latex_row(row))
        lines.append(r"\bottomrule")
        span = len(self.columns)
        lines += [rf"\multicolumn{{{span}}}{{l}}{{\footnotesize {_latex(n)}}} \\" for n in self.notes]
        return "\n".join([*lines, r"\end{tabular}"])

    def to_typst(self) -> str:
        """A Typst `table`."""

        def content(text: str) -> str:
            return "[" + re.sub(r"([\\#\[\]*_$@<>`])", r"\\\1", text) + "]"

        count = len(self.columns)
        align = ", ".join("left" if j == 0 else "right" for j in range(count))
        cells = [f"table.header({', '.join(content(c) for c in self.columns)}),"]
        cells += [", ".join(content(c) for c in row) + "," for row in self.rows]
        return "\n".join([f"#table(columns: {count}, align: ({align}),", *("  " + c for c in cells), ")"])


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])


def _facts_in_two_columns(facts: Sequence[tuple[str, str]], width: int) -> list[str]:
    if not facts:
        return []
    shown = [f"{k}: {v}" for k, v in facts]
    half = max(len(s) for s in shown) + 3
    if 2 * half > max(width, 78):
        return [*shown, ""]
    pairs = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    return ["".join(s.ljust(half) for s in pair) for pair in pairs] + [""]


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_latex(c) for c in cells) + r" \\"
