"""The reference: a page for each class of results, and for the other parts that a user holds in hand."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import statinf
from statinf.internal import function_of, internal_names
from tools.docs.blocks import fenced
from tools.docs.docstrings import Words, definitions, first_sentence, sections, signature
from tools.docs.site import Site, link, slug

PARTS = {
    "statinf.results": "Results",
    "statinf.datasets": "Data sets",
    "statinf.vignette": "Vignettes",
    "statinf.formula": "Formulas",
    "statinf.learners": "Learners",
    "statinf.inference": "Inference",
    "statinf.errors": "Errors",
}
"""Modules whose public names have a page together."""


@cache
def modules() -> tuple[Any, ...]:
    """Every module of the package that can be imported here."""
    found = []
    for item in pkgutil.walk_packages(statinf.__path__, "statinf."):
        if ".__main__" not in item.name and ".data" not in item.name:
            try:
                found.append(importlib.import_module(item.name))
            except ImportError:
                continue
    return tuple(found)


@cache
def results() -> dict[str, type]:
    """Public classes that verbs and their results return, by name: all that inherit from `Result`, and those they name."""
    from statinf.results.protocol import Result

    known: dict[str, type] = {}
    for module in modules():
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                known.setdefault(name, value)
    found = {name: c for name, c in known.items() if issubclass(c, Result)}
    waiting = [getattr(statinf, name) for name in statinf.__all__] + list(found.values())
    while waiting:
        for name in _named(waiting.pop()):
            if name in known and name not in found and not issubclass(known[name], Exception):
                found[name] = known[name]
                waiting.append(known[name])
    return dict(sorted(found.items()))


def _named(value: Any) -> Iterator[str]:
    functions = [f for _, f in members(value)] if inspect.isclass(value) else [value] if callable(value) else []
    for function in functions:
        function = function.fget if isinstance(function, property) else function
        said = str(getattr(function, "__annotations__", {}).get("return", ""))
        said += " " + sections(inspect.getdoc(function) or "").get("Returns", "").split("\n")[0]
        space = getattr(function, "__globals__", {})
        # a name that the function's module took from elsewhere, such as pathlib's Path, is no class of the package
        yield from (n for n in re.findall(r"\b[A-Z]\w+\b", said) if _of_package(space.get(n)))


def _of_package(value: Any) -> bool:
    return value is None or getattr(value, "__module__", "").startswith("statinf")


def members(kind: type) -> list[tuple[str, Any]]:
    """What users call of a class, by name: its public methods and properties, and those of the library that it inherits.

    What a class or one that it inherits from marked by `statinf.internal.internal` is left out.
    """
    found: dict[str, Any] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.startswith("statinf"):
            own = {name: value for name, value in vars(owner).items() if not name.startswith("_") and is_member(value)}
            found |= {name: value for name, value in own.items() if inspect.getdoc(function_of(value))}
    return sorted((name, value) for name, value in found.items() if name not in internal_names(kind))


def teller(kind: type, member: str, pages: Mapping[str, str]) -> type:
    """The class whose page tells of a member: of those with a page the most basic that has it unchanged."""
    meant = inspect.getattr_static(kind, member)
    having = [c for c in kind.__mro__ if c.__name__ in pages and inspect.getattr_static(c, member, None) is meant]
    return having[-1] if having else kind


def is_member(value: Any) -> bool:
    """Whether a value of a class is a method or a property."""
    return (
        inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod) or hasattr(value, "func")
    )


def reference(site: Site) -> dict[str, str]:
    """Write the pages; returns page by title."""
    pages = {}
    for name, kind in results().items():
        if name in site.words:
            page = site.words[name]
            pages[name] = site.write(page, _class(name, kind, Words(page, site.words)), title=name)
    for module, title in PARTS.items():
        page = f"reference/{slug(title)}.md"
        text = _part(importlib.import_module(module), title, Words(page, site.words))
        pages[title] = site.write(page, text, title=title)
    return pages


def _class(name: str, kind: type, words: Words) -> str:
    parts = [
        f"# {name}",
        f"`{kind.__module__}.{name}`{{ .place }}",
        described(kind, words, ("", "Attributes", "Parameters", "Notes")),
    ]
    own, inherited = [], []
    for member, value in members(kind):
        (own if teller(kind, member, words.pages) is kind else inherited).append((member, value))
    if own:
        parts += ["## Methods and properties", *(_member(m, v, words) for m, v in own)]
    if inherited:
        parts += ["## Inherited", *(_brief(inherited, kind, words))]
    return "\n\n".join(part for part in parts if part)


def _brief(inherited: list[tuple[str, Any]], kind: type, words: Words) -> list[str]:
    """A table of what a class inherits, with a link to the class that tells it in full."""
    rows = []
    for member, value in inherited:
        mark = f"`{member}`" if isinstance(value, property) else f"`{member}()`"
        target = words.pages.get(teller(kind, member, words.pages).__name__)
        if target:
            mark = f"[{mark}]({_anchor(words, target, member)})"
        rows.append(f"| {mark} | {words.flat(first_sentence(inspect.getdoc(function_of(value))))} |")
    return ["| Name | What it is |\n|---|---|\n" + "\n".join(rows)]


def _anchor(words: Words, target: str, member: str) -> str:
    return f"{link(words.page, target)}#{member}"


def _member(name: str, value: Any, words: Words) -> str:
    function = function_of(value)
    head = f"### `{name}` {{ #{name} }}"
    call = (
        "" if isinstance(value, property) or hasattr(value, "attrname") else fenced(signature(function, name), "python")
    )
    return "\n\n".join(part for part in (head, call, described(function, words, depth=4)) if part)


def described(value: Any, words: Words, only: tuple[str, ...] = (), depth: int = 3) -> str:
    """A docstring as Markdown: its text, its lists of parameters, its examples."""
    parts = []
    for name, text in sections(inspect.getdoc(value) or "").items():
        if (only and name not in only) or not text.strip():
            continue
        if name:
            parts.append(f'<p class="part">{name}</p>')
        if name in ("Parameters", "Attributes", "Returns", "Raises", "Warns", "Yields", "Other Parameters"):
            parts.append(definitions(text, words) if name in ("Parameters", "Attributes") else returned(text, words))
        elif name == "Examples":
            parts.append(examples(text, words))
        else:
            parts.append(words.prose(text))
    return "\n\n".join(parts)


def returned(text: str, words: Words) -> str:
    """What comes back or is raised, by type."""
    blocks = re.split(r"\n(?=\S)", text.strip("\n"))
    lines = []
    for block in blocks:
        head, _, rest = block.partition("\n")
        body = " ".join(rest.split())
        lines.append(f"{words.names(head)}\n:   {words(body) if body else chr(8195)}\n")
    return "\n".join(lines)


def examples(text: str, words: Words) -> str:
    """A docstring's examples with the output that its test holds."""
    parts = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        parts.append(
            fenced(inspect.cleandoc(block), "pycon") if ">>>" in block else words.prose(inspect.cleandoc(block))
        )
    return "\n\n".join(parts)


def _part(module: Any, title: str, words: Words) -> str:
    parts = [f"# {title}", f"`{module.__name__}`{{ .place }}", described(module, words)]
    for name in getattr(module, "__all__", ()) or _own(module):
        value = getattr(module, name)
        target = words.pages.get(name, words.page) if inspect.isclass(value) else words.page
        if target != words.page:
            parts.append(f"## [`{name}`]({link(words.page, target)})\n\n{words.prose(first_sentence(value.__doc__))}")
        elif inspect.isclass(value) or callable(value):
            call = fenced(signature(value, name), "python") if not inspect.isclass(value) else ""
            parts.append("\n\n".join(p for p in (f"## `{name}` {{ #{name} }}", call, described(value, words)) if p))
    return "\n\n".join(part for part in parts if part)


def _own(module: Any) -> list[str]:
    return [
        n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__
    ]
