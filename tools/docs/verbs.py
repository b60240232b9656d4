"""A page for each verb: call, arguments, methods and their options, what comes back, example, certificates."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from functools import cache
from typing import Any

import statinf as si
from statinf.cli.families import FAMILIES, modules
from statinf.results.methods import Method, MethodTable, withheld
from statinf.vignette.index import HEADINGS
from tools.docs import blocks
from tools.docs.certificates import certificates
from tools.docs.classes import function_of, members, results, teller
from tools.docs.docstrings import Entry, Words, definitions, entries, first_sentence, sections, signature
from tools.docs.site import Site, link

EVERYWHERE = "Everywhere"
"""Heading of the verbs that serve every family."""
# Where the first try at a figure, `fit.plot()`, is not the one that tells most
_BELOW = "OPTIONSBELOW"
PLOTS = {
    "conformal": 'fit.plot("band", newdata=cars, x="wt")',
    "quantile_ensemble": "fit.plot(data)",
    "quantile_process": 'fit.plot(data.query("income < 2500"))',
}


@cache
def tables() -> dict[str, tuple[str, MethodTable]]:
    """(family, methods) by verb."""
    return {t.verb: (family, t) for family, module in modules("table") for t in getattr(module, "TABLES", ())}


def verbs() -> dict[str, list[str]]:
    """Verbs by heading, the families in their order."""
    known = tables()
    found: dict[str, list[str]] = {HEADINGS[family]: [] for family in (*HEADINGS,) if family in FAMILIES}
    for name in known:
        found[HEADINGS[known[name][0]]].append(name)
    others = [n for n in si.__all__ if n not in known and n[:1].islower() and callable(getattr(si, n))]
    return {heading: names for heading, names in found.items() if names} | {EVERYWHERE: sorted(others)}


def pages(site: Site, vignettes: dict[str, str]) -> dict[str, list[str]]:
    """Write the pages of all verbs and of their index; returns pages by heading."""
    written: dict[str, list[str]] = {}
    for heading, names in verbs().items():
        wanted = [name for name in names if site.wants(name)]
        if wanted:
            written[heading] = [_write(site, name, heading, vignettes) for name in wanted]
            print(f"{heading}: {', '.join(wanted)}", flush=True)
    site.write("verbs/index.md", _index(site), title="Verbs")
    return written


def _index(site: Site) -> str:
    parts = [
        "# Verbs",
        "Every verb is `si.verb(formula, data, ...)`. `statinf methods` prints the methods of each in a terminal.",
    ]
    for heading, names in verbs().items():
        rows = []
        for name in names:
            page = site.words.get(f"si.{name}")
            mark = f"[`si.{name}`]({link('verbs/index.md', page)})" if page else f"`si.{name}`"
            methods = ", ".join(f"`{m}`" for m in tables()[name][1] if m) if name in tables() else ""
            about = Words("verbs/index.md", site.words).flat(first_sentence(getattr(si, name).__doc__))
            rows.append(f"| {mark} | {about} | {methods} |")
        parts += [f"## {heading}", "| Verb | What it does | Methods |\n|---|---|---|\n" + "\n".join(rows)]
    return "\n\n".join(parts)


def _write(site: Site, name: str, heading: str, vignettes: dict[str, str]) -> str:
    page = site.words[f"si.{name}"]
    verb, words = getattr(si, name), Words(page, site.words)
    doc = sections(_without_methods(name, inspect.getdoc(verb) or ""))
    methods = list(tables()[name][1].values()) if name in tables() else []
    parts = [f"# si.{name}", words.prose(doc.get("", "")), blocks.fenced(signature(verb, f"si.{name}"), "python")]
    parts += _example(site, name, doc.get("Examples", ""), words, heading)
    parts += _arguments(doc.get("Parameters", ""), words, "methods" if methods and methods[0].name else "method")
    if methods:
        parts += ["## Methods" if methods[0].name else "## Method", *(_method(m, words, vignettes) for m in methods)]
    parts += ["## What comes back", _returned(doc.get("Returns", ""), words)] if "Returns" in doc else []
    for title, text in (("Errors and warnings", _joined(doc, "Raises", "Warns")), ("Notes", doc.get("Notes", ""))):
        if text:
            parts += [f"## {title}", _errors(text, words) if title[0] == "E" else words.prose(text)]
    parts += certificates(name, bool(methods))
    parts += ["## References", words.prose(doc["References"])] if "References" in doc else []
    shown = dict.fromkeys(m.vignette for m in methods if m.vignette in vignettes)
    if shown:
        lines = [f"- [{_title(site, vignettes[v], v)}]({link(page, vignettes[v])})" for v in shown]
        parts += ["## Vignettes", "\n".join(lines)]
    return site.write(page, "\n\n".join(part for part in parts if part), title=f"si.{name}")


def _arguments(text: str, words: Words, anchor: str) -> list[str]:
    """What the formula says, then the other arguments."""
    if not text:
        return []
    text = text.replace(f"With its own options, given by name:\n\n    {_BELOW}", _BELOW)
    formula, _, others = text.partition("\n") if text.startswith("formula : ") else ("", "", text)
    parts = []
    if formula:
        # up to the next argument, which begins without an indent
        said, *rest = re.split(r"\n(?=\S)", others, maxsplit=1)
        others = rest[0] if rest else ""
        parts += ["## Formula", words.prose(inspect.cleandoc(said))]
    said = definitions(others, words).replace(_BELOW, f"With options of its own, [listed below](#{anchor}).")
    return [*parts, "## Arguments", said]


def _title(site: Site, page: str, name: str) -> str:
    return site.words.get(f"title:{page}", name)


def _without_methods(name: str, doc: str) -> str:
    """The docstring without what the table of methods wrote into it: the page has a section for that."""
    if name not in tables() or not tables()[name][1].documentation:
        return doc
    lines = [line.strip() for line in tables()[name][1].documentation.splitlines()]
    pattern = r"\s*\n".join(r"[ ]*" + re.escape(line) for line in lines if line)
    return re.sub(pattern, f"    {_BELOW}", doc, count=1)


def _joined(doc: dict[str, str], *names: str) -> str:
    return "\n".join(doc[name].strip("\n") for name in names if name in doc)


def _errors(text: str, words: Words) -> str:
    return definitions(
        "\n".join(f"{e.name}\n" + "\n".join("    " + line for line in e.text.splitlines()) for e in entries(text)),
        words,
    )


def _method(method: Method, words: Words, vignettes: dict[str, str]) -> str:
    parts = [f'### `method="{method.name}"` {{ #{method.name} }}'] if method.name else []
    said = (method.summary or "").rstrip(".")
    parts += [f"{words(said[:1].upper() + said[1:])}."] if said else []
    facts = {"Guarantee": words.flat(method.guarantee), "Paper": _paper(method, words)}
    if method.vignette in vignettes:
        facts["Vignette"] = f"[{method.vignette}]({link(words.page, vignettes[method.vignette])})"
    known: Any = getattr(method, "estimands", ())
    known = known(method.options()) if callable(known) else known
    facts["Estimands"] = ", ".join(f"`{estimand}`" for estimand in known)
    parts.append("\n".join(f"- **{name}**: {text}" for name, text in facts.items() if text))
    rows = [
        f"| `{name}` | `{_default(default)}` | {words.flat(rule.meaning)} | {words.flat(rule.accepts)} |"
        for name, (rule, default) in method.options.rules().items()
    ]
    if rows:
        parts.append("| Option | Default | Meaning | Accepts |\n|---|---|---|---|\n" + "\n".join(rows))
    parts += [f"*{words.flat(text)}*" for text in withheld(method)]
    return "\n\n".join(parts)


def _default(value: Any) -> str:
    return re.sub(r"<[^<>]*>", "...", repr(value)).replace("|", "&#124;")


def _paper(method: Method, words: Words) -> str:
    cited = words.flat(method.citation)
    return f"{cited}, [arXiv {method.arxiv}](https://arxiv.org/abs/{method.arxiv})" if method.arxiv and cited else cited


def _returned(text: str, words: Words) -> str:
    entry: Entry = entries(text)[0] if text.strip() else Entry("", "", "")
    parts = [words.names(entry.name), words.prose(entry.text)]
    for name in dict.fromkeys(re.findall(r"\b[A-Z]\w+\b", text)):
        kind = results().get(name)
        if kind is not None and name in words.pages:
            parts.append(_kind(name, kind, words))
    return "\n\n".join(part for part in parts if part)


def _kind(name: str, kind: type, words: Words) -> str:
    """A class of results with what it can do, folded: the reference has the rest."""
    rows = []
    for member, value in members(kind):
        mark = member if isinstance(value, property) else f"{member}()"
        target = words.pages.get(teller(kind, member, words.pages).__name__)
        cell = f"[`{mark}`]({link(words.page, target)}#{member})" if target else f"`{mark}`"
        rows.append(f"    | {cell} | {words.flat(first_sentence(inspect.getdoc(function_of(value))))} |")
    about = words.flat(first_sentence(kind.__doc__))
    lead = f"    {about} [All of it]({link(words.page, words.pages[name])}).\n\n" if about else ""
    table = "    | Name | What it is |\n    |---|---|\n" + "\n".join(rows)
    return f'??? note "{name}"\n\n{lead}{table}'


def _example(site: Site, name: str, text: str, words: Words, heading: str) -> list[str]:
    """The docstring's example, run here: the first call with what its result prints and draws, then the rest."""
    pieces = _pieces(text)
    first = next((i for i, (kind, piece) in enumerate(pieces) if kind == "code" and _result(piece, name)), None)
    asked: list[tuple[str, str]] = []
    if first is not None:
        lead, fit, rest = _first_call(pieces[first][1], name)
        asked = [("asked", f"print({fit}.summary())"), ("asked", PLOTS.get(name, f"{fit}.plot()"))]
        pieces[first : first + 1] = [("code", lead), *asked, *([("code", rest)] if rest else [])]
    codes = [piece for kind, piece in pieces if kind in ("code", "asked")]
    if not codes:
        return []
    optional = {i for i, (kind, _) in enumerate(p for p in pieces if p[0] in ("code", "asked")) if kind == "asked"}
    outputs = iter(blocks.run(codes, f"si.{name}", site.cache / "blocks", optional=optional))
    parts, figures = ["## Example"], []
    for number, (kind, piece) in enumerate(pieces):
        if kind == "prose":
            parts.append(words.prose(piece))
            continue
        if kind == "error":
            parts.append(blocks.fenced(piece, "python"))
            continue
        output = next(outputs)
        figures += output.figures
        if kind == "code" or output.text or output.figures:
            parts += _block(site, piece, output, words.page, name, number)
    for figure in figures[:2]:
        site.hang(figure, words.page, f"si.{name}", heading)
    return parts


