"""A table in LaTeX and in Typst; see `markup`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from statinf.results.markup import ITEM, one_line, starts, width

if TYPE_CHECKING:
    from statinf.results.table import Table

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
    cells = zip(*(map(one_line, line) for line in (table.columns, *table.rows)), strict=True)
    longest = max(_NOTE, sum(max(map(width, column)) + 2 for column in cells))

    def wide(text: str, size: str) -> list[str]:
        """A text over all columns, broken into lines: `l` does not break, and `p` is as wide as the page."""
        return [
            rf"\multicolumn{{{span}}}{{l}}{{{size.format(latex_text(part))}}} \\" for part in wrapped(text, longest)
        ]

    small = r"\footnotesize{{}} {}"
    lines = [rf"\begin{{tabular}}{{l{'r' * (span - 1)}}}"]
    lines += wide(table.title, r"\textbf{{{}}}") if table.title else []
    lines += [line for k, v in table.facts for line in wide(f"{k}: {v}", small)]
    lines += [r"\toprule", *(line for one in table.ruled_spans for line in _latex_span(*one))]
    lines += [_latex_row(table.columns), r"\midrule"]
    for i, row in enumerate(table.rows):
        lines += [r"\midrule"] if i in table.rules else []
        if i in table.heads:
            lines += wide(row[0], r"\emph{{{}}}")
        else:
            lines.append((r"\hspace{1em}" if i in table.indented else "") + _latex_row(row))
    lines += [r"\bottomrule", *(line for note in table.notes for line in wide(note, small)), r"\end{tabular}"]
    if table.caption:
        named = [rf"\label{{{table.label}}}"] if table.label else []
        top = [r"\begin{table}[htbp]", r"\centering", rf"\caption{{{latex_text(table.caption)}}}", *named]
        lines = [*top, *lines, r"\end{table}"]
    return "\n".join(lines)


def _latex_row(cells: Sequence[str]) -> str:
    # A star or a bracket at the start would be an option of the rule or the line end before it.
    start = "{}" if cells[0].lstrip().startswith(("[", "*")) else ""
    return start + " & ".join(latex_text(c) for c in cells) + r" \\"


def _latex_span(name: str, texts: Sequence[tuple[str, int]], ruled: bool) -> list[str]:
    cells, rules = [], []
    for text, at, count in starts(texts):
        cells.append(rf"\multicolumn{{{count}}}{{{'c' if count > 1 else 'r'}}}{{{latex_text(text)}}}")
        if ruled and text and count > 1:
            rules.append(rf"\cmidrule(lr){{{at + 1}-{at + count}}}")
    start = "{}" if name.lstrip().startswith(("[", "*")) else ""
    row = start + " & ".join([latex_text(name), *cells]) + r" \\"
    return [row, " ".join(rules)] if rules else [row]


# --- Typst ----------------------------------------------------------------------------------------------------

# Beside the signs of markup: comments, dashes and dots that become one, and what makes a list, a heading or a term at
# the start of a line.
_TYPST = re.compile(r"""[\\#\[\]*_$@<>`~"']|/(?=[/*])|-(?=[-?])|\.(?=\.\.)|^[-+=/](?=\s|=|$)""")


def typst_text(text: str) -> str:
    """Text that Typst sets as it is."""
    return ITEM.sub(r"\1\\\2", _TYPST.sub(r"\\\g<0>", one_line(text)))


def typst_table(table: Table) -> str:
    """One `table`, its title and facts in the head, its notes in the foot."""
    span = len(table.columns)

    def wide(content: str) -> str:
        return f"table.cell(colspan: {span}, align: left)[{content}],"

    align = ", ".join("left" if j == 0 else "right" for j in range(span))
    head = [wide(f"#strong[{typst_text(table.title)}]")] if table.title else []
    head += [wide(f"#text(size: 0.9em)[{typst_text(k)}: {typst_text(v)}]") for k, v in table.facts]
    head += [_typst_rule(0.8), *(line for one in table.ruled_spans for line in _typst_span(*one))]
    lines = ["table.header(", *("  " + line for line in (*head, _typst_row(table.columns), _typst_rule(0.5))), "),"]
    for i, cells in enumerate(table.rows):
        lines += [_typst_rule(0.5)] if i in table.rules else []
        if i in table.heads:
            lines.append(wide(f"#emph[{typst_text(cells[0])}]"))
        else:
            lines.append(_typst_row(cells, "#h(1em)" if i in table.indented else ""))
    lines.append(_typst_rule(0.8))
    if table.notes:
        notes = (wide(f"#text(size: 0.9em)[{typst_text(n)}]") for n in table.notes)
        lines += ["table.footer(repeat: false,", *("  " + line for line in notes), "),"]
    options = f"columns: {span}, align: ({align},), stroke: none,"
    lines = [f"table({options}", *("  " + line for line in lines), ")"]
    if not table.caption:
        return "\n".join(["#" + lines[0], *lines[1:]])
    named = f" <{table.label}>" if table.label else ""
    caption = f"caption: figure.caption(position: top)[{typst_text(table.caption)}],"
    inner = ["#figure(kind: table,", f"  {caption}", *("  " + line for line in lines), f"){named}"]
    return "\n".join(inner)


def _typst_row(cells: Sequence[str], before: str = "") -> str:
    return ", ".join(f"[{before if j == 0 else ''}{typst_text(c)}]" for j, c in enumerate(cells)) + ","


def _typst_rule(size: float, columns: str = "") -> str:
    return f"table.hline({columns}stroke: {size}pt),"


def _typst_span(name: str, texts: Sequence[tuple[str, int]], ruled: bool) -> list[str]:
    cells, rules = [f"[{typst_text(name)}]"], []
    for text, at, count in starts(texts):
        place = "center" if count > 1 else "right"
        cells.append(f"table.cell(colspan: {count}, align: {place})[{typst_text(text)}]")
        if ruled and text and count > 1:
            rules.append(_typst_rule(0.3, f"start: {at}, end: {at + count}, "))
    return [", ".join(cells) + ",", *rules]
