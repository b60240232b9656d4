"""Walk every page of the site in headless Chromium: ``python -m tools.docs.check OUT [--shots FOLDER]``.

A page fails for a link or an anchor that leads nowhere, a picture that does not load, a width beyond 390 px on a telephone,
an error in the console, and for asking any other host; on a desk for verdicts that are wider than the text.
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import re
import sys
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tools.docs.browser import Browser, chromium, program

NARROW, WIDE = 390, 1280
_CUT = """[...document.querySelectorAll('table.verdicts')].filter(
  e => e.scrollWidth > e.parentElement.clientWidth + 2).map(e => e.scrollWidth + ' px in ' + e.parentElement.clientWidth)"""
_WIDER = """(() => {
  const width = NARROW, found = [];
  if (document.documentElement.scrollWidth > width) {
    for (const e of document.querySelectorAll('.md-content *')) {
      const box = e.getBoundingClientRect();
      if (box.right > width + 1 && box.width > 0) {
        found.push(e.tagName + '.' + e.className + ': ' + (e.textContent || '').trim().slice(0, 60));
      }
      if (found.length > 2) break;
    }
    return 'wider than the screen by ' + (document.documentElement.scrollWidth - width) + ' px: ' + found.join('; ');
  }
  return '';
})()""".replace("NARROW", str(NARROW))
_BROKEN = """(async () => {
  const images = [...document.images];
  for (const i of images) { i.loading = 'eager'; }
  await Promise.all(images.map(i => i.decode().catch(() => 0)));
  return images.filter(i => !i.complete || !i.naturalWidth).map(i => i.getAttribute('src'));
})()"""


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {v for v in (given.get("id"), given.get("name") if tag == "a" else None) if v}
        self.links += [v for v in (given.get("href") if tag in ("a", "link") else given.get("src"),) if v]


def pages(folder: Path) -> list[Path]:
    """HTML files of the site."""
    return sorted(
        p for p in folder.rglob("*.html") if not any(part.startswith(".") for part in p.relative_to(folder).parts)
    )


def links(folder: Path) -> list[str]:
    """Links and anchors that lead nowhere, by page; needs no browser."""
    read = {}
    for page in pages(folder):
        read[page.resolve()] = parser = _Links()
        parser.feed(page.read_text(encoding="utf-8"))
    found = []
    for page, parser in read.items():
        for address in dict.fromkeys(parser.links):
            problem = _problem(address, page, read, folder.resolve())
            if problem:
                found.append(f"{page.relative_to(folder.resolve())}: {problem}")
    return found


PARTS = ("Example", "Formula", "Arguments", "What comes back", "Errors and warnings", "Certificate", "Vignettes")


def verbs(folder: Path) -> list[str]:
    """What pages of verbs with a formula lack: a part, the figure of the example, a method's paper or guarantee."""
    found = []
    for page in sorted((folder / "verbs").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        if 'id="formula"' not in text:
            continue
        parts = PARTS if (folder / "vignettes").is_dir() else PARTS[:-1]
        lacks = [part for part in parts if f'id="{part.lower().replace(" ", "-")}"' not in text]
        lacks += [fact for fact in ("Guarantee", "Paper") if f"<strong>{fact}</strong>" not in text]
        lacks += [] if re.search(r'<img [^>]*class="figure"', text) else ["figure"]
        found += [f"{page.relative_to(folder)}: without {part}" for part in lacks]
    return found


def _problem(address: str, page: Path, read: dict[Path, _Links], folder: Path) -> str:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    path, name = urllib.parse.unquote(parts.path), urllib.parse.unquote(parts.fragment)
    target = page if not path else (folder / path.lstrip("/") if path.startswith("/") else page.parent / path).resolve()
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return f"the link {address} leads nowhere"
    if name and target in read and name not in read[target].names and not name.startswith("__"):
        return f"{address}: the page has no such anchor"
    return ""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of the folder on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def walk(folder: Path, browser: Browser, address: str, chosen: Sequence[Path] | None = None) -> list[str]:
    """What is wrong with each page at a telephone's width, and with its verdicts at a desk's."""
    found = []
    for page in chosen or pages(folder):
        name = page.relative_to(folder).as_posix()
        browser.resize(NARROW)
        browser.open(f"{address}/{name}")
        problems = [f"the picture {src} does not load" for src in browser.evaluate(_BROKEN)]
        wide = browser.evaluate(_WIDER)
        problems += [wide] if wide else []
        browser.resize(WIDE)
        problems += [f"verdicts are cut off: {cut}" for cut in browser.evaluate(_CUT)]
        problems += list(dict.fromkeys(_said(browser.seen, address)))
        found += [f"{name}: {problem}" for problem in problems]
    return found


def _said(events: Sequence[dict[str, Any]], address: str) -> Iterator[str]:
    for event in events:
        method, params = event.get("method", ""), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            yield f"error: {details.get('exception', {}).get('description', details.get('text'))}"
        elif method == "Runtime.consoleAPICalled" and params.get("type") in ("error", "assert"):
            yield f"console: {params.get('args')}"
        elif method == "Log.entryAdded" and params["entry"].get("level") == "error":
            yield f"console: {params['entry'].get('text')} {params['entry'].get('url', '')}"
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith((address, "data:", "blob:", "about:")):
                yield f"asks {url}"


def shots(folder: Path, browser: Browser, address: str, names: Sequence[str], out: Path, height: int = 1400) -> None:
    """Pictures of pages: wide and narrow, light and dark."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        for width, scheme in ((1280, "light"), (1280, "dark"), (NARROW, "light"), (NARROW, "dark")):
            browser.resize(width, height)
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.open(f"{address}/{name}")
            browser.evaluate(_BROKEN)
            picture = browser.call("Page.captureScreenshot", format="png")["data"]
            file = f"{Path(name).with_suffix('').as_posix().replace('/', '-')}-{width}-{scheme}.png"
            (out / file).write_bytes(base64.b64decode(picture))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs.check", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=Path("docs/_build"), help="folder of the site")
    parser.add_argument("--shots", type=Path, help="folder for pictures of the pages that --pages names")
    parser.add_argument("--pages", nargs="+", default=["index.html"])
    parser.add_argument("--height", type=int, default=1400)
    options = parser.parse_args(arguments)
    folder = options.out.resolve()
    problems = [*links(folder), *verbs(folder)]
    path = program()
    if path is None:
        print("no Chromium on the path: only links and anchors were looked at", file=sys.stderr)
    else:
        with served(folder) as address, chromium(path) as browser:
            if options.shots:
                shots(folder, browser, address, options.pages, options.shots, options.height)
                return 0
            problems += walk(folder, browser, address)
    print("\n".join([*problems, f"{len(pages(folder))} pages, {len(problems)} problems"]))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
