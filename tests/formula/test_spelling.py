"""What R users write works, or the message names the spelling that does."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

import statinf as si
from formula.odd_formulas import odd_formulas
from formula.tables import columns, table
from statinf.errors import FormulaError, StatinfError
from statinf.formula import design

SAME = [
    ("factor(g)", "C(g)"),
    ("as.factor(k)", "C(k)"),
    ("factor(g, levels=c('w', 'v', 'u'))", "C(g, levels=['w', 'v', 'u'])"),
    ("factor(g, c('w', 'v', 'u'))", "C(g, levels=['w', 'v', 'u'])"),
    ("relevel(g, ref='v')", "C(g, contr.treatment('v'))"),
    ("relevel(factor(g), 'v')", "C(g, contr.treatment('v'))"),
    ("ordered(k)", "C(k, contr.poly)"),
    ("factor(g):x1 - 1", "C(g):x1 - 1"),
    ("I(x1^2)", "I(x1**2)"),
    ("I(-x1^2)", "I(-(x1**2))"),
    ("x2 * I(x1^2 + k^3)", "x2 * I(x1**2 + k**3)"),
    ("ifelse(x1 > 0, 1, x2)", "where(x1 > 0, 1, x2)"),
    ("ifelse(test=x1 > 0, yes=1, no=x2)", "where(x1 > 0, 1, x2)"),
    ("pmin(x1, x2, 0)", "minimum(minimum(x1, x2), 0)"),
    ("pmax(x1, 0)", "maximum(x1, 0)"),
    ("log(x2, base=3)", "log(x2, 3)"),
    ("poly(x1, 2, raw=TRUE)", "poly(x1, 2, raw=True)"),
    ("I(b == FALSE)", "I(b == False)"),
    ("I(g %in% c('u', 'w'))", "I(g in ['u', 'w'])"),
    ("I(k %in% c(1, 3))", "I(k in [1, 3])"),
    ("as.numeric(x1)", "I(+x1)"),
]


@pytest.mark.parametrize(("written", "means"), SAME)
def test_plain_spellings_of_r_work(written, means):
    found, expected = (columns(design(f"y ~ {text}", table()).part("covariates")) for text in (written, means))
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_logarithms_to_a_base():
    data = table()
    made = columns(design("y ~ log(x2, 2) + log(x2, 10) + log(x2, 3) + log2(x2)", data).part("covariates"))
    np.testing.assert_array_equal(made["log(x2, 2)"], np.log2(data["x2"]))
    np.testing.assert_array_equal(made["log(x2, 10)"], np.log10(data["x2"]))
    np.testing.assert_allclose(3.0 ** made["log(x2, 3)"], data["x2"], rtol=1e-14)


def test_names_of_the_data_and_of_the_caller_come_before_those_of_r():
    data = table().rename(columns={"x1": "TRUE", "x2": "factor"})
    d = design("y ~ `TRUE` + I(TRUE + 1) + factor(factor)", data, context={"factor": lambda x: 2 * x})
    np.testing.assert_array_equal(columns(d.part("covariates"))["I(TRUE + 1)"], data["TRUE"] + 1)
    np.testing.assert_array_equal(columns(d.part("covariates"))["factor(factor)"], 2 * data["factor"])


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("s(x1)", r"ns\(x, df=3\).*si\.heterogeneous_shift"),
        ("lag(x1)", r"groupby\('unit'\)\['x'\]\.shift\(1\)"),
        ("l(x1)", r"groupby\('unit'\)"),
        ("nchar(g)", "in the data first"),
        ("cumsum(x1)", "order of the rows"),
        ("paste(g, h)", r"interaction\(g, h\)"),
        ("x1 + x2 > 0", r"x \+ \(z > 1\)"),
        ("!b + x1", r"x \+ \(z > 1\)"),
        ("x1 > 0 | b", r"I\(x > 0 \| z < 1\)"),
        ("I(x1 * k %% 2)", "parentheses"),
        ("I(k * k %in% c(1, 4))", "parentheses"),
        ("cut(x1)", "has no breaks"),
        ("cut(x1, c(0, 0, 1))", "the break 0 is there twice"),
        ("cut(x1, 3, labels=c('a', 'b'))", "3 intervals and 2 labels"),
        ("cut(x1, 3.5)", "whole number from 2"),
        ("cut(x1, k)", "no list of numbers"),
        ("cut(x1, 3, labels=k)", "labels= must be a plain value"),
        ("factor(k, labels=c('a', 'b'))", "5 levels and 2 labels"),
        ("interaction(g, h, sep=1)", "lex.order=TRUE"),
        ("i(g, ref='nobody')", "'nobody' is not a level"),
        ("i(g, ref=c('u', 'v', 'w'))", "every level is a reference"),
        ("ns(x1, df=3, knots=c(0, 1))", "give one of the two"),
        ("bs(x1, Boundary.knots=c(1, -1))", "Boundary.knots=.* is not two numbers in increasing order"),
        ("ns(x1, knots=k)", "no list of numbers"),
        ("as.numeric(g)", "categories without an order"),
        ("ifelse(x1 > 0, 'a', 1)", "text in one case and a number in the other"),
        ("I(x1 - mean(x1))", r"center\(x\)"),
        ("relevel(g)", r"relevel\(g, ref='b'\)"),
        ("ifelse(x1 > 0, 1)", r"ifelse\(x > 0, 1, 0\)"),
        ("log(x2, 1)", "base of a logarithm"),
        ("x1 && x2", "write one &"),
        ("I(x1 || x2)", r"write one \| inside"),
        ("d$x1", "without the data frame"),
        ("(1 | g)", "random effects are not fitted.*cluster='g'"),
    ],
)
def test_for_the_rest_the_spelling_is_named(written, advice):
    with pytest.raises(FormulaError, match=advice):
        design(f"y ~ {written}", table(), roles=("a", "b"))


def test_groups_after_a_bar_name_what_replaces_them():
    data = table()
    with pytest.raises(FormulaError, match=r"\+ C\(g\).*cluster='g'.$"):
        si.lm("y ~ x1 | g", data)
    with pytest.raises(FormulaError, match=r"absorb='x2 \+ g' to si.lm"):
        si.lm("y ~ x1 | x2 + g", data)
    with pytest.raises(FormulaError, match="this method takes 1: covariates.$"):
        si.lm("y ~ x1 | x2 | g", data)


@pytest.mark.parametrize("written", ["I(~x1 > 0)", "I(x1 > 0 == True)", "I(k + 1 in [2, 3])", "I(x1 * k % 2)"])
def test_what_python_and_r_bind_otherwise_is_refused(written):
    with pytest.raises(FormulaError, match="parentheses"):
        design(f"y ~ {written}", table())


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("I(x1 > 0 & x2 < 2)", "I((x1 > 0) & (x2 < 2))"),
        ("I(x1 > 0 | x2 < 2)", "I((x1 > 0) | (x2 < 2))"),
        ("I(!x1 > 0 & x2 < 2)", "I((not (x1 > 0)) & (x2 < 2))"),
        ("I(x1 > 0 | x2 < 2 & b)", "I((x1 > 0) | ((x2 < 2) & b))"),
        ("I(k == 1 & b)", "I((k == 1) & b)"),
        ("where(x1 > 0 & x2 < 2, 1, 0)", "where((x1 > 0) & (x2 < 2), 1, 0)"),
        ("x1 > 0", "I(x1 > 0)"),
        ("!b", "I(not b)"),
        ("(x1 > 0) + x2", "I(x1 > 0) + x2"),
        ("x2 * (x1 > 0 & b)", "x2 * I((x1 > 0) & b)"),
        ("(x1 + x2) > 1", "I(x1 + x2 > 1)"),
        ("k %in% c(1, 2)", "I(k in [1, 2])"),
        ("(g %in% c('u', 'v')) * x1", "I(g in ['u', 'v']) * x1"),
        ("I(k %in% 2:4)", "I(k in [2, 3, 4])"),
        ("I(k %% 2 + x1 %/% 1)", "I((k % 2) + (x1 // 1))"),
    ],
)
def test_logic_is_bound_as_r_binds_it(written, means):
    found, expected = (design(f"y ~ {text}", table()).part("covariates") for text in (written, means))
    assert found.p == expected.p
    np.testing.assert_array_equal(found.values, expected.values)


def test_comparisons_in_parentheses_work():
    data = table()
    made = columns(
        design("y ~ I((x1 > 0) & (x2 < 2)) + I( (k & b) > 0 ) + I(0 < x2 < 1) + I(x1<-1)", data).part("covariates")
    )
    values = list(made.values())[1:]
    np.testing.assert_array_equal(values[0], (data["x1"] > 0) & (data["x2"] < 2))
    np.testing.assert_array_equal(values[1], data["b"])
    np.testing.assert_array_equal(values[2], data["x2"] < 1)
    np.testing.assert_array_equal(values[3], data["x1"] < -1)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("x1 %in% g", "x1:g"),
        ("g + x1 %in% g", "g + x1:g"),
        ("(x1 + x2) %in% g", "x1:g + x2:g"),
        # As in R, all that stands on the right is crossed with each term on the left.
        ("x1 %in% (g + h)", "x1:g:h"),
        # As in R, %in% binds before *, and after ':'.
        ("x2 * x1 %in% g", "x2 * (x1:g)"),
        ("x1 %in% g:h", "x1:g:h"),
    ],
)
def test_nesting_is_rs(written, means):
    found, expected = (design(f"y ~ {text}", table()).part("covariates") for text in (written, means))
    assert found.names == expected.names
    np.testing.assert_array_equal(found.values, expected.values)


def test_odd_formulas_end_in_a_fit_or_in_an_error_of_the_package():
    rng = np.random.default_rng(3)
    n = 60
    data = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.uniform(0.5, 3, n),
            "t": rng.integers(0, 2, n),
            "g": rng.choice(list("abc"), n),
            "b": rng.random(n) < 0.5,
            "one": 1.0,
            "Intercept": 1.0,
            "x:z": rng.normal(size=n),
            "id": np.arange(n),
        }
    )
    formulas = odd_formulas()
    assert len(formulas) >= 200
    fitted = 0
    for formula in formulas:
        start = time.thread_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made = si.lm(formula, data)
                fitted += all(np.isfinite(fit.fitted).all() for fit in (made if isinstance(made, Iterable) else [made]))
            except StatinfError as error:
                assert len(str(error)) < 1_000
        assert time.thread_time() - start < 1.0, formula
    assert 30 <= fitted <= 150


def test_functions_of_rs_packages_are_called_by_their_name():
    found, expected = (
        design(f"y ~ {text}", table()).part("covariates")
        for text in ("splines::ns(x1, 3) + stats::poly(x2, 2)", "ns(x1, 3) + poly(x2, 2)")
    )
    assert found.names == expected.names
    np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("text", ["x1 %*% x2", "x1%o%x2", "I(x1 %*% x2)", "x1 %% 2", "x1 + x2 %/% 2"])
def test_operators_between_percent_signs_are_read_as_rs_or_refused(text):
    with pytest.raises(FormulaError, match=r"is no operator of a formula|write it in a function, as in I\(k"):
        design(f"y ~ {text}", table())


def test_a_minus_of_a_minus_is_refused():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "x": [1.0, 0.0, 2.0, 1.0], "z": [0.0, 1.0, 1.0, 3.0]})
    for formula in ("y ~ x--z", "y ~ x - -z"):
        with pytest.raises(si.FormulaError, match="one sign"):
            si.lm(formula, data)
    assert list(si.lm("y ~ x - (-z)", data).terms) == ["Intercept", "x"]
    assert list(si.lm("y ~ x + I(z--1)", data).terms)[1] == "x"
