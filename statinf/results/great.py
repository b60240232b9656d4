"""A table as a `GT` of great_tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from statinf.optional import need
from statinf.results.markup import html_text, one_line, starts

if TYPE_CHECKING:
    from statinf.results.table import Table


def great_table(table: Table) -> Any:
    """The table with its caption as header, what stands above columns as spanners, and its notes; see `Table.to_gt`."""
    import pandas as pd

    great = need("great_tables", "a table as a GT")
    ids = [f"c{j}" for j in range(len(table.columns))]
    grid = [[one_line(c) for c in row] for row in table.rows]
    made = great.GT(pd.DataFrame(grid, columns=pd.Index(ids), dtype=object))
    made = made.cols_label(**{i: great.html(html_text(c)) for i, c in zip(ids, table.columns, strict=True)})
    made = made.cols_align(align="right", columns=ids[1:]).cols_align(align="left", columns=ids[0])
    if table.caption or table.title:
        made = made.tab_header(title=great.html(html_text(table.caption or table.title)))
    for level, (name, texts) in enumerate(reversed(table.spans)):
        for text, at, count in starts(texts):
            if text:
                made = made.tab_spanner(
                    label=great.html(html_text(text)), columns=ids[at : at + count], level=level, id=f"{name}, {at}"
                )
    style, place = great.style, great.loc
    if table.heads:
        made = made.tab_style(style.text(style="italic"), place.body(columns=ids[0], rows=list(table.heads)))
    if table.indented:
        made = made.tab_style(style.css("padding-left: 1.5em;"), place.body(columns=ids[0], rows=list(table.indented)))
    if table.rules:
        made = made.tab_style(style.borders(sides="top", weight="1px"), place.body(rows=list(table.rules)))
    for note in [*(f"{key}: {value}" for key, value in table.facts), *table.notes]:
        made = made.tab_source_note(great.html(html_text(note)))
    return made
