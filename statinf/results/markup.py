"""A table in the languages of documents. Text stands for itself in each: what a language would read is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from statinf.results.table import Table


# --- HTML -----------------------------------------------------------------------------------------------------


def html_table(table: Table) -> str:
    """A `div` with the table; its classes keep MathJax from reading dollar signs."""
    esc = html.escape

    def cells(row: Sequence[str], tag: str) -> str:
        align = ("left", *["right"] * (len(row) - 1))
        return "".join(f'<{tag} style="text-align:{a}">{esc(c)}</{tag}>' for a, c in zip(align, row, strict=True))

    body = []
    for i, row in enumerate(table.rows):
        border = ' style="border-top:1px solid currentColor"' if i in table.rules else ""
        body.append(f"<tr{border}>{cells(row, 'td')}</tr>")
    span = len(table.columns)
    foot = "".join(
        f'<tr><td colspan="{span}" style="text-align:left"><small>{esc(n)}</small></td></tr>' for n in table.notes
    )
    facts = " &middot; ".join(f"{esc(k)}: {esc(v)}" for k, v in table.facts)
    above = f"<p><strong>{esc(table.title)}</strong></p>" if table.title else ""
    above += f"<p><small>{facts}</small></p>" if facts else ""
    return (
        f'<div class="statinf-result tex2jax_ignore mathjax_ignore">{above}<table class="statinf">'
        f"<thead><tr>{cells(table.columns, 'th')}</tr></thead><tbody>{''.join(body)}</tbody>"
        f"{f'<tfoot>{foot}</tfoot>' if foot else ''}</table></div>"
    )


def html_page(table: Table) -> str:
    """The table as a page of its own."""
    title = html.escape(table.title or "Table")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n{html_table(table)}\n</body>\n</html>\n"
    )


# --- Markdown -------------------------------------------------------------------------------------------------

# Characters with a meaning in CommonMark, GitHub's or Pandoc's Markdown; a tilde between blanks, a bracket that no
# other follows and an ampersand that starts no entity have none.
_MARKDOWN = re.compile(r"""[\\`*_{}<>|$^@"']|~(?! )|(?<! )~|\](?=[(\[{])|&(?=#?\w+;)|-(?=-)|\.(?=\.\.)""")


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def markdown_table(table: Table) -> str:
    """A pipe table."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(markdown_text(c) or " " for c in cells) + " |"

    lines = []
    if table.title:
        lines += [f"**{markdown_text(table.title)}**", ""]
    if table.facts:
        lines += [" · ".join(f"{markdown_text(k)}: {markdown_text(v)}" for k, v in table.facts), ""]
    lines.append(row(table.columns))
    lines.append("|" + "|".join(":---" if j == 0 else "---:" for j in range(len(table.columns))) + "|")
    lines += [row(cells) for cells in table.rows]
    if table.notes:
        lines += ["", *[f"*{markdown_text(n)}*  " for n in table.notes]]
    return "\n".join(lines)


# --- LaTeX ----------------------------------------------------------------------------------------------------

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}
_LATEX |= {"|": r"\textbar{}"}


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is; a star or bracket at the start would be an option of the rule before it."""
    plain = " ".join(text.split())
    return ("{}" if plain.startswith(("[", "*")) else "") + "".join(_LATEX.get(c, c) for c in plain)


def latex_table(table: Table) -> str:
    """A booktabs `tabular`: title and facts above the rule at the top, notes below that at the end."""
    span = len(table.columns)

    def row(cells: Sequence[str]) -> str:
        return " & ".join(latex_text(c) for c in cells) + r" \\"

    def wide(text: str) -> str:
        return rf"\multicolumn{{{span}}}{{l}}{{{text}}} \\"

    lines = [rf"\begin{{tabular}}{{l{'r' * (span - 1)}}}"]
    lines += [wide(rf"\textbf{{{latex_text(table.title)}}}")] if table.title else []
    lines += [wide(rf"\footnotesize {latex_text(k)}: {latex_text(v)}") for k, v in table.facts]
    lines += [r"\toprule", row(table.columns), r"\midrule"]
    for i, cells in enumerate(table.rows):
        lines += [r"\midrule"] if i in table.rules else []
        lines.append(row(cells))
    lines.append(r"\bottomrule")
    lines += [wide(rf"\footnotesize {latex_text(n)}") for n in table.notes]
    return "\n".join([*lines, r"\end{tabular}"])


# --- Typst ----------------------------------------------------------------------------------------------------

# Beside the signs of markup: comments, dashes and dots that become one, and what makes a list, a heading or a term at
# the start of a line.
_TYPST = re.compile(r"""[\\#\[\]*_$@<>`~"']|/(?=[/*])|-(?=[-?])|\.(?=\.\.)|^[-+=/](?=\s|=|$)|(?<=\d)\.(?=\s|$)""")


def typst_text(text: str) -> str:
    """Text that Typst sets as it is."""
    return _TYPST.sub(r"\\\g<0>", " ".join(text.split()))


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
