"""A front page for a folder of rendered vignettes."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable
from pathlib import Path

from statinf.errors import StatinfError
from statinf.vignette.catalog import Vignette, available
from statinf.vignette.errors import VignetteError, need
from statinf.vignette.pandoc import pandoc
from statinf.vignette.rendering import ASSETS

HEADINGS = {
    "start": "Start",
    "models": "Regression",
    "balance": "Balance and weights",
    "effects": "Treatment effects",
    "quantile": "Quantiles, tails and distributions",
    "conformal": "Conformal prediction and calibration",
    "stochastic": "Streams and stochastic approximation",
    "shift": "Other populations",
}
"""Headings of the index by the first of a vignette's categories, in the order of the page."""

_IMAGE = re.compile(r'<img\b[^>]*?\bsrc="data:image/(?:png|jpeg);base64,([^"]+)"')
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_ABOUT = re.compile(r'<meta name="description" content="([^"]*)"')


def build_index(
    folder: str | Path,
    *,
    title: str = "statinf: vignettes",
    intro: str = "",
    vignettes: Iterable[Vignette] | None = None,
) -> Path:
    """Write ``index.html``: a card for each page with title, abstract and its first figure.

    Cards are grouped by the first of the vignette's ``categories``, the families in the order of `HEADINGS` and others
    after them; those without one come first. Within a group pages with an ``order`` come first, then by name.

    Parameters
    ----------
    folder : str or Path
        Folder of rendered pages (``*.html``).
    title, intro : str
        Heading and introduction (Markdown) of the page.
    vignettes : iterable of Vignette, optional
        Sources of the pages, matched by name; by default those that `statinf.vignette.find` knows. A page without a
        source is described by its own title and description.

    Returns
    -------
    Path
        The index.

    Raises
    ------
    VignetteError
        If the folder has no pages.
    """
    folder = Path(folder)
    pages = sorted(page for page in folder.glob("*.html") if page.name != "index.html")
    if not pages:
        raise VignetteError(f"{folder} has no rendered pages (*.html) to list")
    known = {vignette.name: vignette for vignette in (available() if vignettes is None else vignettes)}
    texts = {page: page.read_text(encoding="utf-8", errors="replace") for page in pages}
    described = {page: known.get(page.stem) or _from_page(page, text) for page, text in texts.items()}
    groups: dict[str, list[str]] = {}
    for page in sorted(pages, key=lambda page: (described[page].order, page.name)):
        text, about = texts[page], described[page]
        groups.setdefault(about.categories[0] if about.categories else "", []).append(_card(page, text, about))
    body = [_inline(intro)] if intro else []
    ours = [name for name in ("", *HEADINGS) if name in groups]
    for name in [*ours, *sorted(set(groups) - set(ours))]:
        words = HEADINGS.get(name, name[:1].upper() + name[1:])
        heading = f"<h2>{html.escape(words)}</h2>\n" if name else ""
        body.append(f'{heading}<div class="cards">\n{"".join(groups[name])}</div>')
    css = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "index.css"))
    target = folder / "index.html"
    target.write_text(_PAGE.format(title=html.escape(title), css=css, body="\n".join(body)), encoding="utf-8")
    return target


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}
</style>
</head>
<body class="index">
<main>
<header id="title-block"><h1>{title}</h1></header>
{body}
</main>
</body>
</html>
"""


def _from_page(page: Path, text: str) -> Vignette:
    title, about = _TITLE.search(text), _ABOUT.search(text)
    name = html.unescape(title[1]).strip() if title else page.stem
    return Vignette(page.stem, page, name, html.unescape(about[1]) if about else "")


def _card(page: Path, text: str, about: Vignette) -> str:
    picture = _thumbnail(page, text)
    image = f'<img src="{picture}" alt="" loading="lazy">' if picture else '<span class="blank"></span>'
    words = f'<div class="about">{_inline(about.description)}</div>' if about.description else ""
    heading = re.sub(r"</?p>", "", _inline(about.title)).strip()
    return (
        f'<article class="card"><a class="picture" href="{page.name}" tabindex="-1">{image}</a>'
        f'<h3><a href="{page.name}">{heading}</a></h3>{words}</article>\n'
    )


def _inline(markdown: str) -> str:
    return pandoc(markdown, ["--from=markdown", "--to=html", "--mathml"]).decode().strip()


def _thumbnail(page: Path, text: str) -> str:
    """Small copy of the page's first figure beside the index; empty if it has none or Pillow is missing."""
    found = _IMAGE.search(text)
    if not found:
        return ""
    try:
        pillow = need("PIL.Image")
    except StatinfError:
        return ""
    image = pillow.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")
    image.thumbnail((640, 420))
    file = page.parent / "thumbnails" / f"{page.stem}.png"
    file.parent.mkdir(exist_ok=True)
    image.save(file, optimize=True)
    return f"thumbnails/{file.name}"
