"""Pages that are written in Markdown: guides, whose Python blocks are run, the README's examples, records, changes."""

from __future__ import annotations

import html
import re
from pathlib import Path

from tools.docs import blocks
from tools.docs.site import ROOT, Site, link

_BLOCK = re.compile(r"^(?P<marks>`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=marks)[ \t]*$", re.DOTALL | re.MULTILINE)
RECORDS = {
    "benchmarks/RESULTS.md": "Speed",
    "benchmarks/COVERAGE.md": "Coverage",
    "benchmarks/REPRODUCED.md": "Reproduced papers",
}


def runs(info: str) -> bool:
    """Whether a block of this heading is run: plain `python`, or `{python}`, without `.no-run`."""
    words = re.findall(r"[\w.-]+", info)
    return bool(words) and words[0].lstrip(".") == "python" and ".no-run" not in words and "no-run" not in words


def executed(text: str, page: str, site: Site, where: str) -> str:
    """Markdown with the output of each Python block below it; the blocks of a page share a namespace."""
    found = list(_BLOCK.finditer(text))
    todo = [block for block in found if runs(block["info"])]
    outputs = iter(blocks.run([block["code"] for block in todo], where, site.cache / "blocks")) if todo else iter(())
    pieces, last, number = [], 0, 0
    for block in found:
        pieces.append(text[last : block.start()])
        last = block.end()
        language = (re.findall(r"\w+", block["info"]) or ["text"])[0]
        pieces.append(blocks.fenced(block["code"].rstrip("\n"), language))
        if block in todo:
            output, number = next(outputs), number + 1
            files = [site.keep(f"{page[:-3]}-{number}-{i}.png", f) for i, f in enumerate(output.figures)]
            pieces.append(
                "\n\n" + blocks.shown(output, [link(page, file) for file in files], "Figure that this code draws")
            )
            for figure in output.figures:
                site.hang(figure, page, _title(text, where), "Guides")
    return "".join([*pieces, text[last:]])


def _title(text: str, other: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE) or re.search(r"^title: *(.+)$", text, re.MULTILINE)
    return re.sub(r"[`*\"]", "", found[1]).strip() if found else other


def pages(site: Site, only: int | None = None) -> dict[str, str]:
    """Write the guides; returns page by title."""
    made = {}
    for file in sorted((ROOT / "docs" / "guides").glob("*.md"))[:only]:
        page = f"guides/{file.name}"
        text = _moved(file.read_text(encoding="utf-8"), file, page, site)
        made[_title(text, file.stem)] = site.write(page, executed(text, page, site, str(file.relative_to(ROOT))))
        print(f"Guides: {file.stem}", flush=True)
    return made


def records(site: Site) -> dict[str, str]:
    """Write the pages about speed, coverage and reproduced papers; returns page by title."""
    made = {}
    for place, title in RECORDS.items():
        file = ROOT / place
        if file.is_file():
            page = f"records/{file.stem.lower()}.md"
            text = _moved(file.read_text(encoding="utf-8"), file, page, site)
            made[title] = site.write(page, text, title=title)
    return made


def changes(site: Site) -> str:
    file = ROOT / "CHANGELOG.md"
    return site.write("changes.md", _moved(file.read_text(encoding="utf-8"), file, "changes.md", site), title="Changes")


_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!\w+:|#)([^)\s]+)\)")


def _moved(text: str, file: Path, page: str, site: Site) -> str:
    """Links of a file of the repository as the page writes them; a link to what the site has not is its words alone."""

    def one(found: re.Match[str]) -> str:
        image, words, place = found[1], found[2], found[3]
        path, _, anchor = place.partition("#")
        target = (file.parent / path).resolve()
        other = _page(target, site)
        if image and target.is_file():
            kept = site.keep(f"{page[:-3]}/{target.name}", target.read_bytes())
            return f"![{words}]({link(page, kept)})"
        if other:
            return f"[{words}]({link(page, other)}{'#' + anchor if anchor else ''})"
        return words

    return _LINK.sub(one, _BARRED.sub(_with_bars, text))


_BARRED = re.compile(r"^\|.*`[^`\n]*\\\|.*$", re.MULTILINE)


def _with_bars(row: re.Match[str]) -> str:
    """A row of a table whose code has bars in it, which Python-Markdown reads as GitHub does only so."""
    return re.sub(r"`([^`]*\\\|[^`]*)`", lambda m: f"<code>{_bars(m[1])}</code>", row[0])


def _bars(code: str) -> str:
    return html.escape(code, quote=False).replace("\\|", "&#124;")


def _page(target: Path, site: Site) -> str:
    """The site's page of a file in the repository, or empty."""
    try:
        place = target.relative_to(ROOT).as_posix()
    except ValueError:
        return ""
    if place in RECORDS and target.is_file():
        return f"records/{target.stem.lower()}.md"
    if place.startswith("docs/") and place.endswith(".md"):
        made = place.removeprefix("docs/")
        return made if target.is_file() or made.startswith(("verbs/", "vignettes/", "reference/")) else ""
    name = target.stem
    if place.startswith("vignettes/") and f"vignette:{name}" in site.words:
        return site.words[f"vignette:{name}"]
    return {"CHANGELOG.md": "changes.md", "README.md": "index.md"}.get(place, "")
