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

if TYPE_CHECKING:
    from statinf.cli.demo import Shown

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


def write(shown: Sequence[Shown], target: Path) -> Path:
    """Write the report of the sections that were run; figures are read from their files and embedded."""
    import platform

    page = _PAGE.format(
        css=resources.files("statinf.cli").joinpath("assets", "report.css").read_text(encoding="utf-8"),
        contents="".join(f'<li><a href="#{s.name}">{html.escape(s.section.title)}</a></li>\n' for s in shown),
        sections="".join(_section(s) for s in shown),
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
    for caption, file in shown.figures:
        data = base64.b64encode(file.read_bytes()).decode()
        words = html.escape(caption)
        image = f'<img src="data:image/png;base64,{data}" alt="{words}">'
        parts.append(f"<figure>{image}<figcaption>{words}</figcaption></figure>\n")
    parts.append(f'<p class="time">{shown.seconds:.1f} s, compilation included</p>\n</section>\n')
    return "".join(parts)


def prose(text: str) -> str:
    """Paragraphs, with `code` between backticks; everything else is text."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    escaped = (re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(p)) for p in paragraphs)
    return "\n".join(f"<p>{p}</p>" for p in escaped)
