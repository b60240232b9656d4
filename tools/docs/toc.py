"""Contents of a page that was not made from Markdown: headings of its HTML, nested by level."""

from __future__ import annotations

import html
import re
from typing import Any

_HEADING = re.compile(r"<h([1-4])(?P<attributes>[^>]*)>(?P<words>.*?)</h\1>", re.DOTALL)
_ID = re.compile(r'\bid="([^"]+)"')
_MATH = re.compile(r"<annotation.*?</annotation>", re.DOTALL)


def tokens(page: str) -> list[dict[str, Any]]:
    """Headings as the table of contents of Python-Markdown has them."""
    found: list[dict[str, Any]] = []
    open_: list[dict[str, Any]] = []
    for heading in _HEADING.finditer(page):
        name = _ID.search(heading["attributes"])
        level = int(heading[1])
        if name is None:
            continue
        words = html.unescape(re.sub(r"<[^>]+>", "", _MATH.sub("", heading["words"])))
        token = {"level": level, "id": name[1], "name": words, "html": words, "data-toc-label": "", "children": []}
        while open_ and open_[-1]["level"] >= level:
            open_.pop()
        (open_[-1]["children"] if open_ else found).append(token)
        open_.append(token)
    return found
