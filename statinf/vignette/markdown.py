"""An executed vignette as one text of Pandoc Markdown plus the files of its figures."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from statinf.vignette import crossref, floats
from statinf.vignette.callouts import callouts
from statinf.vignette.errors import VignetteError
from statinf.vignette.floats import Writer
from statinf.vignette.outputs import Image, block, convert
from statinf.vignette.parse import INLINE, Cell, Prose
from statinf.vignette.run import Executed


@dataclass(frozen=True)
class Page:
    """Markdown of a page and the figure files, by name, that it links to."""

    markdown: str
    media: Mapping[str, bytes]


def to_markdown(executed: Executed, to: str = "html", table: Callable[[str], str] = lambda text: text) -> Page:
    """Write an executed vignette as Pandoc Markdown.

    Parameters
    ----------
    executed : Executed
        What `statinf.vignette.execute` returned.
    to : {"html", "docx", "gfm", "latex", "typst"}
        Format that Pandoc will write.
    table : callable
        Turns an HTML table into Markdown, for formats other than HTML.

    Returns
    -------
    Page
        Markdown without front matter, and the content of the figures.

    Raises
    ------
    VignetteError
        If a reference has no label, a label is used twice, or a cell labelled as a figure or table shows none.
    """
    writer = Writer(executed, crossref.number(executed.document), to, table)
    media: dict[str, bytes] = {}
    pieces: list[str] = []
    for position, part in enumerate(executed.document.parts):
        if isinstance(part, Prose):
            pieces.append(_prose(part, position, writer))
        elif part.options["include"]:
            outputs = _placed(part, executed.outputs.get(position, ()), writer)
            media |= {piece.file: piece.content for piece in outputs if isinstance(piece, Image)}
            pieces.append(_cell(part, outputs, writer))
    return Page("\n\n".join(piece.strip("\n") for piece in pieces if piece.strip()) + "\n", media)


def _prose(prose: Prose, position: int, writer: Writer) -> str:
    resolved = crossref.resolve(prose, writer.targets, writer.to, writer.executed.document.path)
    values = iter([writer.executed.inline[position, i] for i in range(len(prose.inline()))])
    pieces = []
    for code, text, _ in Prose(resolved, prose.line).chunks():
        pieces.append(text if code else callouts(INLINE.sub(lambda _: next(values), text), writer.to))
    return "".join(pieces)


def _placed(cell: Cell, outputs: tuple[Mapping, ...], writer: Writer) -> list[str | Image]:
    """Put a file name on every image among the outputs that are shown."""
    if not cell.shown:
        return []
    pieces = convert(outputs, cell.options, writer.to, writer.table)
    stem = re.sub(r"[^\w-]", "-", cell.label) or f"cell-{cell.line}"
    count = sum(isinstance(piece, Image) for piece in pieces)
    named: list[str | Image] = []
    number = 0
    for piece in pieces:
        if isinstance(piece, Image):
            number += 1
            piece = replace(piece, file=f"{stem}{f'-{number}' if count > 1 else ''}.{piece.kind}")
        named.append(piece)
    return named


def _cell(cell: Cell, outputs: list[str | Image], writer: Writer) -> str:
    shown = [_echo(cell, writer)] if cell.options["echo"] and cell.source.strip() else []
    shown += _results(cell, outputs, writer) if cell.shown else []
    body = "\n\n".join(shown)
    return f"::::: {{.cell}}\n{body}\n:::::" if body and writer.to == "html" else body


def _echo(cell: Cell, writer: Writer) -> str:
    document, to = writer.executed.document, writer.to
    source = f"```{{python}}\n{cell.source}\n```" if cell.options["echo"] == "fenced" else cell.source
    code = block(source, ".python .cell-code" if to == "html" else ".python")
    fold = cell.options.get("code-fold", document.setting("code-fold", False, to))
    if not fold or to != "html":
        return code
    summary = html.escape(str(cell.options.get("code-summary", document.setting("code-summary", "Code", to))))
    state = " open" if fold == "show" else ""
    begin = f'<details class="code-fold"{state}><summary>{summary}</summary>'
    return "\n\n".join([block(begin, "=html"), code, block("</details>", "=html")])


def _results(cell: Cell, outputs: list[str | Image], writer: Writer) -> list[str]:
    kind = cell.label.partition("-")[0]
    images = [piece for piece in outputs if isinstance(piece, Image)]
    if kind in ("fig", "tbl") and not outputs:
        what = "figure" if kind == "fig" else "table"
        raise VignetteError(f"{writer.where(cell)}: the cell {cell.label!r} is labelled as a {what} but shows nothing")
    if kind == "tbl":
        content = [floats.image(piece, cell) if isinstance(piece, Image) else piece for piece in outputs]
        return [floats.table("\n\n".join(content), cell, writer)]
    texts = [piece for piece in outputs if isinstance(piece, str)]
    if kind == "fig" and not images:
        caption = writer.caption(cell.options.get("fig-cap"), cell.label, cell)
        return [floats.float_block("\n\n".join(texts), "figure", cell.label, caption, writer)]
    if not images:
        return texts
    # all images together, in the place of the first
    before = outputs.index(images[0])
    return [*texts[:before], *floats.figures(cell, images, writer), *texts[before:]]
