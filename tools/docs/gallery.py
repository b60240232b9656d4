"""The gallery: a small copy of the figures of all pages, each with the page that draws it."""

from __future__ import annotations

import html

from statinf.vignette.index import HEADINGS
from tools.docs.site import Site, link

PAGE = "gallery.md"


def page(site: Site) -> str:
    parts = ["# Gallery", "Every picture leads to the page that draws it, with its code."]
    order = {heading: number for number, heading in enumerate(HEADINGS.values())}
    headings = sorted(
        dict.fromkeys(p.heading for p in site.pictures), key=lambda heading: order.get(heading, len(order))
    )
    for heading in headings:
        tiles = "".join(
            f'<a class="tile" href="{link(PAGE, p.page)[:-3]}.html"><img src="{link(PAGE, p.thumbnail)}" '
            f'alt="Figure of {html.escape(p.title)}" loading="lazy"><span>{html.escape(html.unescape(p.title))}</span></a>'
            for p in site.pictures
            if p.heading == heading
        )
        parts += [f"## {heading}", f'<div class="tiles">{tiles}</div>']
    return site.write(PAGE, "\n\n".join(parts), title="Gallery", hide="[navigation]")
