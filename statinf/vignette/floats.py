"""Figures and tables with captions, labels and numbers, in the way each format takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from statinf.vignette import crossref
from statinf.vignette.crossref import LabelTarget
from statinf.vignette.outputs import Image
from statinf.vignette.parse import Cell
from statinf.vignette.run import Executed

_PIPE = re.compile(r"^\|.*\|[ \t]*$(?:\n\|.*\|[ \t]*$)+", re.MULTILINE)


@dataclass(frozen=True)
class Writer:
    """What every part of a page is written with: the run, the numbers, the format and how it takes HTML tables."""

    executed: Executed
    targets: Mapping[str, LabelTarget]
    to: str
    table: Callable[[str], str]

    def where(self, cell: Cell) -> str:
        """File and line of a cell, for messages."""
        return f"{self.executed.document.path}:{cell.line}"

    def caption(self, text: Any, label: str, cell: Cell) -> str:
        """Caption on one line with its references resolved and its own number in front."""
        resolved = crossref.references(" ".join(str(text or "").split()), self.targets, self.to, self.where(cell))
        return crossref.caption(resolved, label, self.targets, self.to)


def figures(cell: Cell, images: list[Image], writer: Writer) -> list[str]:
    """Markdown of a cell's images: one, several with a caption each, or panels under one caption.

    Parameters
    ----------
    cell : Cell
        Where they come from; ``fig-cap``, ``fig-subcap``, ``fig-alt``, ``out-width`` and ``layout-ncol`` are used.
    images : list of Image
        At least one, each with the name of its file.
    writer : Writer
        The page's settings.

    Returns
    -------
    list of str
        Blocks.
    """
    captions, panels = cell.options.get("fig-cap"), cell.options.get("fig-subcap")
    if isinstance(captions, list) and not panels:
        labels = crossref.cell_labels(cell) + [""] * len(images)
        texts = [*captions, *[""] * len(images)]
        made = [
            _image(image, writer.caption(texts[i], labels[i], cell), labels[i], cell, i)
            for i, image in enumerate(images)
        ]
        return _layout(made, cell, writer)
    label = cell.label if cell.label.startswith("fig-") else ""
    caption = writer.caption(captions, label, cell)
    if len(images) == 1:
        return [_image(images[0], caption, label, cell, 0)]
    names = panels if isinstance(panels, list) else []
    titles = [f"({ascii_lowercase[i % 26]}) {writer.caption(name, '', cell)}" for i, name in enumerate(names)]
    titles += [""] * len(images)
    made = _layout([_image(image, titles[i], "", cell, i) for i, image in enumerate(images)], cell, writer)
    return [float_block("\n\n".join(made), "figure", label, caption, writer)] if label or caption else made


def image(image: Image, cell: Cell) -> str:
    """Markdown of an image without a caption."""
    return _image(image, "", "", cell, 0)


def table(content: str, cell: Cell, writer: Writer) -> str:
    """Content of a labelled table cell with its caption: Pandoc's own caption line where there is a Markdown table."""
    caption = writer.caption(cell.options.get("tbl-cap"), cell.label, cell)
    found = _PIPE.search(content)
    if not found or writer.to in ("html", "gfm"):
        return float_block(content, "table", cell.label, caption, writer)
    return f"{content[: found.end()]}\n\n: {caption} {{#{cell.label}}}\n{content[found.end() :]}"


def float_block(content: str, kind: str, label: str, caption: str, writer: Writer) -> str:
    """Any content with an anchor and a caption, which stands above a table and below a figure."""
    anchor = f"#{label} " if label else ""
    if writer.to == "latex":
        name = f"{kind.capitalize()}\u00a0`\\the{kind}`{{=latex}}: "
        head = f"`\\refstepcounter{{{kind}}}\\label{{{label}}}`{{=latex}}{name}{caption}" if label else caption
    elif writer.to == "gfm":
        head = f"[**{caption}**]{{#{label}}}" if label else f"**{caption}**"
    else:
        style = "Table Caption" if kind == "table" else "Image Caption"
        head = f'::: {{.caption custom-style="{style}"}}\n{caption}\n:::'
    parts = [head, content] if kind == "table" else [content, head]
    body = "\n\n".join(part for part in parts if part)
    return body if writer.to in ("latex", "gfm") else f":::: {{{anchor}.float .float-{kind}}}\n{body}\n::::"


def _layout(blocks: list[str], cell: Cell, writer: Writer) -> list[str]:
    columns = cell.options.get("layout-ncol")
    if not columns or writer.to != "html" or len(blocks) < 2:
        return blocks
    body = "\n\n".join(blocks)
    return [f':::: {{.layout style="--columns: {int(columns)}"}}\n{body}\n::::']


def _image(image: Image, caption: str, label: str, cell: Cell, index: int) -> str:
    alt = cell.options.get("fig-alt")
    if isinstance(alt, list):
        alt = alt[index] if index < len(alt) else ""
    attributes = [f"#{label}"] if label else []
    if alt:
        words = " ".join(str(alt).split()).replace("\\", "\\\\").replace('"', '\\"')
        attributes.append(f'alt="{words}"')
    width = cell.options.get("out-width") or (f"{image.width}px" if image.width else "")
    attributes += [f'width="{width}"'] if width else []
    return f"![{caption}]({image.file})" + (f"{{{' '.join(attributes)}}}" if attributes else "")
