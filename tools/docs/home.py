"""The first page: what the package is, its pictures, and an example of each family with its output."""

from __future__ import annotations

import re

from tools.docs import blocks
from tools.docs.site import ROOT, Site, link

_EXAMPLE = re.compile(
    r"^### (?P<title>[^\n]+)\n+(?P<words>.*?)\n```python\n(?P<code>.*?)^```\n\n```text\n(?P<output>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
_PICTURE = re.compile(r"!\[(?P<words>[^\]]*)\]\((?P<place>docs/pictures/(?P<name>[\w-]+)\.png)\)")
# What each example draws beside what it prints
DRAWN = {
    "Balance": "exact.plot()",
    "Conformal prediction": "fit.plot('band', newdata=test.query('workingday == 1').head(400), x='hr')",
    "Streams": "fit.plot()",
    "Quantile regression": "si.rq('foodexp ~ income', data, tau=[i / 20 for i in range(1, 20)]).plot()",
    "Regression under shift": "fit.plot()",
    "Treatment effects": "who.gate('nodegree').plot()",
    "Weights and regressions": "w.plot()",
}
_STARTS = {
    "Verbs": ("verbs/index.md", "What there is, by family: formula, arguments, methods, guarantees."),
    "Guides": ("guides/index.md", "The calls that you know from other packages beside ours."),
    "Vignettes": ("vignettes/index.md", "Papers and tasks, run from top to bottom."),
    "Gallery": ("gallery.md", "Figures, each with the code that draws it."),
}


def page(site: Site, has: set[str]) -> str:
    """Write the page from the README; `has` holds the pages that the site has."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lead = text.split("\n\n")[1]
    parts = [f'# statinf\n\n<div class="lead" markdown>\n\n{lead}\n\n</div>', _cards(has), _pictures(site, text)]
    parts += [
        "## Install",
        _install(),
        "## One example per family",
        "Each block runs by itself on data that come with the package.",
    ]
    parts += [part for found in _EXAMPLE.finditer(text) for part in _example(site, found)]
    return site.write("index.md", "\n\n".join(parts), title="statinf", hide="[navigation, toc]")


def _install() -> str:
    return (
        "In a clone of the repository:\n\n```sh\npip install '.[polars,pyarrow,duckdb,sklearn,datasets,docs]'"
        "  # with everything that is optional\nmake demo  # fits real data with each family and writes a report\n```\n\n"
        "The package that PyPI calls `statinf` is another project: this one is `statinf-toolkit`, imported as `statinf`."
    )


def _cards(has: set[str]) -> str:
    cards = [
        f'<a class="start" href="{page[:-3]}.html"><strong>{name}</strong><span>{words}</span></a>'
        for name, (page, words) in _STARTS.items()
        if page in has
    ]
    return f'<div class="starts">{"".join(cards)}</div>'


def _pictures(site: Site, text: str) -> str:
    tiles = []
    for found in _PICTURE.finditer(text):
        kept = site.keep(f"pictures/{found['name']}.png", (ROOT / found["place"]).read_bytes())
        tiles.append(
            f'<figure><img src="{kept}" alt="{found["words"]}"><figcaption>{_NAMES.get(found["name"], "")}</figcaption></figure>'
        )
    return f'<div class="pictures">{"".join(tiles)}</div>' if tiles else ""


_NAMES = {
    "summary": "A summary, as a paper sets it",
    "love-plot": "Balance before and after weighting",
    "quantile-process": "A quantile process with its uniform band",
    "prediction-band": "Prediction intervals that adapt",
}


def _example(site: Site, found: re.Match[str]) -> list[str]:
    title, code = found["title"].strip(), found["code"].rstrip()
    more = [DRAWN[title]] if title in DRAWN and not site.only else []
    # a part of the site shows what the README holds: a test runs that
    outputs = [blocks.Output(found["output"].rstrip())]
    if not site.only:
        outputs = blocks.run([code, *more], f"README, {title}", site.cache / "blocks", optional={1})
    parts = [f"### {title}", found["words"].strip(), blocks.fenced(code, "python"), blocks.shown(outputs[0], [], "")]
    for drawn, output in zip(more, outputs[1:], strict=True):
        files = [site.keep(f"examples/{len(title)}-{i}.png", f) for i, f in enumerate(output.figures)]
        if files:
            parts += [
                blocks.fenced(drawn.replace("'", '"'), "python"),
                blocks.shown(output, [link("index.md", f) for f in files], title),
            ]
    return parts