def _block(site: Site, code: str, output: blocks.Output, page: str, name: str, number: int) -> list[str]:
    files = [site.keep(f"{page[:-3]}-{number}-{i}.png", content) for i, content in enumerate(output.figures)]
    shown = blocks.shown(output, [link(page, file) for file in files], f"Figure of the example of si.{name}")
    return [blocks.fenced(blocks.laid_out(code), "python"), shown]


def _pieces(text: str) -> list[tuple[str, str]]:
    """Prose and code of a section of examples, in order; a block of code ends where something is printed."""
    pieces: list[tuple[str, str]] = []
    block: list[str] = []
    for part in doctest.DocTestParser().parse(text):
        if isinstance(part, doctest.Example) and part.exc_msg:
            pieces += [("code", "\n".join(block))] if block else []
            block = []
            pieces.append(("error", f"{part.source}\n# {part.exc_msg.strip()}"))
            continue
        if isinstance(part, doctest.Example):
            block.append(part.source.rstrip())
        ends = bool(part.want) if isinstance(part, doctest.Example) else bool(part.strip())
        if block and ends:
            pieces.append(("code", "\n".join(block)))
            block = []
        if isinstance(part, str) and part.strip():
            pieces.append(("prose", inspect.cleandoc(part)))
    return [*pieces, ("code", "\n".join(block))] if block else pieces


def _result(code: str, name: str) -> str:
    """Name of the first variable that a call of the verb was given to; empty if there is none."""
    found = re.search(_KEPT.format(name), code, re.MULTILINE) or re.search(
        _KEPT.format(r"(?!datasets)\w+"), code, re.MULTILINE
    )
    return found[1] if found else ""


_KEPT = r"^(\w+) = si\.{}\("


def _first_call(code: str, name: str) -> tuple[str, str, str]:
    """A block up to the call of the verb that is kept, the variable, and the lines after it."""
    lines, fit = code.split("\n"), _result(code, name)
    end = next(s.end_lineno or s.lineno for s in ast.parse(code).body if lines[s.lineno - 1].startswith(f"{fit} = si."))
    return "\n".join(lines[:end]), fit, "\n".join(lines[end:])
