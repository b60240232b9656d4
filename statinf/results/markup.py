"""A table in the languages of documents. Text stands for itself in each: what a language would read is escaped."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from statinf.results.table import Table

_NUMBER = re.compile(r"^(\d+)([.)])(?=\s|$)")  # of an item in a list
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def one_line(text: str) -> str:
    """Text on one line: line breaks and tabs are blanks, and other control characters show as replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def width(text: str) -> int:
    """Columns that text takes in a terminal: two for wide characters of East Asia, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, size: int, *, right: bool) -> str:
    """Text with blanks up to `size` columns, on its left if it stands to the right."""
    blanks = " " * (size - width(text))
    return blanks + text if right else text + blanks


# --- HTML -----------------------------------------------------------------------------------------------------


def html_text(text: str) -> str:
    """Text that HTML shows as it is."""
    return html.escape(one_line(text))


def html_table(table: Table) -> str:
    """A `div` with the table; its classes keep MathJax from reading dollar signs."""

    def cells(row: Sequence[str], tag: str) -> str:
        align = ("left", *["right"] * (len(row) - 1))
        kind = f'{tag} scope="col"' if tag == "th" else tag
        return "".join(
            f'<{kind} style="text-align:{a}">{html_text(c)}</{tag}>' for a, c in zip(align, row, strict=True)
        )

    body = []
    for i, row in enumerate(table.rows):
        border = ' style="border-top:1px solid currentColor"' if i in table.rules else ""
        body.append(f"<tr{border}>{cells(row, 'td')}</tr>")
    span = len(table.columns)
    foot = "".join(
        f'<tr><td colspan="{span}" style="text-align:left"><small>{html_text(n)}</small></td></tr>' for n in table.notes
    )
    facts = " &middot; ".join(f"{html_text(k)}: {html_text(v)}" for k, v in table.facts)
    above = f"<p><strong>{html_text(table.title)}</strong></p>" if table.title else ""
    above += f"<p><small>{facts}</small></p>" if facts else ""
    return (
        f'<div class="statinf-result tex2jax_ignore mathjax_ignore">{above}<table class="statinf">'
        f"<thead><tr>{cells(table.columns, 'th')}</tr></thead><tbody>{''.join(body)}</tbody>"
        f"{f'<tfoot>{foot}</tfoot>' if foot else ''}</table></div>"
    )


def html_page(table: Table) -> str:
    """The table as a page of its own."""
    title = html_text(table.title or "Table")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n{html_table(table)}\n</body>\n</html>\n"
    )


# --- Markdown -------------------------------------------------------------------------------------------------

# Characters with a meaning in CommonMark, GitHub's or Pandoc's Markdown, what makes a heading or a list at the start of a
# line, and what makes a link of a bare address, in which no escape would be read; a tilde between blanks, a bracket that no
# other follows and an ampersand that starts no entity have none.
_MARKDOWN = re.compile(
    r"""[\\`*_{}<>|$^@"']|~(?!\x20)|(?<!\x20)~|\](?=[(\[{:])|&(?=\#?\w+;)|-(?=-)|\.(?=\.\.)|:(?=//)|(?<=www)\.
    |^[-+\#=:](?=[\s\#=:]|$)""",
    re.VERBOSE | re.IGNORECASE,
)


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _NUMBER.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", one_line(text)))


def markdown_table(table: Table) -> str:
    """A pipe table whose columns are aligned in the source too."""
    grid = [[markdown_text(c) for c in cells] for cells in (table.columns, *table.rows)]
    widths = [max(4, *(width(row[j]) for row in grid)) for j in range(len(table.columns))]

    def row(cells: Sequence[str]) -> str:
        return (
            "| "
            + " | ".join(padded(c, w, right=j > 0) for j, (c, w) in enumerate(zip(cells, widths, strict=True)))
            + " |"
        )

    lines = []
    if table.title:
        lines += [f"**{markdown_text(table.title)}**", ""]
    if table.facts:
        lines += [" · ".join(f"{markdown_text(k)}: {markdown_text(v)}" for k, v in table.facts), ""]
    lines.append(row(grid[0]))
    lines.append(
        "|" + "|".join(":" + "-" * (w + 1) if j == 0 else "-" * (w + 1) + ":" for j, w in enumerate(widths)) + "|"
    )
    lines += [row(cells) for cells in grid[1:]]
    if table.notes:
        lines += ["", *[f"*{markdown_text(n)}*  " for n in table.notes]]
    return "\n".join(lines)


# --- LaTeX ----------------------------------------------------------------------------------------------------

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}
_LATEX |= {"|": r"\textbar{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}"}


_NOTE = 80
"""Characters in a line of a note, where the table is not wider."""


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is."""
    plain = "".join(_LATEX.get(c, c) for c in one_line(text))
    return re.sub(r"-(?=-)", "-{}", plain)  # no dashes of two or three hyphens


def wrapped(text: str, longest: int) -> list[str]:
    """Lines of a text, of at most so many characters where words allow; one empty line for no text."""
    return textwrap.wrap(one_line(text), longest, break_long_words=False, break_on_hyphens=False) or [""]


def latex_table(table: Table) -> str:
    """A booktabs `tabular`: title and facts above the rule at the top, notes below that at the end."""
    span = len(table.columns)

    def row(cells: Sequence[str]) -> str:
        # A star or a bracket at the start would be an option of the rule or the line end before it
        start = "{}" if cells[0].lstrip().startswith(("[", "*")) else ""
        return start + " & ".join(latex_text(c) for c in cells) + r" \\"

    def wide(text: str, size: str) -> list[str]:
        """A text over all columns, broken into lines: `l` does not break, and `p` is as wide as the page."""
        return [
            rf"\multicolumn{{{span}}}{{l}}{{{size.format(latex_text(part))}}} \\" for part in wrapped(text, longest)
        ]

    cells = zip(*(map(one_line, line) for line in (table.columns, *table.rows)), strict=True)
    longest = max(_NOTE, sum(max(map(width, column)) + 2 for column in cells))
    small = r"\footnotesize{{}} {}"
    lines = [rf"\begin{{tabular}}{{l{'r' * (span - 1)}}}"]
    lines += wide(table.title, r"\textbf{{{}}}") if table.title else []
    lines += [line for k, v in table.facts for line in wide(f"{k}: {v}", small)]
    lines += [r"\toprule", row(table.columns), r"\midrule"]
    for i, cells in enumerate(table.rows):
        lines += [r"\midrule"] if i in table.rules else []
        lines.append(row(cells))
    lines.append(r"\bottomrule")
    lines += [line for note in table.notes for line in wide(note, small)]
    return "\n".join([*lines, r"\end{tabular}"])


# --- Typst ----------------------------------------------------------------------------------------------------

# Beside the signs of markup: comments, dashes and dots that become one, and what makes a list, a heading or a term at
# the start of a line.
_TYPST = re.compile(r"""[\\#\[\]*_$@<>`~"']|/(?=[/*])|-(?=[-?])|\.(?=\.\.)|^[-+=/](?=\s|=|$)""")


