"""A table as plain text, in HTML and in Markdown. Text stands for itself in each: what a language would read is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from statinf.results.table import Table

ITEM = re.compile(r"^(\d+)([.)])(?=\s|$)")
"""The number of an item in a list."""
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


def starts(texts: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Texts above headings with the first column that each stands over and their number; the table's first is 0."""
    at = 1
    for text, count in texts:
        yield text, at, count
        at += count


# --- plain text -----------------------------------------------------------------------------------------------


def text_table(table: Table) -> str:
    """Columns aligned, the first to the left; a text over several columns in their middle, a line below it."""
    grid = [[one_line(c) for c in cells] for cells in (table.columns, *table.rows)]
    for i in table.indented:
        grid[i + 1][0] = f"  {grid[i + 1][0]}"
    heads = set(table.heads)
    inner = [cells for i, cells in enumerate(grid, start=-1) if i not in heads]
    widths = [max(width(row[j]) for row in inner) for j in range(len(table.columns))]
    widths[0] = max(widths[0], *(width(one_line(name)) for name, _ in table.spans), 0) if table.spans else widths[0]
    for _, texts in table.spans:
        for text, at, count in starts(texts):
            widths[at + count - 1] += max(0, width(one_line(text)) - _between(widths, at, count))
    longest = max((width(grid[i + 1][0]) for i in heads), default=0)
    widths[-1] += max(0, longest - _between(widths, 0, len(widths)))
    line = "-" * _between(widths, 0, len(widths))
    out = [one_line(table.caption)] if table.caption else []
    out += [one_line(table.title)] if table.title else []
    out += _facts_in_two_columns(table.facts, len(line))
    for name, texts, ruled in table.ruled_spans:
        out += _span_lines(one_line(name), texts, widths, ruled)
    out += [_text_row(grid[0], widths), line]
    for i, row in enumerate(grid[1:]):
        if i in table.rules:
            out.append(line)
        out.append(row[0] if i in heads else _text_row(row, widths))
    if table.notes:
        out += [line, *map(one_line, table.notes)]
    return "\n".join(text.rstrip() for text in out)


def _between(widths: Sequence[int], at: int, count: int) -> int:
    """Width of some neighbouring columns, the blanks between them included."""
    return sum(widths[at : at + count]) + 2 * (count - 1)


def _span_lines(name: str, texts: Sequence[tuple[str, int]], widths: Sequence[int], ruled: bool) -> list[str]:
    above, below = [padded(name, widths[0], right=False)], [" " * widths[0]]
    for text, at, count in starts(texts):
        room, shown = _between(widths, at, count), one_line(text)
        left = (room - width(shown)) // 2 if count > 1 else room - width(shown)
        above.append(padded(" " * left + shown, room, right=False))
        below.append(("-" if shown and count > 1 else " ") * room)
    lines = ["  ".join(above), "  ".join(below)]
    return lines if ruled and lines[1].strip() else lines[:1]


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(padded(c, w, right=j > 0) for j, (c, w) in enumerate(zip(cells, widths, strict=True)))


def _facts_in_two_columns(facts: Sequence[tuple[str, str]], least: int) -> list[str]:
    if not facts:
        return []
    shown = [one_line(f"{k}: {v}") for k, v in facts]
    half = max(map(width, shown)) + 3
    if 2 * half > max(least, 78):
        return [*shown, ""]
    pairs = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    return ["".join(padded(s, half, right=False) for s in pair) for pair in pairs] + [""]


# --- HTML -----------------------------------------------------------------------------------------------------


def html_text(text: str) -> str:
    """Text that HTML shows as it is."""
    return html.escape(one_line(text))


def html_table(table: Table) -> str:
    """A `div` with the table; its classes keep MathJax from reading dollar signs."""
    span, rule = len(table.columns), "border-top:1px solid currentColor"
    body = []
    for i, row in enumerate(table.rows):
        border = f' style="{rule}"' if i in table.rules else ""
        if i in table.heads:
            cells = f'<th colspan="{span}" scope="rowgroup" style="text-align:left">{html_text(row[0])}</th>'
        else:
            cells = _html_cells(row, "td", indent=i in table.indented)
        body.append(f"<tr{border}>{cells}</tr>")
    foot = "".join(
        f'<tr><td colspan="{span}" style="text-align:left"><small>{html_text(n)}</small></td></tr>' for n in table.notes
    )
    facts = " &middot; ".join(f"{html_text(k)}: {html_text(v)}" for k, v in table.facts)
    above = f"<p><strong>{html_text(table.title)}</strong></p>" if table.title else ""
    above += f"<p><small>{facts}</small></p>" if facts else ""
    name = f' id="{table.label}"' if table.label else ""
    caption = f"<caption>{html_text(table.caption)}</caption>" if table.caption else ""
    head = "".join(f"<tr>{_html_span(*one)}</tr>" for one in table.ruled_spans)
    return (
        f'<div class="statinf-result tex2jax_ignore mathjax_ignore"{name}>{above}<table class="statinf">{caption}'
        f"<thead>{head}<tr>{_html_cells(table.columns, 'th')}</tr></thead><tbody>{''.join(body)}</tbody>"
        f"{f'<tfoot>{foot}</tfoot>' if foot else ''}</table></div>"
    )


def _html_cells(row: Sequence[str], tag: str, indent: bool = False) -> str:
    kind = f'{tag} scope="col"' if tag == "th" else tag
    first = "text-align:left" + (";padding-left:1.5em" if indent else "")
    styles = (first, *["text-align:right"] * (len(row) - 1))
    return "".join(f'<{kind} style="{s}">{html_text(c)}</{tag}>' for s, c in zip(styles, row, strict=True))


def _html_span(name: str, texts: Sequence[tuple[str, int]], ruled: bool) -> str:
    cells = [f'<th scope="row" style="text-align:left">{html_text(name)}</th>']
    for text, count in texts:
        style = f"text-align:{'center' if count > 1 else 'right'}"
        style += ";border-bottom:1px solid currentColor" if ruled and count > 1 and text else ""
        cells.append(f'<th colspan="{count}" scope="colgroup" style="{style}">{html_text(text)}</th>')
    return "".join(cells)


def html_page(table: Table) -> str:
    """The table as a page of its own."""
    title = html_text(table.caption or table.title or "Table")
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
    return ITEM.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", one_line(text)))


def markdown_table(table: Table) -> str:
    """A pipe table whose columns are aligned in the source too; what spans columns is repeated in each."""
    grid = [[markdown_text(c) for c in cells] for cells in (table.columns, *table.unrolled)]
    body = grid[1 + len(table.spans) :]
    for i in table.heads:
        body[i][0] = f"*{body[i][0]}*" if body[i][0] else ""
    for i in table.indented:
        body[i][0] = f"&emsp;{body[i][0]}"
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
    if table.caption:
        lines += ["", f": {markdown_text(table.caption)}" + (f" {{#{table.label}}}" if table.label else "")]
    if table.notes:
        lines += ["", *[f"*{markdown_text(n)}*  " for n in table.notes]]
    return "\n".join(lines)
