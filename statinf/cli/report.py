"""The demonstration as one HTML file that needs no other."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import statinf
from statinf.cli.info import version
from statinf.cli.tour import INTRO, TITLE

if TYPE_CHECKING:
    from statinf.cli.demo import Shown, Tour

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>statinf: demonstration</title>
<style>
{css}</style>
</head>
<body>
<header><h1>statinf on real data</h1>
<p>Every number and figure below was computed by <code>statinf demo</code> on the data sets that come with the package.
The lines shown are those to type.</p>
<nav><ol>
{contents}</ol></nav></header>
<main>
{sections}</main>
<footer>statinf {statinf}, jax {jax}, numpy {numpy}, Python {python}</footer>
</body>
</html>
"""


def write(shown: Sequence[Shown], target: Path, tour: Tour | None = None) -> Path:
    """Write the report of the tour and the sections that were run; figures are read from their files and embedded."""
    import platform

    heads = [("tour", TITLE)] if tour else []
    heads += [(s.name, s.section.title) for s in shown]
    page = _PAGE.format(
        css=resources.files("statinf.cli").joinpath("assets", "report.css").read_text(encoding="utf-8"),
        contents="".join(f'<li><a href="#{name}">{html.escape(title)}</a></li>\n' for name, title in heads),
        sections=(_tour(tour) if tour else "") + "".join(_section(s) for s in shown),
        python=platform.python_version(),
        statinf=statinf.__version__,
        jax=version("jax"),
        numpy=version("numpy"),
    )
    target.write_text(page, encoding="utf-8")
    return target


def _section(shown: Shown) -> str:
    section = shown.section
    parts = [f'<section id="{shown.name}">\n<h2>{html.escape(section.title)}</h2>\n{prose(section.intro)}\n']
    if section.code:
        parts.append(f"<pre><code>{html.escape(section.code.strip())}</code></pre>\n")
    parts += [f'<div class="table">{table.to_html()}</div>\n' for table in section.tables]
    parts += [_figure(caption, file) for caption, file in shown.figures]
    parts.append(f'<p class="time">{shown.seconds:.1f} s, compilation included</p>\n</section>\n')
    return "".join(parts)


def _tour(tour: Tour) -> str:
    """The steps below each other: lines and words beside the figure, where the page is wide enough."""
    parts = [f'<section id="tour">\n<h2>{html.escape(TITLE)}</h2>\n{prose(INTRO)}\n']
    for number, (told, file) in enumerate(tour.steps, start=1):
        step = told.step
        parts.append(
            f'<article class="step" id="tour-{step.name}">\n<h3>{number}. {html.escape(step.title)}</h3>\n'
            f'<div class="words">{prose(told.words)}</div>\n{_figure(step.caption, file)}'
            f"<pre><code>{html.escape(step.code.strip())}</code></pre>\n</article>\n"
        )
    parts.append(f'<p class="time">{tour.seconds:.1f} s, imports and compilation included</p>\n</section>\n')
    return "".join(parts)


def _figure(caption: str, file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    words = html.escape(caption)
    image = f'<img src="data:image/png;base64,{data}" alt="{words}">'
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>\n"


def prose(text: str) -> str:
    """Paragraphs, with `code` between backticks; everything else is text."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    escaped = (re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(p)) for p in paragraphs)
    return "\n".join(f"<p>{p}</p>" for p in escaped)
