"""One Jupyter output as Markdown: which of its forms a format takes, and how that form is written."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# what plotting calls return: artists, axes, texts, arrays of axes, the counts of a histogram
_ECHOED = re.compile(r"\[?<(?:matplotlib\.|Figure|Axes|Polar|seaborn\.|[\w.]+ at 0x)|Text\(|array\(\[<Axes|\(array\(")
_SOURCE = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py:\d+: ")  # a warning's place in a temporary file

IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
_FORMS = {
    "html": ["text/html", "text/markdown", *IMAGES, "text/latex", "text/plain"],
    "latex": ["text/latex", "text/markdown", "image/png", "image/jpeg", "text/html", "text/plain"],
    "typst": ["text/markdown", *IMAGES, "text/html", "text/latex", "text/plain"],
}
_OTHER = ["text/markdown", "image/png", "image/jpeg", "image/svg+xml", "text/html", "text/latex", "text/plain"]


@dataclass(frozen=True)
class Image:
    """A figure that a cell put out: content, file type, width in pixels it is meant for (0: its own) and file name."""

    content: bytes
    kind: str
    width: int = 0
    file: str = ""


def choose(data: Mapping[str, Any], to: str) -> str:
    """MIME type to use in a format, in Quarto's order; HTML reaches other formats only as a table.

    Parameters
    ----------
    data : mapping
        MIME type to content.
    to : str
        Format of the page.

    Returns
    -------
    str
        A key of `data`, or an empty string if none can be shown.
    """
    for form in _FORMS.get(to, _OTHER):
        if form in data and (form != "text/html" or to == "html" or "<table" in data[form]):
            return form
    return ""


def block(text: str, classes: str = "") -> str:
    """Fenced code block that `text` cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{' {' + classes + '}' if classes else ''}\n{text}\n{marks}"


def terminal(text: str) -> str:
    """Text as a terminal would leave it: no colours, a carriage return starts the line again."""
    rows = _ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(next((p for p in reversed(row.split("\r")) if p), "") for row in rows).rstrip()


def merge_streams(outputs: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
    """Join neighbouring pieces of the same stream."""
    merged: list[Mapping[str, Any]] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            merged[-1] = {**last, "text": last["text"] + output["text"]}
        else:
            merged.append(output)
    return merged


def convert(
    outputs: tuple[Mapping[str, Any], ...],
    options: Mapping[str, Any],
    to: str,
    table: Callable[[str], str],
) -> list[str | Image]:
    """Turn the outputs of a cell into Markdown blocks and images, in order.

    Parameters
    ----------
    outputs : tuple of mapping
        Jupyter outputs.
    options : mapping
        The cell's options; ``output``, ``warning`` and ``message`` decide what stays.
    to : str
        Format of the page.
    table : callable
        Markdown of an HTML table, for formats other than HTML.

    Returns
    -------
    list of str or Image
        What goes onto the page.
    """
    plotted = any(set(output.get("data", {})) & set(IMAGES) for output in outputs)
    pieces: list[str | Image] = []
    for output in merge_streams(outputs):
        kind = output["output_type"]
        if kind == "stream":
            if output["name"] == "stderr" and not (options["warning"] and options["message"]):
                continue
            text = _SOURCE.sub("", terminal(output["text"]))
            asis = options["output"] == "asis" and output["name"] == "stdout"
            classes = f".output .{output['name']}" if to == "html" else ""
            pieces += [output["text"] if asis else block(text, classes)] if text else []
        elif kind == "error":
            text = terminal(f"{output['ename']}: {output['evalue']}")
            pieces.append(block(text, ".output .error" if to == "html" else ""))
        else:
            data = output["data"]
            # the value of a plotting call, such as <Axes: >, is not meant for the reader
            if plotted and set(data) == {"text/plain"} and _ECHOED.match(data["text/plain"]):
                continue
            piece = _display(data, output.get("metadata", {}), to, table)
            pieces += [piece] if piece else []
    return pieces


def _display(data: Mapping[str, Any], about: Mapping[str, Any], to: str, table: Callable[[str], str]) -> str | Image:
    form = choose(data, to)
    value = data.get(form, "")
    if form in IMAGES:
        content = value.encode() if form == "image/svg+xml" else base64.b64decode(value)
        return Image(content, IMAGES[form], int(about.get(form, {}).get("width", 0)))
    if form == "text/html":
        return block(value.strip(), "=html") if to == "html" else table(value)
    if form == "text/latex" and to == "latex" and not value.lstrip().startswith("$"):
        return block(value.strip(), "=latex")
    if form == "text/plain":
        return block(terminal(value), ".output" if to == "html" else "")
    return value.strip()
