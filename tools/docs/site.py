"""`Site`: the folder of sources that mkdocs builds from, and what pages know of one another."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from statinf.optional import need

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Picture:
    """A figure of a page, for the gallery: thumbnail, the page and its title, and the gallery's heading."""

    thumbnail: str
    page: str
    title: str
    heading: str


@dataclass
class Site:
    """Pages as they are written.

    Attributes
    ----------
    folder : Path
        Sources: Markdown files, figures.
    cache : Path
        What earlier builds ran.
    size : str
        Size of the vignettes: "smoke" or "reduced", or "none" for a site without them.
    only : frozenset of str
        Names of the verbs and vignettes that get a page; all of them if empty.
    fragments : dict of str to str
        HTML by the page that takes it in place of its Markdown.
    pictures : list of Picture
    words : dict of str to str
        Page by what is written of it in backticks, such as ``si.lm`` and ``LinearFit``.
    """

    folder: Path
    cache: Path
    size: str = "reduced"
    only: frozenset[str] = frozenset()
    fragments: dict[str, str] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only

    def write(self, page: str, text: str, **front: object) -> str:
        """Write a page (a path that ends in .md) and return its path."""
        file = self.folder / page
        file.parent.mkdir(parents=True, exist_ok=True)
        head = "".join(f"{name}: {value}\n" for name, value in front.items())
        file.write_text(f"---\n{head}---\n\n{text.strip()}\n" if head else f"{text.strip()}\n", encoding="utf-8")
        return page

    def keep(self, file: str, content: bytes) -> str:
        """Write a figure or another file that pages link to."""
        place = self.folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return file

    def hang(self, content: bytes, page: str, title: str, heading: str) -> None:
        """Put a figure into the gallery."""
        made = thumbnail(content)
        if made:
            name = f"gallery/{len(self.pictures):03d}-{Path(page).stem}.png"
            self.pictures.append(Picture(self.keep(name, made), page, title, heading))


def link(page: str, other: str) -> str:
    """Address of `other` (a page, a figure, with an anchor perhaps) as `page` writes it."""
    file, mark, anchor = other.partition("#")
    return os.path.relpath(file, os.path.dirname(page) or ".").replace(os.sep, "/") + mark + anchor


def thumbnail(content: bytes) -> bytes:
    """A small copy of a figure on white; empty for anything but PNG and JPEG."""
    pillow = need("PIL.Image", "the gallery")
    if not content.startswith((b"\x89PNG", b"\xff\xd8")):
        return b""
    image = pillow.open(io.BytesIO(content)).convert("RGBA")
    white = pillow.new("RGBA", image.size, "white")
    small = pillow.alpha_composite(white, image).convert("RGB")
    small.thumbnail((640, 480))
    held = io.BytesIO()
    small.quantize(128, dither=0).save(held, "PNG", optimize=True)
    return held.getvalue()


def slug(text: str) -> str:
    """A name for files and anchors."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
