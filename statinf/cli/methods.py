"""``statinf methods``: the table of methods."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from statinf.cli.families import all_methods
from statinf.errors import one_of
from statinf.results.methods import withheld

if TYPE_CHECKING:
    from statinf.results.methods import Method

COLUMNS = ("Verb", "Method", "Paper", "Guarantee", "Vignette")


def run(options: argparse.Namespace) -> int:
    methods = all_methods()
    if options.verb is not None:
        verb = options.verb.removeprefix("si.")
        one_of("verb", verb, tuple(dict.fromkeys(m.verb for m in methods)))
        methods = [m for m in methods if m.verb == verb]
    print(markdown(methods) if options.markdown else text(methods, shutil.get_terminal_size((120, 24)).columns))
    return 0


def text(methods: Sequence[Method], width: int) -> str:
    """A block for each verb: a line a method, its paper and guarantee wrapped to `width` characters."""
    indent = max((len(m.name) for m in methods), default=0) + 4
    lines = []
    for verb in dict.fromkeys(m.verb for m in methods):
        lines += ["", f"si.{verb}"] if lines else [f"si.{verb}"]
        for method in (m for m in methods if m.verb == verb):
            said = "; ".join(filter(None, (_paper(method), method.guarantee)))
            said += f" [statinf reproduce {method.vignette}]" if method.vignette else ""
            room = max(width - indent, 40)
            wrapped = textwrap.wrap(said, room, break_long_words=False) or [""]
            for sentence in withheld(method):
                wrapped += textwrap.wrap(sentence, room, break_long_words=False)
            lines.append(f"  {method.name}".ljust(indent) + wrapped[0])
            lines += [" " * indent + line for line in wrapped[1:]]
    return "\n".join(lines)


def markdown(methods: Sequence[Method]) -> str:
    """A pipe table with links to arXiv and to the vignettes."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for m in methods:
        link = f"[{m.paper}](https://arxiv.org/abs/{m.arxiv})" if m.arxiv else m.paper
        vignette = f"[{m.vignette}](vignettes/{m.vignette}.qmd)" if m.vignette else ""
        cells = (f"`si.{m.verb}`", f"`{m.name}`" if m.name else "", link, m.guarantee, vignette)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)


def _paper(method: Method) -> str:
    return f"{method.paper}, arXiv:{method.arxiv}" if method.arxiv else method.paper
