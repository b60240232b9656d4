"""Build the site: ``python -m tools.docs OUT``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from statinf.errors import StatinfError
from tools.docs import classes, gallery, guides, home, setting, verbs, vignettes
from tools.docs.site import ROOT, Site


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "docs" / "_build", help="folder of the site")
    parser.add_argument("--size", choices=("none", "smoke", "reduced"), default="reduced", help="size of the vignettes")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="verbs and vignettes that get a page")
    parser.add_argument("--cache", type=Path, help="what earlier builds ran; by default OUT/.cache")
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="statinf-site-") as folder:
        cache = options.cache or options.out / ".cache"
        site = Site(Path(folder).resolve() / "pages", cache.resolve(), options.size, frozenset(options.only))
        nav = write(site)
        setting.build(site, options.out.resolve(), nav)
    print(f"{options.out / 'index.html'} ({time.perf_counter() - begun:.0f} s)")
    return 0


def write(site: Site) -> list[Any]:
    """Write all sources; returns the navigation."""
    _name_pages(site)
    shown = vignettes.pages(site)
    by_verb = verbs.pages(site, {Path(p).stem: p for pages in shown.values() for p in pages})
    reference = {} if site.only else classes.reference(site)
    guided = guides.pages(site, 1 if site.only else None)
    recorded = guides.records(site)
    nav: list[Any] = [{"Home": "index.md"}]
    if guided:
        site.write(
            "guides/index.md", _listed("Guides", "The calls that you know from other packages beside ours.", guided)
        )
        nav.append({"Guides": ["guides/index.md", *({title: page} for title, page in guided.items())]})
    nav.append({"Verbs": ["verbs/index.md", *_grouped(by_verb)]})
    if shown:
        nav.append({"Vignettes": ["vignettes/index.md", *_grouped(shown)]})
    nav.append({"Gallery": gallery.page(site)})
    if reference:
        site.write("reference/index.md", _reference(reference))
        nav.append({"Reference": ["reference/index.md", *_parts_first(reference)]})
    nav.append({"Records": [*({title: page} for title, page in recorded.items()), {"Changes": guides.changes(site)}]})
    home.page(
        site,
        {
            p
            for p in ("verbs/index.md", "vignettes/index.md", "gallery.md", "guides/index.md")
            if (site.folder / p).is_file()
        },
    )
    return nav


def _parts_first(pages: dict[str, str]) -> list[dict[str, str]]:
    """The modules before the many classes."""
    named = sorted(pages, key=lambda title: title not in classes.PARTS.values())
    return [{title: pages[title]} for title in named]


def _name_pages(site: Site) -> None:
    """What is written in backticks leads to these pages."""
    for names in verbs.verbs().values():
        site.words |= {f"si.{name}": f"verbs/{name}.md" for name in names if site.wants(name)}
    if not site.only:
        site.words |= {name: f"reference/{name}.md" for name in classes.results()}
    for those in vignettes.listed(site).values():
        for vignette in those:
            page = vignettes.page_of(vignette.name)
            site.words |= {f"vignette:{vignette.name}": page, f"title:{page}": vignette.title}


def _grouped(pages: dict[str, list[str]]) -> list[Any]:
    return [{heading: those} for heading, those in pages.items()]


def _listed(title: str, words: str, pages: dict[str, str]) -> str:
    lines = [f"- [{name}]({Path(page).name})" for name, page in pages.items()]
    return f"# {title}\n\n{words}\n\n" + "\n".join(lines)


def _reference(pages: dict[str, str]) -> str:
    parts = {title: page for title, page in pages.items() if title in classes.PARTS.values()}
    others = {title: page for title, page in pages.items() if title not in parts}
    words = "What verbs return, and the other parts that a user holds in hand."
    text = _listed("Reference", words, parts)
    found = "\n".join(f"- [{name}]({Path(page).name})" for name, page in others.items())
    return f'{text}\n\n## Results\n\n<div class="columns" markdown>\n\n{found}\n\n</div>'


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StatinfError as error:
        sys.exit(f"python -m tools.docs: {error}")
