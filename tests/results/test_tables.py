"""Tables in every format."""

from __future__ import annotations

import csv
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from statinf.errors import AliasedWarning
from statinf.results import Table, format_number, format_p


@pytest.fixture(scope="module")
def pair():
    data = si.datasets.load("mtcars")
    return si.lm("mpg ~ wt", data), si.lm("mpg ~ wt + I(hp**2)", data, vcov="HC3")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.23456, "1.235"), (123456.7, "123457"), (0.00001234, "1.234e-05"), (np.nan, ""), (np.inf, "Inf"), (7, "7"),
     (0.0, "0"), (None, ""), (True, "yes"), ("a", "a")],
)  # fmt: skip
def test_numbers(value, text):
    assert format_number(value) == text


def test_p_values():
    assert format_p(0.00001) == "<0.001" and format_p(0.0421) == "0.042" and format_p(np.nan) == ""


def test_side_by_side_holds_every_fit(pair):
    table = si.table(*pair, names=["short", "long"], stars=True)
    text = str(table)
    assert "short" in text and "I(hp ** 2)" in text and "HC3" in text and "***" in text
    assert si.table(list(pair)).columns == ("term", "(1)", "(2)")
    assert "[" in str(si.table(*pair, show="conf_int"))
    with pytest.raises(si.OptionError, match="names"):
        si.table(*pair, names=["one"])
    with pytest.raises(si.OptionError, match="show"):
        si.table(*pair, show="se")
    with pytest.raises(si.OptionError, match="fitted results"):
        si.table("a")


def test_html_escapes_and_has_no_caption():
    table = Table(("term", "a<b"), (("x & y", "1"),), notes=("<n>",))
    html = table.to_html()
    assert "a&lt;b" in html and "x &amp; y" in html and "&lt;n&gt;" in html and "<caption" not in html


def test_markdown_is_a_pipe_table(pair):
    lines = pair[0]._repr_markdown_().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| term"))
    assert re.fullmatch(r"\|:--+(\|--+:)+\|", lines[start + 1])
    counts = {line.replace("\\|", "").count("|") for line in lines[start : start + 4]}
    assert len(counts) == 1


def test_latex_is_a_bare_tabular(pair):
    latex = si.table(*pair).to_latex()
    assert latex.startswith(r"\begin{tabular}") and r"\label" not in latex and r"\caption" not in latex
    assert r"I(hp ** 2)" in latex and "Std. errors" in latex
    assert r"a\_b \& c" in Table(("t", "v"), (("a_b & c", "1"),)).to_latex()


def test_typst_escapes():
    assert r"[a\_b \#1]" in Table(("t", "v"), (("a_b #1", "1"),)).to_typst()


def test_the_summary_names_formula_covariance_and_paper(pair):
    text = str(pair[0])
    assert "mpg ~ wt" in text and "Standard errors: HC1." in text and "White (1980)" in text
    assert "95% interval" in text and "90% interval" in str(pair[0].summary(0.9))


def test_the_outcome_and_the_model_stand_above_the_coefficients(pair):
    data = si.datasets.load("mtcars")
    assert si.table(*pair).spans == (("Outcome", (("mpg", 2),)), ("Model", (("lm", 2),)))
    mixed = si.table(*pair, si.glm("am ~ wt", data, family="binomial"))
    assert mixed.spans == (
        ("Outcome", (("mpg", 2), ("am", 1))),
        ("Model", (("lm", 2), ("glm, binomial, logit", 1))),
    )
    assert mixed.unrolled[0] == ("Outcome", "mpg", "mpg", "am")
    both = si.joint(si.lm("mpg ~ wt", data), si.lm("qsec ~ wt", data))
    assert both.outcome == "mpg, qsec" and both.__maketables_depvar__ == "mpg, qsec"


def test_stars_are_explained_in_every_language(pair):
    table = si.table(*pair, stars=True)
    assert "* p < 0.1, ** p < 0.05, *** p < 0.01" in table.to_text()
    assert "* p &lt; 0.1, ** p &lt; 0.05, *** p &lt; 0.01" in table.to_html()
    assert r"*\* p \< 0.1, \*\* p \< 0.05, \*\*\* p \< 0.01*" in table.to_markdown()
    assert r"* p \textless{} 0.1, ** p \textless{} 0.05, *** p \textless{} 0.01" in table.to_latex()
    assert r"\* p \< 0.1, \*\* p \< 0.05, \*\*\* p \< 0.01" in table.to_typst()


def test_facts_and_notes_are_in_every_language(pair):
    table = pair[0].summary()
    for text in (table.to_text(), table.to_html(), table.to_markdown(), table.to_latex(), table.to_typst()):
        assert "Formula: mpg " in text and "Observations: 32" in text and "Standard errors: HC1." in text
    for text in (si.table(*pair).to_latex(), si.table(*pair).to_typst(), si.table(*pair).to_markdown()):
        assert "Observations" in text and "R2" in text and "HC3" in text


