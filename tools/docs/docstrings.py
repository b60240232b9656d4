"""Docstrings in numpydoc style as Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.docs.site import link

_HEAD = re.compile(r"^(?P<name>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
_CODE = re.compile(r"(``[^`]+``|`[^`\n]+`)")
_SPECIAL = re.compile(r"([\\*_\[\]#])|([<>$|])")


@dataclass(frozen=True)
class Entry:
    """One parameter, attribute, return or exception: name, type and lines about it."""

    name: str
    kind: str
    text: str


def sections(doc: str) -> dict[str, str]:
    """Text of each section of a docstring; that before the first under an empty name."""
    doc = inspect.cleandoc(doc or "")
    found = list(_HEAD.finditer(doc))
    parts = {"": doc[: found[0].start()].strip() if found else doc.strip()}
    for head, after in zip(found, [*found[1:], None], strict=False):
        parts[head["name"]] = doc[head.end() : after.start() if after else len(doc)].strip("\n")
    return parts


def entries(text: str) -> list[Entry]:
    """Entries of a section with definitions."""
    found = []
    for block in re.split(r"\n(?=\S)", text.strip("\n")):
        head, _, rest = block.partition("\n")
        name, _, kind = head.partition(" : ")
        found.append(Entry(name.strip(), kind.strip(), textwrap.dedent(rest).strip("\n")))
    return found


@dataclass(frozen=True)
class Words:
    """Turns docstrings' text into Markdown of one page: code in backticks leads to the page about it."""

    page: str
    pages: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """One or several paragraphs."""
        pieces = _CODE.split(text)
        made = "".join(self._code(p.strip("`")) if i % 2 else _plainly(p) for i, p in enumerate(pieces))
        return re.sub(r"arXiv:? (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", made)

    def flat(self, text: str) -> str:
        """In one line, for a cell of a table."""
        return self(" ".join(text.split()))

    def _code(self, code: str) -> str:
        mark = f"<code>{_html(code)}</code>" if "`" in code or "|" in code else f"`{code}`"
        known = self.pages.get(_plain(code))
        return f"[{mark}]({link(self.page, known)})" if known and known != self.page else mark

    def names(self, text: str) -> str:
        """Text with every class that has a page of its own as a link."""
        return re.sub(r"\b[A-Z]\w+\b", lambda m: self._code(m[0]) if m[0] in self.pages else m[0], _plainly(text))

    def prose(self, text: str) -> str:
        """Paragraphs, lists, and indented examples of a docstring."""
        blocks = []
        for block in re.split(r"\n\s*\n", text.strip("\n")):
            lead = block.lstrip().startswith((">>>", "- ", "* "))
            if block.startswith("    ") or block.lstrip().startswith(">>>"):
                blocks.append(f"```python\n{textwrap.dedent(block)}\n```")
            elif lead:
                blocks.append("\n".join(self._item(line) for line in block.splitlines()))
            else:
                blocks.append(self(block))
        return "\n\n".join(blocks)

    def _item(self, line: str) -> str:
        found = re.match(r"(\s*[-*] )(.*)", line)
        return found[1] + self(found[2]) if found else self(line)


def _plainly(text: str) -> str:
    """Text whose marks mean nothing to Markdown: Python-Markdown escapes only some of them by a backslash."""
    return _SPECIAL.sub(lambda found: f"\\{found[1]}" if found[1] else f"&#{ord(found[2])};", text)


def _plain(code: str) -> str:
    code = code.removeprefix("statinf.").removesuffix("()")
    return code if code.startswith("si.") or code[:1].isupper() else f"si.{code}"


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")


def definitions(text: str, words: Words) -> str:
    """A section of parameters or attributes as a list of definitions."""
    lines = []
    for entry in entries(text):
        names = ", ".join(f"`{name.strip()}`" for name in entry.name.split(","))
        kind = f' <span class="kind">{words.names(entry.kind)}</span>' if entry.kind else ""
        said = words.prose(entry.text) if entry.text else ""
        body = textwrap.indent(said, "    ").strip() or "\u2003"
        lines.append(f"{names}{kind}\n:   {body}\n")
    return "\n".join(lines)


def signature(value: Any, name: str) -> str:
    """How a function is called, over several lines where it is long; without types, which the list of parameters has."""
    try:
        given = inspect.signature(value)
    except (TypeError, ValueError):
        return f"{name}(...)"
    shown = [p.replace(annotation=inspect.Parameter.empty) for p in given.parameters.values() if p.name != "self"]
    lone = given.replace(parameters=shown, return_annotation=inspect.Signature.empty)
    text = re.sub(r"<[^<>]*>", "...", str(lone))
    if len(name) + len(text) <= 88:
        return f"{name}{text}"
    parts = re.split(r", (?![^(\[{]*[)\]}])", text[1:-1])
    return f"{name}(\n" + "\n".join(f"    {part}," for part in parts) + "\n)"


def first_sentence(doc: str | None) -> str:
    """The beginning of a docstring in one line."""
    text = " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.;:]) (?=[A-Z`])", text)[0]
