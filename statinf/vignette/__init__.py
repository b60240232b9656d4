"""Run and render Quarto documents with or without the quarto program.

A vignette is a ``.qmd`` file with ``{python}`` cells. Its cells run in a Jupyter kernel of the current interpreter and
Pandoc turns the result into HTML, DOCX, GitHub Markdown, LaTeX or (through Typst) PDF. The same file renders unchanged
under Quarto.

Importing this package costs nothing: what needs Jupyter, Pandoc or YAML is loaded at the first call, from the extra
``pip install '.[docs]'`` in a clone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from statinf.vignette.sizes import pick, size

if TYPE_CHECKING:
    from statinf.vignette.catalog import available, find
    from statinf.vignette.index import build_index
    from statinf.vignette.rendering import render
    from statinf.vignette.run import execute
    from statinf.vignette.verdicts import Verdicts, verdict

__all__ = ["Verdicts", "available", "build_index", "execute", "find", "pick", "render", "size", "verdict"]

_HOME = {
    "Verdicts": "statinf.vignette.verdicts",
    "available": "statinf.vignette.catalog",
    "build_index": "statinf.vignette.index",
    "execute": "statinf.vignette.run",
    "find": "statinf.vignette.catalog",
    "render": "statinf.vignette.rendering",
    "verdict": "statinf.vignette.verdicts",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
