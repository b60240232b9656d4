"""Tables in every format."""

from __future__ import annotations

import re

import numpy as np
import pytest

import statinf as si
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
    assert re.fullmatch(r"\|:---(\|---:)+\|", lines[start + 1])
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