def test_columns_of_a_markdown_table_are_aligned_in_its_source(pair):
    lines = [line for line in si.table(*pair, stars=True).to_markdown().splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    wide = Table(("t", "v"), (("变量", "1"), ("e\u0301", "22"))).to_text().splitlines()
    assert wide[2:] == ["变量   1", "e\u0301     22"]


def test_a_standard_error_that_does_not_exist_is_an_empty_cell():
    data = si.datasets.load("mtcars").assign(double=lambda d: 2 * d.wt)
    with pytest.warns(AliasedWarning):
        fit = si.lm("mpg ~ wt + double", data)
    blank = replace(fit, cov=replace(fit.cov, matrix=np.full((2, 2), np.nan), square_root=None))
    rows = {row[0]: row[1:] for row in blank.summary().rows}
    assert rows["wt"] == ("-5.344", "", "", "", "") and rows["double"] == ("NA",) * 5
    assert "aliased" in blank.summary().notes[0]
    with pytest.raises(si.NotIdentifiedError, match="no standard errors"):
        blank.test("wt = 0")
    for show in ("std_error", "conf_int", "statistic", "p_value"):
        table = si.table(blank, show=show)
        assert [row[:2] for row in table.rows[:3]] == [("Intercept", "37.29"), ("wt", "-5.344"), ("double", "NA")]
        assert "aliased" in table.notes[0]


@pytest.mark.parametrize("suffix", [".html", ".md", ".tex", ".typ", ".csv", ".txt", ".HTML"])
def test_save_writes_what_the_suffix_names(pair, tmp_path, suffix):
    table = si.table(*pair)
    path = table.save(tmp_path / f"table{suffix}")
    assert path == tmp_path / f"table{suffix}" and [p.name for p in tmp_path.iterdir()] == [path.name]
    made = {".html": table.to_html, ".md": table.to_markdown, ".tex": table.to_latex, ".typ": table.to_typst}
    made |= {".csv": table.to_csv, ".txt": table.to_text}
    assert made[suffix.lower()]().strip() in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").endswith("\n")


def test_save_refuses_by_name(pair, tmp_path):
    table = si.table(*pair)
    with pytest.raises(si.OptionError, match=r"table\.docx.*\.html, \.md, \.tex, \.typ, \.csv, \.txt"):
        table.save(tmp_path / "table.docx")
    with pytest.raises(si.OptionError, match="names no format"):
        table.save(tmp_path / "table")
    with pytest.raises(si.OptionError, match="path=3"):
        table.save(3)
    with pytest.raises(si.DataError, match="does not exist; make it"):
        table.save(tmp_path / "none" / "table.md")
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    with pytest.raises(si.DataError, match="symbolic link"):
        table.save(tmp_path / "link.md")
    assert not (tmp_path / "real.md").exists()


def test_csv_is_read_back(pair, tmp_path):
    table = si.table(*pair, show="conf_int", names=["a,b", 'c"d'])
    with open(table.save(tmp_path / "x.csv"), newline="", encoding="utf-8") as file:
        assert [tuple(row) for row in csv.reader(file)] == [table.columns, *table.unrolled]


def test_tables_as_frames_in_the_callers_kind():
    data = si.datasets.load("mtcars")
    pd_table, pl_table = (si.table(si.lm("mpg ~ wt", d)) for d in (data, pl.from_pandas(data)))
    frame, other = pd_table.to_frame(), pl_table.to_frame()
    assert isinstance(frame, pd.DataFrame) and isinstance(other, pl.DataFrame)
    assert [tuple(r) for r in frame.to_numpy()] == other.rows() == list(pd_table.unrolled)
    assert isinstance(si.lm("mpg ~ wt", pl.from_pandas(data)).summary().to_frame(), pl.DataFrame)
    with pytest.raises(si.OptionError, match="two columns have the heading 'a'"):
        Table(("t", "a", "a"), ()).to_frame()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"names": "ab"}, "names has the text 'ab'"), ({"names": [1, 2]}, "names"), ({"digits": 0}, "digits=0"),
     ({"digits": "3"}, "digits='3'"), ({"keep": "hp"}, "'hp' is no coefficient")],
)  # fmt: skip
def test_options_of_a_table_are_checked(pair, options, said):
    with pytest.raises(si.OptionError, match=said):
        si.table(*pair, **options)
    assert len(si.table(*pair, keep="wt").rows) == 2 + 6


def test_rows_of_a_table_have_as_many_cells_as_it_has_columns():
    with pytest.raises(si.OptionError, match="row 1 has 1 cells"):
        Table(("a", "b"), (("1", "2"), ("3",)))
    with pytest.raises(si.OptionError, match="no columns"):
        Table((), ())


def test_long_notes_break_into_lines_in_latex():
    long = "Standard errors of type HC1 with a note that goes on, " * 6
    latex = Table(("term", "estimate"), (("wt", "1"),), facts=(("Covariance", long),), notes=(long, "short")).to_latex()
    lines = [line for line in latex.splitlines() if "footnotesize" in line]
    assert all(line.startswith(r"\multicolumn{2}{l}{\footnotesize{} ") and line.endswith(r"} \\") for line in lines)
    texts = [line.removeprefix(r"\multicolumn{2}{l}{\footnotesize{} ").removesuffix(r"} \\") for line in lines]
    assert len(texts) > 6 and max(map(len, texts)) <= 80
    assert " ".join(texts) == f"Covariance: {long.strip()} {long.strip()} short"
    broad = Table(("term", "x" * 100), (("wt", "1"),), notes=(long,)).to_latex()
    assert max(len(line) for line in broad.splitlines() if "footnotesize" in line) > 100
