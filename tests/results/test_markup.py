"""Hostile text in every language of documents, read back by the languages' own readers."""

from __future__ import annotations

import html
import re

import pytest

import statinf as si
from statinf.results import Table
from statinf.results.markup import markdown_text
from statinf.results.typeset import latex_text, typst_text

HOSTILE = (
    "I(x**2)", "a_b", "_a_", "50%", "$x$", "$x", "<b>", "a|b", "C(g)[T.x#1]", "#x", "x & y", "&amp;", "~x~", "x^2^",
    r"\textbf{x}", "{x}", "`x`", "*x*", "**", "[x](y)", "[^1]", "![x](y)", "a//b", "/*c*/", "@x", "x--y", "x---y", "a...b",
    '"q"', "it's", "été", "µ²", "变量", "1. x", "12) x", "12.",
    "- x", "+ x", "= x", "/ x", "p < 0.1, ** p < 0.05", "x\ny", "[x]", "* x",
    "#let x = 1", "<!-- c -->", "&copy", "H~2~O", "x:y", "https://x.org/a_b",
)  # fmt: skip
SHOWN = tuple(" ".join(text.split()) for text in HOSTILE)


def hostile_table() -> Table:
    """Each text once in every place that a table has for text."""
    names = tuple((text, text) for text in HOSTILE)
    return Table(("term", "a|b_*"), names, title="*50%* of a_b", facts=names, notes=HOSTILE, rules=(0, 2))


def cells(page: str) -> list[str]:
    """Texts of the cells of an HTML table."""
    found = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split()) for text in found]


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def check(page: str) -> None:
    found = cells(page)
    start = found.index("term")
    assert found[start : start + 2 + 2 * len(SHOWN)] == ["term", "a|b_*", *(t for text in SHOWN for t in (text, text))]
    said = words(page)
    for text in SHOWN:
        assert f"{text}: {text}" in said
        assert said.count(text) >= 5, text
    assert "*50%* of a_b" in said


def latex_page(table: Table) -> str:
    # Pandoc lacks two of LaTeX's own names of characters, and the rules below some columns with trimmed ends
    source = re.sub(r"\\cmidrule\(lr\)\{\d+-\d+\}", "", table.to_latex())
    source = source.replace(r"\textbar{}", "\ue000").replace(r"\textasciigrave{}", "\ue001")
    page = pytest.importorskip("pypandoc").convert_text(source, "html", format="latex", extra_args=["--wrap=none"])
    return page.replace("\ue000", "|").replace("\ue001", "`")


def markdown_page(table: Table, dialect: str) -> str:
    source = table.to_markdown()
    return pytest.importorskip("pypandoc").convert_text(source, "html", format=dialect, extra_args=["--wrap=none"])


def test_html():
    page = hostile_table().to_html()
    check(page)
    assert page.count("<b>") == 0 and "<!--" not in page


@pytest.mark.parametrize("dialect", ["gfm", "commonmark_x", "markdown"])
def test_markdown(dialect):
    check(markdown_page(hostile_table(), dialect))


def test_latex():
    check(latex_page(hostile_table()))


def test_typst(tmp_path):
    typst = pytest.importorskip("typst")
    source = hostile_table().save(tmp_path / "x.typ")
    page = typst.compile(str(source), format="html").decode()
    check(page)
    source.write_text("#set page(height: auto, width: 40cm)\n" + source.read_text())
    assert typst.compile(str(source), format="pdf").startswith(b"%PDF")


def test_hostile_texts_above_columns_as_heads_and_in_captions(tmp_path):
    typst = pytest.importorskip("typst")
    for text in (
        "50% & $x$_#1",
        "*[a]* <b>",
        "-- {x}",
        "| ~x~ ^2^ @y",
        "[1] 'q' \"é\" `变量`",
        r"\textbf{x} // https://x.org",
    ):
        table = Table(
            ("term", "a", "b"),
            ((text, "", ""), (text, "1", "2")),
            spans=((text, ((text, 2),)), ("n", ((text, 1), ("", 1)))),
            heads=(0,),
            indented=(1,),
            caption=text,
            label="tbl-x",
        )
        pages = {
            "html": table.to_html(),
            "gfm": markdown_page(table, "gfm"),
            "markdown": markdown_page(table, "markdown"),
            "latex": latex_page(table),
            "typst": typst.compile(str(table.save(tmp_path / "x.typ")), format="html").decode(),
        }
        for language, page in pages.items():
            shown = cells(page)
            least = 5 if language in ("html", "latex", "typst") else 6
            assert shown.count(text) == least, (language, text, shown)
            assert words(page).count(text) >= least + 1, (language, text)


@pytest.mark.parametrize(
    ("text", "latex", "typst", "markdown"),
    [
        ("a_b", r"a\_b", r"a\_b", r"a\_b"),
        ("50%", r"50\%", "50%", "50%"),
        ("$x$", r"\$x\$", r"\$x\$", r"\$x\$"),
        ("a|b", r"a\textbar{}b", "a|b", r"a\|b"),
        ("x ~ y", r"x \textasciitilde{} y", r"x \~ y", "x ~ y"),
        ("-5.344", "-5.344", "-5.344", "-5.344"),
        ("C(g)[T.x#1]", r"C(g)[T.x\#1]", r"C(g)\[T.x\#1\]", "C(g)[T.x#1]"),
        ("{\\", r"\{\textbackslash{}", r"{\\", r"\{\\"),
    ],
)
def test_rules(text, latex, typst, markdown):
    assert (latex_text(text), typst_text(text), markdown_text(text)) == (latex, typst, markdown)


def test_hostile_columns_of_a_fit_in_every_language(tmp_path):
    import numpy as np
    import pandas as pd

    typst = pytest.importorskip("typst")
    generator = np.random.default_rng(0)
    data = pd.DataFrame(generator.normal(size=(40, 3)), columns=["a_b", "$x$", "a|b"]).assign(g=["<b>", "x#1"] * 20)
    fit = si.lm("a_b ~ I(`$x$`**2) + `a|b` + C(g)", data)
    side = si.table(fit, si.lm("`$x$` ~ `a|b`", data), stars=True, names=["50%", "#2_"])
    for table in (fit.summary(), side):
        terms = [row[0] for row in table.rows if row[0]]
        pages = [table.to_html(), markdown_page(table, "gfm"), latex_page(table)]
        pages.append(typst.compile(str(table.save(tmp_path / "x.typ")), format="html").decode())
        for page in pages:
            shown, said = cells(page), words(page)
            for text in (*terms, *table.columns):
                assert text in shown
            for key, value in table.facts:
                assert f"{key}: {value}" in said
            assert all(note in said for note in table.notes)
    assert "*** p < 0.01" in side.notes[0] and ("Outcome", "a_b", "$x$") in side.unrolled
