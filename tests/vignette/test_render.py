"""One small vignette run once in a real kernel and rendered to every format, without Quarto."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from statinf.vignette import build_index, cache, execute
from statinf.vignette.catalog import describe
from statinf.vignette.errors import VignetteError
from statinf.vignette.rendering import write

for package in ("nbclient", "ipykernel", "yaml", "matplotlib", "typst"):
    pytest.importorskip(package)

SOURCE = r"""---
title: "A *small* vignette"
author: [{name: A. Author}]
abstract: What it shows.
categories: [trial]
bibliography: refs.bib
number-sections: false
params:
  n: 7
---

## Data

```{python}
#| tags: [parameters]
n = 3
```

```{python}
#| include: false
from statinf.vignette import pick, size
hidden_name = pick(smoke="little", reduced="more", full="all")
```

At `{python} size()` we do `{python} hidden_name`; n is `{python} n`, half of it `{python} f"{n / 2:.2f}"`, and
`{python} "a*b*c"` stays. @fig-line, @tbl-fit and @eq-mean are below, as in @smith2020.

$$
\bar x = \frac{1}{n} \sum_i x_i
$$ {#eq-mean}

::: {.callout-note title="Mind"}
Look at @tbl-fit.
:::

```{python}
#| label: fig-line
#| fig-cap: A line through `n` points, as @eq-mean.
#| fig-alt: A "rising" line
import matplotlib.pyplot as plt
plt.plot(range(n))
```

```{python}
#| label: tbl-fit
#| tbl-cap: A fit
#| echo: false
class Fit:
    def _repr_html_(self):
        return "<table><tr><th>term</th></tr><tr><td>html-slope</td></tr></table>"

    def _repr_markdown_(self):
        return "| term |\n|:--|\n| md-slope |\n\nfoot note"

Fit()
```

```{python}
#| label: tbl-frame
#| tbl-cap: Only HTML
class Frame:
    def _repr_html_(self):
        return "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"

Frame()
```

```{python}
#| eval: false
raise SystemExit("never-run")
```

```{python}
#| warning: false
import warnings
warnings.warn("unseen-warning")
print("seen-print")
```

```{python}
#| output: false
print("unseen-print")
```
"""

BIB = "@article{smith2020, title={On Means}, author={Smith, Ann}, journal={J}, year={2020}}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("vignettes")
    (made / "small.qmd").write_text(SOURCE)
    (made / "refs.bib").write_text(BIB)
    return made


@pytest.fixture(scope="module")
def executed(folder):
    # a kernelspec that cannot start must not be looked at
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/nonexistent"], "display_name": "x", "language": "python"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
        return execute(folder / "small.qmd", size="smoke", cache=folder / "cache")


@pytest.fixture(scope="module")
def pages(executed, folder) -> dict[str, Path]:
    made = {}
    for to, ending in {
        "html": "html",
        "gfm": "md",
        "docx": "docx",
        "latex": "tex",
        "pdf": "pdf",
        "typst": "typ",
    }.items():
        made[to] = folder / "out" / f"small.{ending}"
        made[to].parent.mkdir(exist_ok=True)
        write(executed, to, made[to])
    return made


@pytest.fixture(scope="module")
def page(pages) -> str:
    return re.sub(r"\s+", " ", pages["html"].read_text().replace("\u00a0", " "))


def test_inline_values_size_and_parameters(page):
    assert "At smoke we do little; n is 7, half of it 3.50, and a*b*c stays." in page


def test_numbers_and_links(page):
    assert '<a href="#fig-line">Figure 1</a>' in page
    assert '<a href="#tbl-fit">Table 1</a>' in page
    assert '<a href="#eq-mean">Equation 1</a> are below' in page
    assert re.search(
        r'<div id="eq-mean" class="equation"> <p><math.*?</math></p> <p><span class="equation-number">\(1\)', page
    )
    assert "Smith" in page and "On Means" in page, "the citation is resolved"


def test_figure_has_caption_alt_and_embedded_image(page):
    figure = re.search(r'<figure id="fig-line">(.*?)</figure>', page)
    assert figure and 'src="data:image/png;base64,' in figure[1]
    assert 'alt="A &quot;rising&quot; line"' in figure[1]
    assert "Figure 1: A line through <code>n</code> points, as" in figure[1]
    assert "matplotlib.lines" not in page


def test_tables_take_html_and_captions_above(page):
    table = re.search(r'<div id="tbl-fit" class="float float-table">(.*?)</table>', page)
    assert table and table[1].index("Table 1: A fit") < table[1].index("html-slope")
    assert "md-slope" not in re.sub(r"<code.*?</code>", "", page)


def test_what_is_hidden_stays_hidden(page):
    assert "never-run" in page, "eval: false still shows its code"
    assert "seen-print" in page
    assert "class Fit" not in page, "echo: false"
    assert '<span class="co">#|' not in page, "cell options are no code"
    output = re.sub(r'<div class="sourceCode.*?</div>', "", page)
    assert "unseen-warning" not in output and "unseen-print" not in output
    assert "hidden_name" not in output


def test_callout_and_page_frame(page):
    assert re.search(
        r'<div class="callout callout-note"> <div class="callout-title"> <p><strong>Mind</strong></p>', page
    )
    assert "<h1>A <em>small</em> vignette</h1>" in page and "A. Author" in page
    assert 'id="TOC"' in page and "size “smoke”" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "the page needs nothing from outside"


def test_markdown_page(pages):
    text = pages["gfm"].read_text().replace("\u00a0", " ")
    assert text.startswith("# A *small* vignette")
    assert "> [!NOTE]" in text and "md-slope" in text and "html-slope" not in text
    assert re.search(r"\| a +\| b +\|\n\|-+\|-+\|\n\| 1 +\| 2 +\|", text), "an HTML table becomes a pipe table"
    assert str(pages["gfm"].parent) not in text
    assert (pages["gfm"].parent / "small_files" / "fig-line.png").read_bytes().startswith(b"\x89PNG")


def test_latex_page_uses_its_own_counters(pages):
    text = pages["latex"].read_text()
    assert "\\label{fig-line}" in text and "Figure~\\ref{fig-line}" in text
    assert re.search(r"\\caption\{A fit\}\\label\{tbl-fit\}", text)
    assert "\\section{Data}" in text and "Figure 1" not in text


def test_word_and_pdf_pages(pages):
    with zipfile.ZipFile(pages["docx"]) as archive:
        text = archive.read("word/document.xml").decode().replace("\u00a0", " ")
        assert any(name.startswith("word/media/") for name in archive.namelist())
    assert "Figure 1: A line" in text and "md-slope" in text and text.count("<w:tbl>") == 2
    assert pages["pdf"].read_bytes().startswith(b"%PDF-")


def test_typst_page_keeps_its_figures_beside_it(pages, tmp_path):
    import typst

    text = pages["typst"].read_text()
    assert 'image("small_files/fig-line.png"' in text and "<fig-line>" in text and "<tbl-fit>" in text
    assert (pages["typst"].parent / "small_files" / "fig-line.png").read_bytes().startswith(b"\x89PNG")
    assert bytes(typst.compile(str(pages["typst"]))).startswith(b"%PDF-")


def test_settings_of_the_sheet_reach_typst(executed, tmp_path):
    from dataclasses import replace

    meta = {**executed.document.meta, "format": {"typst": {"papersize": "a5"}}}
    write(replace(executed, document=replace(executed.document, meta=meta)), "typst", tmp_path / "x.typ")
    assert 'paper: "a5"' in (tmp_path / "x.typ").read_text()


def test_cache_is_read_back(executed, folder):
    assert executed.seconds > 0
    again = execute(folder / "small.qmd", size="smoke", cache=folder / "cache")
    assert again.seconds != again.seconds, "nan: nothing ran"
    assert again.inline == executed.inline
    assert len(list((folder / "cache").iterdir())) == 1


def test_cache_key_depends_on_source_size_and_package(executed, monkeypatch):
    def key(sources=("x = 1",), size="smoke"):
        return cache.key(executed.document, list(sources), {"size": size})

    first = key()
    assert first == key() and first.startswith("small-")
    assert len({first, key(sources=("x = 2",)), key(size="full")}) == 3
    monkeypatch.setattr(cache, "package_digest", lambda: "other code")
    assert key() != first


def test_index_links_pages_with_a_picture(pages, folder):
    index = build_index(folder / "out", intro="Some *words*.", vignettes=[describe(folder / "small.qmd")])
    text = index.read_text()
    assert '<a href="small.html">A <em>small</em> vignette</a>' in text
    assert "<h2>Trial</h2>" in text and "What it shows." in text and "<em>words</em>" in text
    assert (folder / "out" / "thumbnails" / "small.png").read_bytes().startswith(b"\x89PNG")
    assert "index.html" not in text


def test_index_of_an_empty_folder(tmp_path):
    with pytest.raises(VignetteError, match="no rendered pages"):
        build_index(tmp_path, vignettes=[])


def test_missing_citation_and_bibliography(folder, executed, tmp_path):
    from dataclasses import replace

    document = executed.document
    lost = replace(executed, document=replace(document, meta={**document.meta, "bibliography": "none.bib"}))
    with pytest.raises(VignetteError, match=r"the bibliography .*none\.bib does not exist"):
        write(lost, "html", tmp_path / "x.html")
    (folder / "empty.bib").write_text("")
    lost = replace(executed, document=replace(document, meta={**document.meta, "bibliography": "empty.bib"}))
    with pytest.raises(VignetteError, match="citation smith2020 not found"):
        write(lost, "html", tmp_path / "x.html")
