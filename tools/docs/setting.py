"""What mkdocs is told: theme, extensions, navigation, and the hooks that put vignettes and formulas onto pages."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statinf.errors import StatinfError
from statinf.optional import need
from statinf.vignette.cache import version
from tools.docs.mathematics import to_mathml
from tools.docs.site import Site
from tools.docs.toc import tokens

THEME = Path(__file__).parent / "theme"
_PALETTE = [
    {
        "media": "(prefers-color-scheme)",
        "toggle": {"icon": "material/brightness-auto", "name": "Switch to the light colours"},
    },
    {
        "media": "(prefers-color-scheme: light)",
        "scheme": "default",
        "primary": "custom",
        "accent": "custom",
        "toggle": {"icon": "material/weather-sunny", "name": "Switch to the dark colours"},
    },
    {
        "media": "(prefers-color-scheme: dark)",
        "scheme": "slate",
        "primary": "custom",
        "accent": "custom",
        "toggle": {"icon": "material/weather-night", "name": "Switch to the colours of the system"},
    },
]
_FEATURES = [
    "navigation.tabs", "navigation.tabs.sticky", "navigation.indexes", "navigation.top", "navigation.prune", "toc.follow",
    "search.suggest", "search.highlight", "content.code.copy", "content.tooltips",
]  # fmt: skip
_EXTENSIONS: list[Any] = [
    "abbr",
    "admonition",
    "attr_list",
    "def_list",
    "footnotes",
    "md_in_html",
    "tables",
    {"toc": {"permalink": True, "toc_depth": 3}},
    {"pymdownx.arithmatex": {"generic": True}},
    "pymdownx.details",
    {"pymdownx.highlight": {"use_pygments": True}},
    "pymdownx.inlinehilite",
    "pymdownx.superfences",
    {"pymdownx.tabbed": {"alternate_style": True}},
]


def build(site: Site, out: Path, nav: list[Any]) -> None:
    """Let mkdocs make the site in `out` from the sources of `site`."""
    # The theme prints a notice about another program otherwise.
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    os.environ.setdefault("DISABLE_MKDOCS_2_WARNING", "true")
    make = need("mkdocs.commands.build", "the site").build
    for file in THEME.glob("*.css"):
        site.keep(f"assets/{file.name}", file.read_bytes())
    site.keep("assets/icon.svg", (THEME / "icon.svg").read_bytes())
    config = need("mkdocs.config.defaults", "the site").MkDocsConfig(
        config_file_path=str(site.folder.parent / "mkdocs.yml")
    )
    config.load_dict(_settings(site, out, nav))
    errors, warned = config.validate()
    if errors:
        raise SystemExit(f"mkdocs: {errors} {warned}")
    config.plugins.events["page_content"].append(_content(site.fragments))
    said = _Warnings()
    logging.getLogger("mkdocs").addHandler(said)
    try:
        make(config)
    finally:
        logging.getLogger("mkdocs").removeHandler(said)
    if said.texts:
        raise StatinfError("mkdocs warned:\n" + "\n".join(said.texts))


class _Warnings(logging.Handler):
    """Keeps what mkdocs warns of: a link that leads nowhere, a page that the navigation lacks."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _settings(site: Site, out: Path, nav: list[Any]) -> dict[str, Any]:
    return {
        "site_name": "statinf",
        "site_description": "Statistical inference in Python with formulas as in R",
        "docs_dir": str(site.folder),
        "site_dir": str(out),
        "use_directory_urls": False,  # pages can be read from a folder, without a server
        "nav": nav,
        "copyright": f"statinf {version()}. Every number and picture of these pages was made by running their code.",
        "theme": {
            "name": "material",
            "font": False,
            "palette": _PALETTE,
            "features": _FEATURES,
            "favicon": "assets/icon.svg",
            "logo": "assets/icon.svg",
        },
        "extra": {"generator": False},
        "extra_css": ["assets/site.css", "assets/vignette.css"],
        "markdown_extensions": _EXTENSIONS,
        "plugins": ["search"],
        "validation": {"links": {"anchors": "ignore", "not_found": "warn"}, "nav": {"omitted_files": "ignore"}},
    }


def _content(fragments: Mapping[str, str]) -> Any:
    get_toc = need("mkdocs.structure.toc", "the site").get_toc

    def on_page_content(html: str, *, page: Any, **_: Any) -> str:
        made = fragments.get(page.file.src_uri)
        if made is None:
            return _scrolled(to_mathml(html))
        page.toc = get_toc(tokens(made))
        return _scrolled(made)

    return on_page_content


def _scrolled(html: str) -> str:
    """Tables in a box of their own that scrolls, so that a wide one does not widen the page."""
    html = re.sub(r"<table\b", '<div class="scrolled"><table', html)
    return html.replace("</table>", "</table></div>")
