"""Quarto's callouts as divs with a visible title, which every format can show."""

from __future__ import annotations

import re

_OPEN = re.compile(r"^(?P<marks>:{3,})\s*\{(?P<inside>[^}]*\.callout-(?P<kind>\w+)[^}]*)\}\s*$")
_TITLE = re.compile(r"""title\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)(?:\s+\{[^}]*\})?\s*$")
_TYPST = 'typst:fill="luma(245)" typst:inset="9pt" typst:radius="3pt" typst:width="100%"'


def callouts(text: str, to: str = "html") -> str:
    """Give every ``::: {.callout-note}`` a title paragraph and leave only its classes on the div.

    The title is the attribute ``title=``, else a heading right below the opening line, else the callout's kind.

    Parameters
    ----------
    text : str
        Markdown without fenced code.
    to : str
        Format of the page; in GitHub Markdown a callout becomes an alert of the same kind.

    Returns
    -------
    str
        Markdown in which Pandoc needs no filter to show the callouts.
    """
    rows = text.split("\n")
    done: list[str] = []
    while rows:
        row = rows.pop(0)
        found = _OPEN.match(row)
        if not found:
            done.append(row)
            continue
        title, rows = _title(found, rows)
        kind, marks = found["kind"], found["marks"]
        name = re.search(r"#[\w-]+", _TITLE.sub("", found["inside"]))
        anchor = f"{name[0]} " if name else ""
        if to == "gfm":
            done += [f"{marks} {{{anchor}.{kind}}}", "", "::: {.title}", kind.capitalize(), ":::", ""]
            done += [f"**{title}**", ""] if title != kind.capitalize() else []
            continue
        box = f" {_TYPST}" if to == "typst" else ""
        done += [
            f"{marks} {{{anchor}.callout .callout-{kind}{box}}}",
            "",
            "::: {.callout-title}",
            f"**{title}**",
            ":::",
            "",
        ]
    return "\n".join(done)


def _title(found: re.Match[str], rows: list[str]) -> tuple[str, list[str]]:
    given = _TITLE.search(found["inside"])
    if given:
        return given[1] if given[1] is not None else given[2], rows
    first = next((i for i, row in enumerate(rows) if row.strip()), len(rows))
    heading = _HEADING.match(rows[first]) if first < len(rows) else None
    if heading:
        return heading[1], rows[first + 1 :]
    return found["kind"].capitalize(), rows
