"""Numbers for ``@fig-``, ``@tbl-``, ``@eq-`` and ``@sec-`` references, in two passes: count, then replace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from statinf.vignette.errors import VignetteError
from statinf.vignette.parse import Cell, Document, Prose

NAMES = {"fig": "Figure", "tbl": "Table", "eq": "Equation", "sec": "Section"}
_ID = r"(?:fig|tbl|eq|sec)-[\w-]*\w"
_LABEL = re.compile(rf"\{{#({_ID})[^}}]*\}}")
_EQUATION = re.compile(rf"\$\$(.+?)\$\$[ \t]*\{{#({_ID})[^}}]*\}}", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*$", re.MULTILINE)
# a heading right below the opening of a callout is its title
_CALLOUT_TITLE = re.compile(r"^:{3,}\s*\{[^}]*\.callout-[^}]*\}[ \t]*\n\s*(?P<heading>#{1,6}\s.*)$", re.MULTILINE)
_IMAGE = re.compile(r"!\[(?P<caption>[^\]]*)\](?P<link>\([^)]*\)\{#(?P<id>fig-[\w-]*\w))")
_TABLE = re.compile(r"^(?P<mark>:\s+)(?P<caption>\S.*?)\s*\{#(?P<id>tbl-[\w-]*\w)\s*\}\s*$", re.MULTILINE)
_GROUP = re.compile(rf"\[(?P<before>[^\]\[@]*)(?P<refs>-?@{_ID}(?:\s*;\s*-?@{_ID})*)\](?![(\[{{])")
_BARE = re.compile(rf"(?<![\w@\\.-])(?P<minus>-?)@(?P<id>{_ID})")
_CODE = re.compile(r"(`+)[^`].*?\1", re.DOTALL)


@dataclass(frozen=True)
class LabelTarget:
    """What a label refers to: its kind, its number and, for an unnumbered section, its title."""

    kind: str
    number: str
    title: str = ""


def number(document: Document) -> dict[str, LabelTarget]:
    """Count the labels of a document in order of appearance.

    Parameters
    ----------
    document : Document
        A parsed vignette.

    Returns
    -------
    dict
        Label to `LabelTarget`.

    Raises
    ------
    VignetteError
        If a label is used twice.
    """
    targets: dict[str, LabelTarget] = {}
    counts = dict.fromkeys(NAMES, 0)
    levels = [0] * 6
    numbered = bool(document.setting("number-sections", False))
    base = top_level(document)
    for label, line, heading in _labels(document):
        if heading:
            depth = len(heading[1]) - base + 1
            levels = [*levels[: depth - 1], levels[depth - 1] + 1, *[0] * (6 - depth)]
        if not label:
            continue
        kind = label.partition("-")[0]
        if label in targets:
            raise VignetteError(f"{document.path}:{line}: the label {label!r} is used twice")
        if kind == "sec":
            title = re.sub(r"\s*\{[^}]*\}\s*$", "", heading[2]) if heading else label
            section = ".".join(map(str, levels[: len(heading[1]) - base + 1])) if heading and numbered else ""
            targets[label] = LabelTarget(kind, section, title)
            continue
        counts[kind] += 1
        targets[label] = LabelTarget(kind, str(counts[kind]))
    return targets


def top_level(document: Document) -> int:
    """Smallest heading level of the prose (1 if there is no heading); sections are counted from it."""
    prose = [part for part in document.parts if isinstance(part, Prose)]
    texts = [text for part in prose for code, text, _ in part.chunks() if not code]
    return min((len(found[1]) for text in texts for found in _headings(text)), default=1)


def _headings(text: str) -> list[re.Match[str]]:
    """Headings of sections in a text without fenced code."""
    titles = {found.start("heading") for found in _CALLOUT_TITLE.finditer(text)}
    return [found for found in _HEADING.finditer(text) if found.start() not in titles]


def cell_labels(cell: Cell) -> list[str]:
    """Labels that a cell defines: its own, or one a figure if it has a list of captions."""
    label, captions = cell.label, cell.options.get("fig-cap")
    if not cell.shown or label.partition("-")[0] not in ("fig", "tbl"):
        return []
    if label.startswith("fig-") and isinstance(captions, list) and not cell.options.get("fig-subcap"):
        return [f"{label}-{i}" for i in range(1, len(captions) + 1)]
    return [label]


def _labels(document: Document) -> Iterator[tuple[str, int, re.Match[str] | None]]:
    for part in document.parts:
        if isinstance(part, Cell):
            for label in cell_labels(part):
                yield label, part.line, None
            continue
        for code, text, line in part.chunks():
            if code:
                continue
            found = [*_headings(text), *(m for m in _LABEL.finditer(text) if not m[1].startswith("sec-"))]
            for match in sorted(found, key=lambda m: m.start()):
                if match.re is _HEADING:
                    label = _LABEL.search(match[2])
                    if not re.search(r"\{[^}]*(\.unnumbered|(?<=[{ ])-)[ }]", match[2]):
                        yield label[1] if label else "", _line(text, match, line), match
                else:
                    yield match[1], _line(text, match, line), None


def _line(text: str, match: re.Match[str], line: int) -> int:
    return line + text.count("\n", 0, match.start())


def resolve(prose: Prose, targets: Mapping[str, LabelTarget], to: str, path: object) -> str:
    """Replace references and number equations, figures and tables that are written in the prose itself."""
    pieces = []
    for code, text, line in prose.chunks():
        pieces.append(text if code else _resolve_text(text, targets, to, f"{path}:{line}"))
    return "".join(pieces)


def _resolve_text(text: str, targets: Mapping[str, LabelTarget], to: str, where: str) -> str:
    text = _EQUATION.sub(lambda m: equation(m[1], m[2], targets, to), text)
    text = _IMAGE.sub(lambda m: f"![{caption(m['caption'], m['id'], targets, to)}]{m['link']}", text)
    text = _TABLE.sub(lambda m: _table(m, targets, to), text)
    return outside_code(text, lambda part: references(part, targets, to, where))


def _table(found: re.Match[str], targets: Mapping[str, LabelTarget], to: str) -> str:
    text = caption(found["caption"], found["id"], targets, to)
    if to == "gfm":  # which has no captions
        return f"[**{text}**]{{#{found['id']}}}"
    return f"{found['mark']}{text} {{#{found['id']}}}"


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to the text between inline code spans."""
    pieces, end = [], 0
    for span in _CODE.finditer(text):
        pieces += [change(text[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*pieces, change(text[end:])])


def references(text: str, targets: Mapping[str, LabelTarget], to: str, where: str) -> str:
    """Replace ``@fig-x``, ``-@fig-x`` and ``[Fig. @fig-x; @fig-y]`` by links with numbers."""

    def one(label: str, bare: bool) -> str:
        if label not in targets:
            raise VignetteError(f"{where}: the reference @{label} has no label {label!r} in the document")
        return link(label, targets[label], to, bare)

    def group(found: re.Match[str]) -> str:
        refs = [ref.strip() for ref in found["refs"].split(";")]
        bare = bool(found["before"].strip())
        linked = [one(ref.lstrip("-@"), bare or ref.startswith("-")) for ref in refs]
        return (found["before"].rstrip() + "\u00a0" if bare else "") + ", ".join(linked)

    return _BARE.sub(lambda m: one(m["id"], bool(m["minus"])), _GROUP.sub(group, text))


def link(label: str, target: LabelTarget, to: str, bare: bool = False) -> str:
    """Markdown of one reference; LaTeX counts by itself, so there it is its own command."""
    if to == "latex" and target.kind != "sec":
        raw = f"`\\ref{{{label}}}`{{=latex}}"
        return raw if bare else f"{NAMES[target.kind]}\u00a0{raw}"
    name = "" if bare else NAMES[target.kind] + "\u00a0"
    return f"[{name + target.number if target.number else target.title}](#{label})"


def caption(text: str, label: str, targets: Mapping[str, LabelTarget], to: str) -> str:
    """Caption with its number in front, where the format does not count by itself."""
    if label not in targets or to == "latex":
        return text
    target = targets[label]
    return f"{NAMES[target.kind]}\u00a0{target.number}: {text}".rstrip(": ")


def equation(tex: str, label: str, targets: Mapping[str, LabelTarget], to: str) -> str:
    """Display equation with its number and an anchor."""
    tex, mark = tex.strip(), f"({targets[label].number})"
    if to == "latex":
        return f"```{{=latex}}\n\\begin{{equation}}\\label{{{label}}}\n{tex}\n\\end{{equation}}\n```"
    if to == "html":
        return f"\n::: {{#{label} .equation}}\n$$\n{tex}\n$$\n\n[{mark}]{{.equation-number}}\n:::\n"
    return f"[$$ {tex} \\qquad {mark} $$]{{#{label}}}"
