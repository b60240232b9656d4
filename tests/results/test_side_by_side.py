"""Tables of several fits: what stands above, which coefficients under which names, and what stands below."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import AliasedWarning
from statinf.results import Table, format_number
from statinf.results.term_names import label, parts_of

FORMATS = ("to_text", "to_html", "to_markdown", "to_latex", "to_typst", "to_csv")


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("mtcars")


@pytest.fixture(scope="module")
def fits(data):
    return (
        si.lm("mpg ~ wt + C(cyl)", data),
        si.lm("mpg ~ wt*C(cyl) + hp", data),
        si.glm("am ~ wt", data, family="binomial"),
    )


def named(table):
    return [row[0] for row in table.rows if row[0]]


def row(table, name):
    return next(r[1:] for r in table.rows if r[0] == name)


def coefficients(table):
    return named(replace(table, rows=table.rows[: table.rules[0]]))


# --- names and choice -----------------------------------------------------------------------------------------


def test_factors_are_renamed_in_levels_and_interactions(fits):
    rename = {"wt": "Weight", "C(cyl)": "Cylinders", "mpg": "Miles per gallon", "not there": "x"}
    table = si.table(*fits, rename=rename)
    assert coefficients(table) == [
        "Intercept", "Weight", "Cylinders [6]", "Cylinders [8]", "hp", "Weight × Cylinders [6]",
        "Weight × Cylinders [8]",
    ]  # fmt: skip
    assert table.spans[0][1] == (("Miles per gallon", 2), ("am", 1))
    assert label("C(cyl)[T.6]", {"C(cyl)[T.6]": "six", "C(cyl)": "Cyl"}) == "six"
    assert parts_of("C(g)[T.a:b]:x:I(y ** 2)") == ["C(g)[T.a:b]", "x", "I(y ** 2)"]


def test_coefficients_of_one_name_share_a_row(data):
    pair = si.lm("mpg ~ wt", data), si.lm("mpg ~ hp", data)
    table = si.table(*pair, rename={"wt": "Size", "hp": "Size"})
    assert coefficients(table) == ["Intercept", "Size"] and all(row(table, "Size"))
    with pytest.raises(si.OptionError, match="'wt' and 'hp' stand in one fit and would both be called 'Size'"):
        si.table(si.lm("mpg ~ wt + hp", data), rename={"wt": "Size", "hp": "Size"})


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"keep": "C(cyl)"}, ["C(cyl)[T.6]", "C(cyl)[T.8]"]),
        ({"keep": ["hp", "wt"]}, ["hp", "wt"]),
        ({"keep": "wt*"}, ["wt", "wt:C(cyl)[T.6]", "wt:C(cyl)[T.8]"]),
        ({"keep": re.compile(r"^wt:")}, ["wt:C(cyl)[T.6]", "wt:C(cyl)[T.8]"]),
        ({"drop": ["Intercept", "*C(cyl)*"]}, ["wt", "hp"]),
        ({"drop": "*:*", "order": ["hp", "C(cyl)"]}, ["hp", "C(cyl)[T.6]", "C(cyl)[T.8]", "Intercept", "wt"]),
        ({"keep": "Weight", "rename": {"wt": "Weight"}}, ["Weight"]),
        ({"indicate": {"Cylinders": "*C(cyl)*"}, "drop": "Intercept"}, ["wt", "hp"]),
    ],
)
def test_which_coefficients_are_shown(fits, options, shown):
    assert coefficients(si.table(*fits, **options)) == shown


def test_coefficients_left_out_are_told_in_a_row(fits):
    table = si.table(*fits, indicate={"Cylinders": "C(cyl)", "Interactions": ["*:*"]})
    assert row(table, "Cylinders") == ("yes", "yes", "no") and row(table, "Interactions") == ("no", "yes", "no")
    assert table.rules[1] == table.rules[0] + 2


def test_levels_stand_below_their_factor(fits, data):
    table = si.table(*fits, group_factors=True, drop="*:*", rename={"C(cyl)": "Cylinders"})
    assert coefficients(table) == ["Intercept", "wt", "Cylinders (reference: 4)", "6", "8", "hp"]
    head = table.heads[0]
    assert table.rows[head][1:] == ("", "", "") and table.indented == (head + 1, head + 3)
    text = {name: getattr(table, name)() for name in FORMATS}
    assert "\n  6 " in text["to_text"] and r"\hspace{1em}6 &" in text["to_latex"] and "[#h(1em)6]" in text["to_typst"]
    assert r"\emph{Cylinders (reference: 4)}" in text["to_latex"] and "&emsp;6" in text["to_markdown"]
    assert 'scope="rowgroup"' in text["to_html"] and "padding-left" in text["to_html"]
    strings = data.assign(g=np.where(data["cyl"] > 4, "many", "few"))
    assert "g (reference: few)" in coefficients(si.table(si.lm("mpg ~ g", strings), group_factors=True))
    # without an intercept every level has a coefficient, and none is the reference
    assert "g" in coefficients(si.table(si.lm("mpg ~ 0 + g", strings), group_factors=True))


# --- numbers --------------------------------------------------------------------------------------------------


def test_what_stands_beside_an_estimate(data):
    fit = si.lm("mpg ~ wt", data, vcov="iid")
    t = fit.tidy().set_index("term").loc["wt"]
    table = si.table(fit, show=["std_error", "conf_int", "statistic", "p_value"], digits=2, fixed=True, keep="wt")
    assert [r[1] for r in table.rows[:5]] == [
        f"{t['estimate']:.2f}", f"({t['std_error']:.2f})", f"[{t['conf_low']:.2f}, {t['conf_high']:.2f}]",
        f"({t['statistic']:.2f})", "(0.00)",
    ]  # fmt: skip
    beside = si.table(fit, below=False, keep="wt", digits=3)
    assert beside.rows[0] == ("wt", "-5.34 (0.559)")
    assert si.table(fit, show=None, keep="wt").rules == (1,) == si.table(fit, show=(), keep="wt").rules


def test_marks_are_off_unless_asked_for(fits):
    assert not any("*" in cell for r in si.table(*fits).rows for cell in r[1:])
    table = si.table(*fits, stars={"a": 0.001, "b": 0.5}, keep="hp")
    assert row(table, "hp")[1][-1] in "ab" and table.notes[0] == "b p < 0.5, a p < 0.001"
    assert si.table(*fits, stars=True).notes[0] == "* p < 0.1, ** p < 0.05, *** p < 0.01"


def test_exponentiated_estimates(fits):
    table = si.table(*fits, exponentiate=[False, False, True], keep="wt", digits=6)
    want = fits[2].tidy(exponentiate=True).set_index("term").loc["wt"]
    assert float(row(table, "wt")[2]) == pytest.approx(want["estimate"], rel=1e-5)
    assert float(table.rows[1][3].strip("()")) == pytest.approx(want["std_error"], rel=1e-5)
    assert "Estimates and limits are exponentiated in (3)." in table.notes
    assert "Estimates and limits are exponentiated." in si.table(fits[2], exponentiate=True).notes


def test_covariances_of_columns(fits, data):
    pairs = si.lm("mpg ~ wt", data.assign(pair=np.arange(len(data)) // 2))
    assert row(si.table(fits[0], pairs, vcov=["iid", {"cluster": "pair"}]), "Std. errors") == (
        "iid",
        "clustered by pair (HC1)",
    )
    several = si.table(fits[0], vcov=["iid", "HC3", None], keep="wt")
    assert row(several, "Std. errors") == ("iid", "HC3", "HC1") and len(set(several.rows[1][1:])) == 3
    assert row(si.table(*fits, vcov="HC0"), "Std. errors") == ("HC0",) * 3
    with pytest.raises(si.OptionError, match="vcov has 2 entries for 3 fits"):
        si.table(*fits, vcov=["iid", "HC3"])


# --- above and below ------------------------------------------------------------------------------------------


def test_statistics_chosen(fits, data):
    table = si.table(*fits, stats=["N", "r2", "loglik", "deviance"])
    assert named(table)[-5:] == ["Observations", "R2", "Log-likelihood", "Deviance", "Std. errors"]
    assert row(table, "R2")[2] == ""
    own = {
        "Cars": "nobs",
        "Mean": lambda fit: float(fit.design.y.mean()),
        "Sample": ["all", "all", "some"],
        "Ok": [True, True, False],
    }
    table = si.table(*fits, stats=own)
    assert row(table, "Cars") == ("32",) * 3 and row(table, "Mean")[0] == "20.09"
    assert row(table, "Sample") == ("all", "all", "some") and row(table, "Ok") == ("yes", "yes", "no")
    with pytest.raises(si.OptionError, match=r"stats: 'rsq' is no statistic.*nobs"):
        si.table(*fits, stats=["rsq"])
    with pytest.raises(si.OptionError, match="one value for each of the 3 columns"):
        si.table(*fits, stats={"x": [1]})
    assert "Weights" not in named(table)
    weighted = si.lm("mpg ~ am", data, weights=si.balance("am ~ wt", data, method="entropy"))
    plain = si.lm("mpg ~ am", data)
    assert row(si.table(plain, weighted, si.lm("mpg ~ am", data, weights="wt")), "Weights") == ("", "entropy", "given")


def test_weights_are_told_of_fits_without_rows(tmp_path):
    data = si.datasets.load("mtcars")
    fit = si.lm("mpg ~ am", data, weights="wt")
    blocks = si.blocks(data, rows=8)
    estimated = si.lm("mpg ~ am", blocks, weights=si.balance("am ~ hp", blocks, method="entropy"))
    streams = [si.lsa("mpg ~ am", data, method="renewable", weights=w) for w in ("wt", data["wt"].to_numpy(), None)]
    shown = [si.load(fit.save(tmp_path / "fit.si")), si.lm("mpg ~ am", blocks, weights="wt"), estimated, *streams]
    assert row(si.table(shown), "Weights") == ("given", "given", "entropy", "given", "given", "")
    assert row(si.table(fit.with_vcov("HC0"), si.lm("mpg ~ am", blocks)), "Weights") == ("given", "")


def test_rows_that_fits_contribute(fits):
    class Absorbing(type(fits[0])):
        absorbed = SimpleNamespace(terms=[SimpleNamespace(name="firm"), SimpleNamespace(name="year")])

        def table_rows(self):
            return {"trend": True, "slopes": "by year"}

    with_effects = Absorbing(**fits[0].__dict__)
    table = si.table(fits[0], with_effects, rename={"firm": "Company"})
    head = next(i for i in table.heads if table.rows[i][0] == "Absorbed effects")
    assert table.rows[head + 1 : head + 3] == (("Company", "no", "yes"), ("year", "no", "yes"))
    assert table.indented == (head + 1, head + 2) and table.rules == (head, head + 5)
    assert row(table, "trend") == ("no", "yes") and row(table, "slopes") == ("", "by year")


def test_rows_above_the_headings(fits):
    table = si.table(*fits, headers={"Sample": ["all", "all", "all"], "Set": ["a", "b", "b"]})
    assert table.spans[2:] == (("Sample", (("all", 2), ("all", 1))), ("Set", (("a", 1), ("b", 1), ("b", 1))))
    bare = si.table(*fits, outcome=False, model=False)
    assert bare.spans == ()
    with pytest.raises(si.OptionError, match="'Sample' takes one text for each of the 3 fits"):
        si.table(*fits, headers={"Sample": ["all"]})


def test_texts_over_columns_in_every_format(fits):
    table = si.table(*fits)
    lines = table.to_text().splitlines()
    assert lines[0].startswith("Outcome") and lines[0].split() == ["Outcome", "mpg", "am"]
    assert set(lines[2]) == {" ", "-"} and lines[2].index("-") == lines[3].index("(1)") - len(
        lines[3][lines[2].index("-") : lines[3].index("(1)")]
    )
    latex, typst, html = table.to_latex(), table.to_typst(), table.to_html()
    assert r"Outcome & \multicolumn{2}{c}{mpg} & \multicolumn{1}{r}{am} \\" in latex
    assert latex.count(r"\cmidrule(lr){2-3}") == 1
    assert "table.cell(colspan: 2, align: center)[mpg]" in typst and "start: 1, end: 3" in typst
    assert '<th colspan="2" scope="colgroup"' in html
    assert table.to_csv().splitlines()[1] == "Outcome,mpg,mpg,am"
    assert table.to_frame().iloc[0].tolist() == ["Outcome", "mpg", "mpg", "am"]
    wide = Table(("t", "a", "b"), (("x", "1", "2"),), spans=(("", (("a long text over both", 2),)),)).to_text()
    assert len({len(line) for line in wide.splitlines()}) == 1
    with pytest.raises(si.OptionError, match="do not stand over all columns"):
        Table(("t", "a", "b"), (), spans=(("", (("a", 1),)),))


def test_a_caption_and_a_label(fits, tmp_path):
    table = si.table(*fits, caption="Fuel & 50% of a_b", label="tbl-fuel", notes="Own note.")
    assert table.to_text().startswith("Fuel & 50% of a_b\n") and table.notes[-1] == "Own note."
    latex = table.to_latex()
    assert latex.startswith("\\begin{table}[htbp]\n") and latex.endswith("\\end{tabular}\n\\end{table}")
    assert r"\caption{Fuel \& 50\% of a\_b}" in latex and r"\label{tbl-fuel}" in latex
    assert "\n\n: Fuel & 50% of a\\_b {#tbl-fuel}\n" in table.to_markdown()
    assert "<caption>Fuel &amp; 50% of a_b</caption>" in table.to_html() and 'id="tbl-fuel"' in table.to_html()
    typst = pytest.importorskip("typst")
    assert table.to_typst().startswith("#figure(kind: table,") and table.to_typst().endswith(") <tbl-fuel>")
    source = table.save(tmp_path / "x.typ")
    source.write_text('#set figure(numbering: "1")\n' + source.read_text() + "\nSee @tbl-fuel.\n")
    assert b"Fuel &amp; 50% of a_b" in typst.compile(str(source), format="html")
    for wrong in ({"label": "x"}, {"caption": "x", "label": "a b"}, {"caption": 3}, {"caption": "x", "label": "{x}"}):
        with pytest.raises(si.OptionError, match="label|caption"):
            si.table(*fits, **wrong)
    pandoc = pytest.importorskip("pypandoc")
    page = pandoc.convert_text(table.to_markdown(), "html", format="markdown")
    assert "<caption>Fuel &amp; 50% of a_b {#tbl-fuel}</caption>" in page or 'id="tbl-fuel"' in page


# --- kinds of fits --------------------------------------------------------------------------------------------


def test_levels_of_a_distribution_are_groups_of_rows_or_columns(data):
    fit = si.rq("mpg ~ wt + hp", data, tau=[0.25, 0.5], vcov="iid")
    table = si.table(fit, si.lm("mpg ~ wt", data))
    assert [table.rows[i][0] for i in table.heads] == ["tau = 0.25", "tau = 0.5"]
    assert coefficients(table)[:4] == ["tau = 0.25", "Intercept", "wt", "hp"] and coefficients(table)[-2:] == [
        "Intercept",
        "wt",
    ]
    side = si.table(fit, classes="columns")
    assert side.spans[2] == ("tau", (("0.25", 1), ("0.5", 1))) and coefficients(side) == ["Intercept", "wt", "hp"]
    assert side.spans[1] == ("Model", (("rq", 2),))
    apart = si.table(si.rq("mpg ~ wt", data, tau=0.25, vcov="iid"), si.rq("mpg ~ wt", data, tau=0.75, vcov="iid"))
    assert apart.spans[2] == ("tau", (("0.25", 1), ("0.75", 1))) and coefficients(apart) == ["Intercept", "wt"]


def test_classes_are_groups_of_rows_or_columns():
    penguins = si.datasets.load("penguins")
    fits = [si.multinomial(f"species ~ {right}", penguins) for right in ("bill_length_mm", "bill_length_mm + sex")]
    table = si.table(*fits, rename={"Gentoo": "Papua"})
    terms = ["Intercept", "bill_length_mm", "sex[T.male]"]
    assert coefficients(table) == ["Chinstrap", *terms, "Papua", *terms]
    assert row(table, "sex[T.male]")[0] == "" and "Weights" not in named(table)
    side = si.table(*fits, classes="columns", exponentiate=True)
    assert side.spans[2] == ("Class", (("Chinstrap", 1), ("Gentoo", 1)) * 2) and coefficients(side) == terms
    odds = fits[0].tidy(exponentiate=True)
    assert row(side, "bill_length_mm")[1] == format_number(odds["estimate"][3])


def test_estimates_that_further_columns_tell_apart_go_by_their_full_names(fits):
    class Contrasts(type(fits[0])):
        def tidy(self, level=0.95, **options):
            one = super().tidy(level, **options)
            one.insert(1, "contrast", one["term"])
            return one.assign(term="x")

    table = si.table(Contrasts(**fits[0].__dict__))
    assert coefficients(table) == list(fits[0].terms) and table.heads == ()


def test_missing_numbers_are_empty_cells(data):
    double = data.assign(double=2 * data["wt"])
    with pytest.warns(AliasedWarning):
        fit = si.lm("mpg ~ wt + double", double)
    blank = replace(fit, cov=replace(fit.cov, matrix=np.full((2, 2), np.nan), square_root=None))
    for show in ("std_error", ["conf_int", "p_value"]):
        table = si.table(fit, blank, show=show, stars=True)
        assert row(table, "double") == ("NA", "NA") and row(table, "wt")[1] == "-5.344"
        assert any("aliased" in note for note in table.notes)
    only = si.table(blank, keep="wt")
    assert only.rules == (1,) and only.notes == ()


def test_saved_fits_and_many_columns(fits, tmp_path):
    read = [si.load(fit.save(tmp_path / f"{i}.si")) for i, fit in enumerate(fits)]
    assert si.table(*read, group_factors=True).rows == si.table(*fits, group_factors=True).rows
    wide = si.table(*(fits * 4))
    assert len(wide.columns) == 13 and wide.spans[0][1] == (("mpg", 2), ("am", 1)) * 4
    assert max(map(len, wide.to_text().splitlines())) < 200
    for name in FORMATS:
        assert getattr(wide, name)()


def test_an_empty_choice_is_a_table_of_statistics(fits):
    table = si.table(*fits, drop="*")
    assert named(table)[0] == "Observations" and table.rules == ()
    for name in FORMATS:
        assert "Observations" in getattr(table, name)()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rename": ["wt"]}, "rename takes texts"), ({"rename": {"wt": 1}}, "rename takes texts"),
        ({"keep": 3}, "neither a text"), ({"keep": [3]}, "neither a text"), ({"drop": "wtt"}, "Did you mean 'wt'"),
        ({"order": "zz*"}, "'zz.' is no coefficient"), ({"stars": {"*": 2}}, "no number between 0 and 1"),
        ({"stars": {" ": 0.1}}, "marks with their levels"), ({"show": "se"}, "show='se'"),
        ({"classes": "cells"}, "classes"), ({"exponentiate": [True]}, "exponentiate has 1 entries for 3"),
        ({"indicate": {"x": "zz"}}, "indicate: 'zz'"), ({"names": ["a"]}, "for 3 columns"),
        ({"notes": 5}, "notes=5"), ({"stats": 5}, "stats=5"), ({"headers": 5}, "headers=5"), ({"indicate": ["x"]}, "indicate="),
        ({"show": 5}, "show=5"), ({"exponentiate": None}, "exponentiate=None"), ({"exponentiate": "yes"}, "'yes'"),
        ({"notes": ["a", 5]}, "a list of texts"),
    ],
)  # fmt: skip
def test_options_are_checked(fits, options, said):
    with pytest.raises(si.OptionError, match=said):
        si.table(*fits, **options)


def test_great_tables(fits):
    pytest.importorskip("great_tables")
    page = si.table(*fits, group_factors=True, rename={"wt": "a<b & $"}, caption="50% <i>").to_gt().as_raw_html()
    assert "a&lt;b &amp; $" in page and "50% &lt;i&gt;" in page and 'colspan="2"' in page and "padding-left" in page


def test_great_tables_missing_is_named(fits, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(si.OptionError, match=r"great-tables.*\.\[tables\]"):
        si.table(*fits).to_gt()


def test_an_outcome_may_hold_the_signs_of_formulas():
    data = pd.DataFrame({"a ~ b; c": [1.0, 3.0, 2.0, 5.0], "x": [1.0, 2.0, 3.0, 4.0], "u ~ v": [0.0, 1.0, 1.0, 0.0]})
    assert si.lm("`a ~ b; c` ~ x", data).outcome == "a ~ b; c"
    assert si.lm("x ~ `u ~ v`", data).outcome == "x"


def test_levels_may_hold_brackets_and_factors_rs_spelling():
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {"z": rng.normal(size=80), "k": rng.integers(0, 3, 80), "h": rng.choice(["A", "[b]", "c:)"], 80)}
    )
    data["y"] = rng.normal(size=80)
    fit = si.lm("y ~ cut(z, 3) * h + factor(k)", data)
    made = si.table(
        fit, keep=["cut(z, 3)", "h", "factor(k)"], rename={"factor(k)": "K", "cut(z, 3)": "Z"}, group_factors=True
    )
    assert [made.rows[i][0].split(" (")[0] for i in made.heads[:3]] == ["Z", "h", "K"]
    assert "[b]" in [made.rows[i][0] for i in made.indented]
    shown = si.table(fit, drop="h", indicate={"in k": "factor(k)"})
    assert ("in k", "yes") in [row[:2] for row in shown.rows]
    assert fit.test("factor(k)").df == fit.test("C(k) = 0").df == 2
    assert fit.test("cut(z, 3)").df == 2
    assert fit.test("cut(z, 3):h").df == 4
    ordered = si.lm("y ~ C(b, levels=['c', '[b]', 'a'])", data.assign(b=np.resize(["a", "[b]", "c"], 80)))
    assert ordered.test("C(b, levels=['c', '[b]', 'a'])").df == 2
    assert si.multinomial("h ~ factor(k) + cut(z, 2)", data).test("factor(k)").df == 4
