"""Awkward column names, the dot, parts, weights, clusters, offsets and what the caller hands over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from formula.tables import columns, table
from statinf.errors import DataError, FormulaError
from statinf.formula import design


def test_awkward_column_names():
    rng = np.random.default_rng(0)
    names = [
        "my x",
        "a:b",
        "a+b",
        "class",
        "lambda",
        "Sepal.Length",
        "V.1",
        "x²",
        "größe",
        "log",
        "C",
        "I",
        "np",
        "bs",
        "Q",
        "2nd",
        "a`",
        "'",
    ]
    data = pd.DataFrame({n: rng.uniform(1, 2, 20) for n in names} | {"y": rng.normal(size=20)})
    for name in names:
        if "`" not in name:
            d = design(f"y ~ `{name}`", data)
            assert d.part("covariates").names == ("Intercept", name)
            np.testing.assert_array_equal(d.part("covariates").values[:, 1], data[name])
            np.testing.assert_array_equal(d.recipe.new_rows(data).part("covariates").values[:, 1], data[name])
    for name in ["class", "lambda", "Sepal.Length", "V.1", "größe", "log", "C", "I", "np", "bs"]:
        d = design(f"y ~ {name} + log({name})", data)
        assert d.part("covariates").names == ("Intercept", name, f"log({name})")
        np.testing.assert_allclose(d.part("covariates").values[:, 2], np.log(data[name]))
    assert design("y ~ log(`my x`):`a:b`", data).part("covariates").names[1] == "log(my x):a:b"
    np.testing.assert_array_equal(
        design("y ~ I(`a:b` + Q('my x'))", data).part("covariates").values[:, 1], data["a:b"] + data["my x"]
    )
    everything = design("y ~ .", data).part("covariates")
    assert set(everything.names) == {"Intercept", *names}


def test_words_of_python_that_are_no_columns_are_refused_clearly():
    data = table()
    for word in ("class", "lambda", "import", "in", "None", "True"):
        with pytest.raises(FormulaError):
            design(f"y ~ {word}", data)
    with pytest.raises(FormulaError, match="'class' is a word of Python"):
        design("y ~ class", data)
    named = data.rename(columns={"x1": "in"})
    assert design("y ~ `in`", named).part("covariates").names == ("Intercept", "in")


def test_a_column_that_looks_like_a_stand_in_keeps_its_meaning():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0], "a b": [1.0, 0.0, 5.0], "quoted0_": [7.0, 8.0, 9.0]})
    d = design("y ~ `a b` + quoted0_", data)
    np.testing.assert_array_equal(columns(d.part("covariates"))["quoted0_"], [7, 8, 9])
    np.testing.assert_array_equal(columns(d.part("covariates"))["a b"], [1, 0, 5])


def test_functions_named_like_columns_of_contrasts():
    data = table().rename(columns={"x1": "contr", "x2": "Treatment"})
    data.loc[3, ["contr", "Treatment"]] = np.nan
    assert design("y ~ C(g, contr.sum)", data).n == len(data)
    assert design("y ~ C(g, Treatment('v'))", data).part("covariates").names[1] == "C(g, Treatment('v'))[T.u]"


def test_the_dot_is_every_column_not_used_before_it():
    data = pd.DataFrame(
        {"y": [1.0, 2.0, 4.0, 3.0], "t": [0, 1, 0, 1], "a.b": [3.0, 1.0, 2.0, 0.0], "z": [1.0, 1.0, 0.0, 2.0]}
    )
    assert design("y ~ .", data).part("covariates").names == ("Intercept", "t", "a.b", "z")
    assert design("log(y) ~ . - t", data).part("covariates").names == ("Intercept", "a.b", "z")
    assert design("a.b ~ .", data).part("covariates").names == ("Intercept", "y", "t", "z")
    two = design("y ~ t | .", data, roles=("treatment", "covariates"))
    assert two.part("covariates").names == ("Intercept", "a.b", "z")
    assert design("y ~ .:t", data[["y", "t", "z"]]).part("covariates").names == ("Intercept", "t", "z:t")
    assert design("y ~ .^2", data[["y", "t", "z"]]).part("covariates").names == ("Intercept", "t", "z", "t:z")


def test_rows_are_the_same_for_all_parts_weights_and_clusters():
    n = 12
    data = table(n)
    data["w"] = np.arange(1.0, n + 1.0)
    data["id"] = [f"f{i // 2}" for i in range(n)]
    data.loc[0, "y"] = data.loc[1, "x1"] = data.loc[2, "x2"] = data.loc[3, "w"] = np.nan
    data.loc[4, "id"] = data.loc[5, "g"] = None
    d = design("y ~ x1 | x2 + g", data, roles=("treatment", "covariates"), weights="w", cluster="id")
    assert d.rows.tolist() == list(range(6, n))
    assert len(d.y) == len(d.part("treatment").values) == len(d.part("covariates").values) == len(d.weights) == d.n
    np.testing.assert_array_equal(d.weights, np.arange(7.0, n + 1.0))
    np.testing.assert_array_equal(d.clusters["id"], [0, 0, 1, 1, 2, 2])
    assert sum(d.dropped.values()) == 6 and d.n_total == n
    with pytest.raises(DataError, match="na_action='raise'"):
        design("y ~ x1 | x2 + g", data, roles=("treatment", "covariates"), na_action="raise")


def test_clusters_by_date_long_identifier_and_array():
    data = table(6)
    data["day"] = pd.to_datetime(["2020-01-01", "2020-01-02"] * 3)
    data["id"] = np.array([2**60, 2**60 + 1, 2**60, 2**60 + 1, 2**60, 2**60 + 2])
    np.testing.assert_array_equal(design("y ~ x1", data, cluster="day").clusters["day"], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(design("y ~ x1", data, cluster=["id", "day"]).clusters["id"], [0, 1, 0, 1, 0, 2])
    assert design("y ~ C(id)", data).part("covariates").p == 3
    assert design("y ~ C(day)", data).part("covariates").names[1] == "C(day)[T.2020-01-02]"
    given_codes = design("y ~ x1", data, cluster=np.array(["b", "a", "b", None, "a", "a"], dtype=object))
    np.testing.assert_array_equal(given_codes.clusters["cluster"], [0, 1, 0, 1, 1])
    assert given_codes.rows.tolist() == [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(design("y ~ x1", data).cluster_codes("id"), [0, 1, 0, 1, 0, 2])


def test_offset_is_taken_out_of_the_terms_and_summed():
    data = table()
    d = design("y ~ x1 + offset(log(x2)) + offset(k)", data)
    assert d.part("covariates").names == ("Intercept", "x1")
    np.testing.assert_allclose(d.offset, np.log(data["x2"]) + data["k"])
    np.testing.assert_allclose(d.recipe.new_rows(data[["x1", "x2", "k"]]).offset, d.offset)
    assert design("y ~ x1", data).offset is None
    for wrong in (
        "y ~ offset(x1):x2",
        "y ~ offset(g)",
        "y ~ offset()",
        "y ~ offset(poly(x1, 2))",
        "y ~ 2:offset(x1)",
        "y ~ offset(x1)(x2)",
    ):
        with pytest.raises(FormulaError):
            design(wrong, data)
    two = design("y ~ x1 + offset(k) | x2", data, roles=("a", "b"))
    assert two.recipe.new_rows(data[["x2"]], roles=("b",)).offset is None
    with pytest.raises(FormulaError, match="first part"):
        design("y ~ x1 | x2 + offset(k)", data, roles=("a", "b"))


def test_several_outcomes():
    data = table()
    d = design("y + log(x2) ~ x1", data, response="matrix")
    assert d.response_names == ("y", "log(x2)")
    np.testing.assert_allclose(d.response, np.column_stack([data["y"], np.log(data["x2"])]))
    same = design("cbind(y, log(x2)) ~ x1", data, response="matrix")
    np.testing.assert_array_equal(same.response, d.response)
    with pytest.raises(FormulaError, match="2 outcomes"):
        design("y + y2 ~ x1", data)
    with pytest.raises(FormulaError, match="twice"):
        design("y + y ~ x1", data, response="matrix")
    assert design("~ x1", data, response="none").response is None
    assert design("y ~ x1", data, response="any").response.shape == (60,)


def test_parts_beyond_the_formula_are_none_and_beyond_the_roles_refused():
    data = table()
    d = design("y ~ x1", data, roles=("covariates", "instruments"))
    assert d.part("instruments") is None
    assert "instruments" not in d.recipe.new_rows(data).parts
    with pytest.raises(FormulaError, match="2 parts"):
        design("y ~ x1 | x2", data)


def test_the_design_does_not_follow_later_changes_of_the_callers_table():
    values = {"y": np.arange(5.0), "x": np.ones(5), "w": np.ones(5)}
    frame = pd.DataFrame(values, copy=False)
    d = design("y ~ x", frame, weights=values["w"])
    values["y"][:] = values["w"][:] = -7.0
    np.testing.assert_array_equal(d.y, np.arange(5.0))
    np.testing.assert_array_equal(d.weights, np.ones(5))


def test_column_gives_raw_values_on_the_rows_used():
    data = table(8)
    data.loc[2, "x1"] = np.nan
    d = design("y ~ x1", data)
    assert d.column("g").tolist() == data["g"].drop(2).tolist()
    np.testing.assert_array_equal(d.column("k"), data["k"].drop(2))


def test_transforms_learn_from_all_rows_on_which_their_own_column_is_complete():
    data = table()
    data.loc[:9, "x2"] = np.nan
    data.loc[10, "x1"] = np.nan
    d = design("y ~ scale(x1) + x2", data)
    assert d.rows.tolist() == list(range(11, 60))
    expected = (data["x1"] - data["x1"].mean()) / data["x1"].std()
    np.testing.assert_allclose(d.part("covariates").values[:, 1], expected[11:], rtol=1e-12)


def test_functions_and_numbers_of_the_caller():
    data = table()
    context = {"twice": lambda x: 2 * x, "shift": 3.0, "pair": lambda x: np.column_stack([x, x**2])}
    d = design("y ~ twice(x1) + I(x2 + shift) + pair(x1)", data, context=context)
    assert d.part("covariates").names == ("Intercept", "twice(x1)", "I(x2 + shift)", "pair(x1)[1]", "pair(x1)[2]")
    np.testing.assert_allclose(d.part("covariates").values[:, 1], 2 * data["x1"])
    np.testing.assert_allclose(d.recipe.new_rows(data).part("covariates").values, d.part("covariates").values)
    with pytest.raises(FormulaError, match="'twice' is not a function"):
        design("y ~ twice(x1)", data)


def test_a_callers_function_meets_no_missing_value_and_cannot_change_the_data():
    data = table()
    data.loc[0, "x1"] = np.nan

    def spoil(x):
        x[:] -= x.mean()
        return x

    d = design("y ~ spoil(x1)", data, context={"spoil": spoil})
    assert d.n == 59
    np.testing.assert_allclose(d.part("covariates").values[:, 1], data["x1"].iloc[1:] - data["x1"].iloc[1:].mean())


@pytest.mark.parametrize(
    "context",
    [
        {"f": lambda x: 1 / 0},
        {"f": lambda x: "text"},
        {"f": lambda x: x[:3]},
        {"f": lambda x: np.array(["a"] * len(x))},
        {"f": lambda x: np.zeros((len(x), 2, 2))},
        {"f": "text"},
        {"f": np.ones(60)},
    ],
)
def test_what_a_caller_hands_over_must_work(context):
    with pytest.raises(FormulaError):
        design("y ~ f(x1)" if callable(context["f"]) else "y ~ I(x1 + f)", table(), context=context)


@pytest.mark.parametrize(
    ("call", "terms"),
    [
        (lambda d: si.ordered("`c ~ d` ~ x", d, levels=["lo", "hi", "top"]), "lo|hi"),
        (lambda d: si.missing_mean("`a ~ b` ~ x", d), "`a ~ b`"),
        (lambda d: si.lm("cbind(`a ~ b`, x) ~ `p | q`", d)[0], "p | q"),
        (lambda d: si.balance("`t ~ 1` ~ x + `p | q`", d), None),
        (lambda d: si.conditional_shift_test("`p | q` ~ `a ~ b`", d[:60], d[60:], permutations=19), None),
    ],
)
def test_names_may_hold_the_signs_of_formulas_in_every_verb(call, terms):
    rng = np.random.default_rng(6)
    made = {"a ~ b": rng.normal(size=120), "p | q": rng.normal(size=120), "x": rng.normal(size=120)}
    made |= {"t ~ 1": rng.integers(0, 2, 120), "c ~ d": rng.choice(["lo", "hi", "top"], 120)}
    found = call(pd.DataFrame(made))
    assert terms is None or terms.strip("`") in " ".join(found.terms).replace("`", "")
