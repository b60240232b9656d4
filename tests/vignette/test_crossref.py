"""Numbers and links of cross references, without running anything."""

from __future__ import annotations

import pytest

from statinf.vignette.callouts import callouts
from statinf.vignette.crossref import number, references
from statinf.vignette.errors import VignetteError
from statinf.vignette.markdown import to_markdown
from statinf.vignette.parse import Cell, parse
from statinf.vignette.run import Executed

CELL = "```{{python}}\n#| label: {}\n#| fig-cap: {}\nx\n```\n\n"


def page(text: str, to: str = "html", output: dict | None = None) -> str:
    document = parse(text, "a.qmd")
    shown = output or {"output_type": "stream", "name": "stdout", "text": "out"}
    outputs = {i: (shown,) for i, part in enumerate(document.parts) if isinstance(part, Cell)}
    return to_markdown(Executed(document, outputs, {}, "smoke", 0.0), to).markdown


def test_labels_are_numbered_by_kind_in_order_of_appearance():
    text = "$$a$$ {#eq-a}\n\n" + CELL.format("fig-b", "B") + "![C](c.png){#fig-c}\n\n" + CELL.format("tbl-d", "x")
    targets = number(parse(text))
    assert {label: target.number for label, target in targets.items()} == {
        "eq-a": "1", "fig-b": "1", "fig-c": "2", "tbl-d": "1"
    }  # fmt: skip


def test_a_cell_that_shows_nothing_takes_no_number():
    hidden = "```{python}\n#| label: fig-a\n#| eval: false\nx\n```\n\n"
    assert list(number(parse(hidden + CELL.format("fig-b", "B")))) == ["fig-b"]


def test_section_numbers_start_at_the_highest_heading():
    text = "---\nnumber-sections: true\n---\n## A\n\n### B {#sec-b}\n\n## C {#sec-c}\n\n## D {#sec-d .unnumbered}\n"
    targets = number(parse(text))
    assert targets["sec-b"].number == "1.1"
    assert targets["sec-c"].number == "2"
    assert references("@sec-b", targets, "html", "a:1") == "[Section\u00a01.1](#sec-b)"


def test_the_title_of_a_callout_is_no_section():
    text = "---\nnumber-sections: true\n---\n## A\n\n::: {.callout-note}\n\n## Mind\nx\n:::\n\n## B {#sec-b}\n"
    assert number(parse(text))["sec-b"].number == "2"
    text = "## A\n\n::: {.callout-note}\n# Mind\nx\n:::\n\n### B {#sec-b}\n"
    assert number(parse("---\nnumber-sections: true\n---\n" + text))["sec-b"].number == "1.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see @fig-a.", "see [Figure\u00a01](#fig-a)."),
        ("see -@fig-a,", "see [1](#fig-a),"),
        ("[@fig-a]", "[Figure\u00a01](#fig-a)"),
        ("[Figs. @fig-a; @fig-b]", "Figs.\u00a0[1](#fig-a), [2](#fig-b)"),
        ("mail@fig-a.org and [@smith2020]", "mail@fig-a.org and [@smith2020]"),
        ("`@fig-zzz`", "`@fig-zzz`"),
    ],
)
def test_forms_of_reference(text, expected):
    document = CELL.format("fig-a", "A") + CELL.format("fig-b", "B") + text
    assert page(document).rstrip().endswith(expected)


def test_latex_counts_by_itself():
    text = page(CELL.format("fig-a", "A cap") + "@fig-a and @eq-b\n\n$$\nx\n$$ {#eq-b}\n", "latex")
    assert "Figure\u00a0`\\ref{fig-a}`{=latex}" in text
    assert "\\begin{equation}\\label{eq-b}\nx\n\\end{equation}" in text
    assert "Figure\u00a01" not in text


def test_unknown_and_repeated_labels_are_errors():
    with pytest.raises(VignetteError, match=r"a\.qmd:1: the reference @fig-none has no label"):
        page("see @fig-none")
    with pytest.raises(VignetteError, match="label 'fig-a' is used twice"):
        page(CELL.format("fig-a", "A") * 2)


def test_labelled_cell_without_output_is_an_error():
    document = parse(CELL.format("fig-a", "A"), "a.qmd")
    with pytest.raises(VignetteError, match=r"a\.qmd:4: the cell 'fig-a' is labelled as a figure but shows nothing"):
        to_markdown(Executed(document, {0: ()}, {}, "smoke", 0.0))


def test_list_of_captions_numbers_each_figure():
    cell = "```{python}\n#| label: fig-a\n#| fig-cap: [one, two]\nx\n```\n\nsee @fig-a-2"
    pixel = {"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {}}
    document = parse(cell, "a.qmd")
    done = to_markdown(Executed(document, {0: (pixel, pixel)}, {}, "smoke", 0.0))
    assert "![Figure\u00a01: one](fig-a-1.png){#fig-a-1}" in done.markdown
    assert "![Figure\u00a02: two](fig-a-2.png){#fig-a-2}" in done.markdown
    assert "[Figure\u00a02](#fig-a-2)" in done.markdown
    assert sorted(done.media) == ["fig-a-1.png", "fig-a-2.png"]


@pytest.mark.parametrize(
    ("opening", "title"),
    [
        ('::: {.callout-note title="Mind this"}', "Mind this"),
        ("::: {.callout-note}\n\n## From a heading\n", "From a heading"),
        ("::: {.callout-tip collapse='true'}", "Tip"),
    ],
)
def test_callout_titles(opening, title):
    text = callouts(f"{opening}\nBody.\n:::\n")
    assert f"**{title}**" in text and "Body." in text and "## From" not in text


def test_callout_is_an_alert_on_github():
    text = callouts("::: {.callout-warning}\nBody.\n:::", "gfm")
    assert text.startswith("::: {.warning}\n\n::: {.title}\nWarning\n:::")