def typst_text(text: str) -> str:
    """Text that Typst sets as it is."""
    return _NUMBER.sub(r"\1\\\2", _TYPST.sub(r"\\\g<0>", one_line(text)))


def typst_table(table: Table) -> str:
    """One `table`, its title and facts in the head, its notes in the foot."""
    span = len(table.columns)

    def row(cells: Sequence[str]) -> str:
        return ", ".join(f"[{typst_text(c)}]" for c in cells) + ","

    def wide(content: str) -> str:
        return f"table.cell(colspan: {span}, align: left)[{content}],"

    def rule(width: float) -> str:
        return f"table.hline(stroke: {width}pt),"

    align = ", ".join("left" if j == 0 else "right" for j in range(span))
    head = [wide(f"#strong[{typst_text(table.title)}]")] if table.title else []
    head += [wide(f"#text(size: 0.9em)[{typst_text(k)}: {typst_text(v)}]") for k, v in table.facts]
    lines = ["table.header(", *("  " + line for line in (*head, rule(0.8), row(table.columns), rule(0.5))), "),"]
    for i, cells in enumerate(table.rows):
        lines += [rule(0.5)] if i in table.rules else []
        lines.append(row(cells))
    lines.append(rule(0.8))
    if table.notes:
        notes = (wide(f"#text(size: 0.9em)[{typst_text(n)}]") for n in table.notes)
        lines += ["table.footer(repeat: false,", *("  " + line for line in notes), "),"]
    options = f"columns: {span}, align: ({align},), stroke: none,"
    return "\n".join([f"#table({options}", *("  " + line for line in lines), ")"])
