"""The vignettes inside the site: run by `statinf.vignette`, set by Pandoc, placed on the site's pages."""

from __future__ import annotations

import html
import re
from pathlib import Path

from statinf.vignette.catalog import Vignette, available
from statinf.vignette.index import HEADINGS
from statinf.vignette.markdown import to_markdown
from statinf.vignette.pandoc import pandoc, table_to_markdown
from statinf.vignette.parse import read
from statinf.vignette.rendering import fragment
from statinf.vignette.run import execute
from tools.docs.site import Site, link

_REFERS = re.compile(r'href="([\w-]+)\.(?:qmd|html)(#[^"]*)?"')


def listed(site: Site) -> dict[str, list[Vignette]]:
    """Vignettes by heading, the families in their order."""
    wanted = [v for v in available() if site.wants(v.name)] if site.size != "none" else []
    named = {v.name: HEADINGS.get(v.categories[0] if v.categories else "", "Others") for v in wanted}
    order = dict.fromkeys([*HEADINGS.values(), "Others"])
    found = {heading: [v for v in wanted if named[v.name] == heading] for heading in order}
    return {heading: those for heading, those in found.items() if those}


def page_of(name: str) -> str:
    return f"vignettes/{name}.md"


def pages(site: Site) -> dict[str, list[str]]:
    """Render every vignette, or read it back, and write the index; returns pages by heading."""
    groups = listed(site)
    for heading, those in groups.items():
        for vignette in those:
            _render(site, vignette, heading)
            print(f"{heading}: {vignette.name}", flush=True)
    if groups:
        site.write("vignettes/index.md", _index(site, groups), title="Vignettes", hide="[toc]")
    return {heading: [page_of(v.name) for v in those] for heading, those in groups.items()}


def _render(site: Site, vignette: Vignette, heading: str) -> None:
    document = read(vignette.path)
    executed = execute(document, size=site.size, cache=site.cache / "vignettes")
    made = to_markdown(executed, "html", table_to_markdown)
    page = page_of(vignette.name)
    for file, content in made.media.items():
        site.keep(f"vignettes/{vignette.name}/{file}", content)
    body = fragment(executed, made)
    for file in made.media:
        body = body.replace(f'src="{file}"', f'src="{vignette.name}/{file}" loading="lazy"')
    body = _REFERS.sub(lambda m: f'href="{m[1]}.html{m[2] or ""}"', body)
    about = document.meta.get("abstract") or document.meta.get("description") or ""
    lead = f'<div class="abstract">{_pandoc(str(about))}</div>' if about else ""
    title = _flat(vignette.title)
    source = f'<p class="made">Run at the size “{executed.size}” from <code>vignettes/{vignette.path.name}</code>: '
    source += f"<code>statinf reproduce {vignette.name}</code> runs it for you.</p>"
    site.fragments[page] = f"<h1>{title}</h1>\n{lead}\n{body}\n{source}"
    site.write(page, f"# {vignette.title}", title=_yaml(vignette.title))
    pictures = [content for file, content in made.media.items() if Path(file).suffix == ".png"]
    for picture in pictures[:2]:
        site.hang(picture, page, re.sub(r"<[^>]+>", "", title), heading)


def _index(site: Site, groups: dict[str, list[Vignette]]) -> str:
    parts = [
        "# Vignettes",
        "Papers and tasks from the data to the table, run from top to bottom when this site was built.",
    ]
    for heading, those in groups.items():
        cards = "".join(_card(site, vignette) for vignette in those)
        parts += [f"## {heading}", f'<div class="cards">{cards}</div>']
    return "\n\n".join(parts)


def _card(site: Site, vignette: Vignette) -> str:
    page = page_of(vignette.name)
    found = next((p.thumbnail for p in site.pictures if p.page == page), "")
    image = f'<img src="{link("vignettes/index.md", found)}" alt="" loading="lazy">' if found else ""
    about = re.sub(r"</?p>", "", _pandoc(vignette.description)).replace("\n", " ") if vignette.description else ""
    return (
        f'<div class="card"><a class="picture" href="{vignette.name}.html" tabindex="-1" aria-hidden="true">{image}</a>'
        f'<p class="name"><a href="{vignette.name}.html">{_flat(vignette.title)}</a></p><p class="about">{about}</p></div>'
    )


def _flat(markdown: str) -> str:
    return re.sub(r"</?p>", "", _pandoc(markdown)).strip()


def _pandoc(markdown: str) -> str:
    return pandoc(markdown, ["--from=markdown", "--to=html", "--mathml", "--wrap=none"]).decode().strip()


def _yaml(text: str) -> str:
    return '"' + html.unescape(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
