"""A ``.qmd`` file as front matter, prose and cells, each with its line in the file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statinf.vignette.errors import VignetteError, need

_FENCE = re.compile(r"^(?P<indent>\s*)(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
_PYTHON = re.compile(r"^\{python\b[^}]*\}\s*$")
_ENGINE = re.compile(r"^(\s*[`~]{3,})\s*\{(\w+)\b[^}=.#\n]*\}[ \t]*$", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`\{python\}\s+([^`\n]+)`(?!`)")

DEFAULTS: Mapping[str, Any] = {
    "eval": True, "echo": True, "output": True, "include": True, "warning": True, "message": True, "error": False
}  # fmt: skip


@dataclass(frozen=True)
class Prose:
    """Markdown between cells; `line` is its first line in the file, from 1."""

    text: str
    line: int

    def chunks(self) -> Iterator[tuple[bool, str, int]]:
        """Yield (is a fenced code block, text, first line) in order."""
        yield from split_fences(self.text, self.line)

    def inline(self) -> list[tuple[str, int]]:
        """Inline ``{python}`` expressions outside code blocks, with their lines."""
        return [
            (found[1].strip(), line + text.count("\n", 0, found.start()))
            for code, text, line in self.chunks()
            if not code
            for found in INLINE.finditer(text)
        ]


@dataclass(frozen=True)
class Cell:
    """One ``{python}`` cell; `line` is the line of the first row of `source` in the file, from 1."""

    source: str
    line: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The cell's label, or an empty string."""
        return str(self.options.get("label") or "")

    @property
    def runs(self) -> bool:
        """Whether the cell is executed."""
        return bool(self.options.get("eval", True))

    @property
    def shown(self) -> bool:
        """Whether anything that the cell puts out reaches the page."""
        return bool(self.runs and self.options["include"] and self.options["output"])


@dataclass(frozen=True)
class Document:
    """A parsed vignette."""

    path: Path
    meta: Mapping[str, Any]
    parts: tuple[Prose | Cell, ...]

    def setting(self, name: str, default: Any = None, to: str = "html") -> Any:
        """Look up an option as Quarto does: the format's own, then the document's, then ``execute``."""
        formats = self.meta.get("format")
        places = [formats.get(to) if isinstance(formats, Mapping) else None, self.meta, self.meta.get("execute")]
        for place in places:
            if isinstance(place, Mapping) and name in place:
                return place[name]
        return default

    @property
    def title(self) -> str:
        """The title of the front matter, or the file's name."""
        return str(self.meta.get("title") or self.path.stem)


def read(path: str | Path) -> Document:
    """Read and parse a vignette.

    Parameters
    ----------
    path : str or Path
        A ``.qmd`` file in UTF-8.

    Returns
    -------
    Document
        Front matter, prose and cells.

    Raises
    ------
    VignetteError
        If the file cannot be read, a YAML part is malformed or a cell is never closed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VignetteError(f"cannot read the vignette {path}: {error}") from error
    return parse(text, path)


def parse(text: str, path: str | Path = "document.qmd") -> Document:
    """Parse the text of a vignette; `path` only serves messages and relative links."""
    path = Path(path)
    meta, body, start = front_matter(text, path)
    defaults = {**DEFAULTS, **(meta.get("execute") or {})}
    if defaults.get("enabled") is False:
        defaults["eval"] = False
    return Document(path, meta, tuple(_parts(body, start, defaults, path)))


def front_matter(text: str, path: Path) -> tuple[dict[str, Any], str, int]:
    """Split off the YAML front matter: (metadata, body, line of the body's first row)."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return {}, text, 1
    ends = [i for i, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")]
    if not ends:
        raise VignetteError(f"{path}:1: the front matter opened by '---' is never closed")
    meta = _yaml("\n".join(lines[1 : ends[0]]), path, 2, "front matter")
    return meta, "\n".join(lines[ends[0] + 1 :]), ends[0] + 2


def split_fences(text: str, line: int = 1) -> Iterator[tuple[bool, str, int]]:
    """Split Markdown at its fenced code blocks: yields (is code, text with its newlines, first line)."""
    held: list[str] = []
    begin, marks = line, ""
    for number, row in enumerate(text.splitlines(keepends=True), line):
        fence = _FENCE.match(row.rstrip("\n"))
        if not marks and fence:
            if held:
                yield False, "".join(held), begin
            held, begin, marks = [row], number, fence["marks"]
        elif marks and fence and fence["marks"].startswith(marks) and not fence["info"].strip():
            yield True, "".join([*held, row]), begin
            held, begin, marks = [], number + 1, ""
        else:
            held.append(row)
    if held:
        yield bool(marks), "".join(held), begin


def _parts(body: str, start: int, defaults: Mapping[str, Any], path: Path) -> Iterator[Prose | Cell]:
    prose: list[str] = []
    begin = start
    for code, text, line in split_fences(body, start):
        fence = _FENCE.match(text.split("\n", 1)[0]) if code else None
        if not fence or not _PYTHON.match(fence["info"].strip()):
            # a cell of another engine is not run: it is shown as code of that language
            prose.append(_ENGINE.sub(r"\1\2", text, count=1) if code else text)
            continue
        if "".join(prose).strip():
            yield Prose("".join(prose), begin)
        rows = text.rstrip("\n").split("\n")
        if len(rows) < 2 or not re.fullmatch(rf"\s*{re.escape(fence['marks'])}[`~]*\s*", rows[-1]):
            raise VignetteError(f"{path}:{line}: the cell opened here is never closed")
        yield _cell(rows[1:-1], line + 1, defaults, path)
        prose, begin = [], line + len(rows)
    if "".join(prose).strip():
        yield Prose("".join(prose), begin)


def _cell(rows: list[str], line: int, defaults: Mapping[str, Any], path: Path) -> Cell:
    rows = textwrap.dedent("\n".join(rows)).split("\n")
    count = next((i for i, row in enumerate(rows) if not row.startswith("#|")), len(rows))
    text = "\n".join(row[2:].removeprefix(" ") for row in rows[:count])
    options = {**defaults, **_yaml(text, path, line, "cell options")}
    skipped = count + next((i for i, row in enumerate(rows[count:]) if row.strip()), 0)
    return Cell("\n".join(rows[skipped:]).rstrip(), line + skipped, options)


def _yaml(text: str, path: Path, line: int, what: str) -> dict[str, Any]:
    yaml = need("yaml")
    try:
        value = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise VignetteError(f"{path}:{line + (mark.line if mark else 0)}: malformed {what}: {error}") from error
    if not isinstance(value, dict):
        raise VignetteError(f"{path}:{line}: the {what} must be 'name: value' lines; got {text.strip()!r}")
    return value
