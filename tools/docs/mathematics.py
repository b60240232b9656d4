"""Formulas as MathML, which browsers draw by themselves: made by Pandoc, one call for all of a page."""

from __future__ import annotations

import html
import re

from statinf.vignette.pandoc import pandoc

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)
_BETWEEN = "⁂⁂⁂"
_known: dict[str, str] = {}


def to_mathml(page: str) -> str:
    """HTML with each formula that `pymdownx.arithmatex` marked as MathML."""
    wanted = {found[2] for found in _FORMULA.finditer(page)} - set(_known)
    if wanted:
        texts = sorted(wanted)
        source = f"\n\n{_BETWEEN}\n\n".join(_dollars(text) for text in texts)
        made = pandoc(source, ["--from=markdown", "--to=html", "--mathml", "--wrap=none"]).decode()
        parts = made.split(f"<p>{_BETWEEN}</p>")
        _known.update(zip(texts, (re.sub(r"^<p>|</p>$", "", part.strip()) for part in parts), strict=True))
    return _FORMULA.sub(lambda found: _known[found[2]], page)


def _dollars(text: str) -> str:
    text = html.unescape(text).strip()
    inside = text[2:-2].strip()
    return f"$${inside}$$" if text.startswith("\\[") else f"${inside}$"
