"""What transforms learn at the fit is kept: new rows, one at a time, from a pickle or from a file, get the same columns."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from formula.tables import table
from statinf.errors import DataError, DroppedRowsWarning, FormulaError, NumericalWarning
from statinf.formula import as_frame, design
from statinf.formula.counterfactual import SettableRows
from statinf.formula.part_sides import PartSide

LEARNING = [
    "ns(x1, df=3)",
    "ns(x1, knots=c(-1, 0, 1), Boundary.knots=c(-1.5, 1.5))",
    "ns(x1, knots=quantile(x1, c(0.3, 0.7)))",
    "bs(x1, df=5)",
    "bs(x1, df=4, Boundary.knots=range(x1) + c(-1, 1))",
    "bs(x1, df=5, intercept=TRUE)",
    "poly(x1, 3)",
    "poly(x1, x2, degree=2)",
    "polym(x1, x2, degree=2, raw=TRUE)",
    "scale(x1)",
    "scale(x1, center=1, scale=2)",
    "I(scale(x1)^2)",
    "cut(x1, 4)",
    "cut(x1, quantile(x1, 0:3 / 3), include.lowest=TRUE)",
    "cut(x1, c(-Inf, 0, 1, Inf), labels=c('a', 'b', 'c'))",
    "cut(x1, 3, labels=FALSE)",
    "as.numeric(cut(x1, 3))",
    "interaction(g, h)",
    "interaction(cut(x1, 2), k)",
    "C(cut(x1, 3), contr.sum) * x2",
    "factor(k, labels=c('a', 'b', 'c', 'd', 'e'))",
    "relevel(cut(x2, 3), ref=2)",
    "ifelse(x1 > 0, 'up', 'down')",
    "ifelse(is.na(x1), 0, x1) + is.na(x1)",
    "i(k, ref=3)",
    "i(k, x1, ref=c(1, 2))",
    "ordered(k)",
    "findInterval(x1, c(-1, 0, 1))",
    "findInterval(x1, quantile(x1, c(0.2, 0.7)))",
    "g %in% c('u', 'v')",
    "I(x1 > 0 & !b)",
    "cut(x1, 3):ns(x2, 2)",
]


@pytest.mark.parametrize("right", LEARNING)
def test_one_row_at_a_time(right):
    data = table()
    made = design(f"y ~ {right}", data)
    values, recipe = made.part("covariates").values, pickle.loads(pickle.dumps(made.recipe))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for row in (0, 7, 31):
            new = recipe.new_rows(data.iloc[[row]]).part("covariates")
            np.testing.assert_allclose(new.values[0], values[row], rtol=1e-12, atol=1e-14)


def test_saved_fits_predict_as_before(tmp_path):
    data = table(120)
    for i, right in enumerate(
        ["ns(x1, 3) + cut(x2, 3)", "poly(x1, x2, degree=2) + interaction(g, h)", "i(k, ref=3) + x1"]
    ):
        fit = si.lm(f"y ~ {right}", data)
        fit.save(tmp_path / f"{i}.zip")
        again = si.load(tmp_path / f"{i}.zip")
        pd.testing.assert_frame_equal(again.predict(data.head(3)), fit.predict(data.head(3)))


def test_values_beyond_the_fit():
    data = table()
    new = data.head(2).assign(x1=[0.0, 50.0], x2=[1.0, 90.0])
    with pytest.warns(NumericalWarning, match="1 rows are outside .* of ns.*straight line"):
        made = design("y ~ ns(x1, df=3)", data).recipe.new_rows(new)
    assert made.ok.all()
    recipe = design("y ~ ns(x1, df=3)", data).recipe
    far = [recipe.new_rows(new.assign(x1=v), warn=False).part("covariates").values[0, 1:] for v in (10.0, 20.0, 30.0)]
    np.testing.assert_allclose(far[2] - far[1], far[1] - far[0], rtol=1e-12)
    with pytest.warns(DroppedRowsWarning, match=r"1 row: bs\(x1, df=4\) is outside the fit's range"):
        assert design("y ~ bs(x1, df=4)", data).recipe.new_rows(new).ok.tolist() == [True, False]
    with pytest.warns(NumericalWarning, match="goes on as polynomials"):
        made = design("y ~ bs(x1, df=4, Boundary.knots=c(-5, 5))", data).recipe.new_rows(new)
    assert made.ok.all()
    with pytest.warns(NumericalWarning, match="values are outside its Boundary.knots"):
        design("y ~ bs(x1, df=4, Boundary.knots=c(-1, 1))", data)
    with pytest.warns(DroppedRowsWarning, match=r"1 row: cut\(x1, 3\) has no interval for it"):
        assert design("y ~ cut(x1, 3)", data).recipe.new_rows(new).ok.tolist() == [True, False]


def test_levels_that_the_fit_did_not_see():
    data = table()
    new = data.head(2).assign(g=["nobody", "u"], k=[9, 3])
    for right, cause in [
        ("interaction(g, h)", "unseen level 'nobody"),
        ("i(g, ref='u')", "unseen level 'nobody'"),
        ("factor(k, labels=c('a', 'b', 'c', 'd', 'e'))", "has no label"),
        ("relevel(g, ref='v')", "unseen level 'nobody'"),
    ]:
        with pytest.warns(DroppedRowsWarning, match=cause):
            assert design(f"y ~ {right}", data).recipe.new_rows(new).ok.tolist() == [False, True]


def test_what_a_missing_value_does_not_hide():
    data = table()
    data.loc[[3, 4], "x1"] = np.nan
    made = design("y ~ ifelse(is.na(x1), 0, x1) + is.na(x1)", data)
    assert made.n == 60 and not made.dropped
    np.testing.assert_array_equal(made.part("covariates").values[[3, 4], 1:], [[0, 1], [0, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert design("y ~ I(x1 > 0)", data).n == 58
        assert design("y ~ I(x1 > 0 | x2 > 0)", data).n == 60
        assert design("y ~ ifelse(x1 > 0, 1, 0)", data).dropped == {"where(x1 > 0, 1, 0) is missing": 2}
        assert design("y ~ is.na(x1) + x1", data.assign(x1=data["x1"].where(data.index != 9))).n == 57
    with pytest.raises(DataError, match="'x1' has 1 infinite"):
        design("y ~ ifelse(is.na(x1), 0, x1)", data.assign(x1=data["x1"].where(data.index != 5, np.inf)))


def test_rows_of_weight_zero_teach_no_breaks_and_no_labels():
    data = table().assign(w=1.0)
    data.loc[0, ["x1", "k", "w"]] = 100.0, 77, 0.0
    for right in ("cut(x1, 3)", "factor(k, labels=c('a', 'b', 'c', 'd', 'e'))", "ns(x1, 3)"):
        full = design(f"y ~ {right}", data, weights="w").part("covariates")
        alone = design(f"y ~ {right}", data.iloc[1:]).part("covariates")
        assert full.names == alone.names
        np.testing.assert_allclose(full.values[-59:], alone.values, rtol=1e-12, atol=1e-14)


def test_shifted_columns_have_the_same_splines():
    data = table()
    for name in ("ns(x1, 4)", "bs(x1, 5)", "poly(x1, 3)"):
        here, there = (
            design(f"y ~ {name}", d).part("covariates").values for d in (data, data.assign(x1=data["x1"] + 1e7))
        )
        np.testing.assert_allclose(there, here, atol=1e-6)


def test_outcomes_may_be_cut_labelled_and_compared():
    data = table(200)
    made = design("cut(y, c(-Inf, -1, 1, Inf), labels=c('low', 'mid', 'high')) ~ x1", data, response="ordered")
    assert made.levels == ("low", "mid", "high")
    kept = made.recipe.new_rows(data.head(9), response=True).response
    np.testing.assert_array_equal(kept, made.y[:9])
    equal = design("cut(y, 3) ~ x1", data, response="categories")
    np.testing.assert_array_equal(equal.recipe.new_rows(data.iloc[[5]], response=True).response, equal.y[[5]])
    assert design("ifelse(y > 0, 'yes', 'no') ~ x1", data, response="categories").levels == ("no", "yes")
    with pytest.raises(DataError, match="categories without an order"):
        design("ifelse(y > 1, 'a', ifelse(y > 0, 'b', 'c')) ~ x1", data, response="ordered")
    fit = si.glm("g == 'u' ~ x1", data, family="binomial")
    pd.testing.assert_series_equal(
        fit.params, si.glm("u ~ x1", data.assign(u=data["g"] == "u"), family="binomial").params
    )


def test_other_kinds_of_tables():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    data = table()
    text = "y ~ cut(x1, 3) + interaction(g, h) + i(k, ref=3) + ns(x2, 2) + ifelse(b, 'yes', 'no')"
    expected = design(text, data).part("covariates")
    listed = {c: data[c].to_list() for c in data}
    for frame in (pl.DataFrame(listed), pa.table(listed)):
        made = design(text, frame).part("covariates")
        assert made.names == expected.names
        np.testing.assert_array_equal(made.values, expected.values)


def test_names_of_the_data_and_the_caller_keep_their_meaning():
    data = table().rename(columns={"x1": "cut", "x2": "pi", "k": "i"})
    made = design("y ~ cut + I(2 * pi) + i", data)
    np.testing.assert_array_equal(made.part("covariates").values[:, 2], 2 * data["pi"])
    own = design("y ~ cut(pi, 2)", data, context={"cut": lambda x, k: k * x}).part("covariates")
    np.testing.assert_array_equal(own.values[:, 1], 2 * data["pi"])


def test_interactions_of_too_many_cells_are_refused():
    data = pd.DataFrame({f"v{i}": np.arange(3000) for i in range(6)} | {"y": 0.0})
    with pytest.raises(DataError, match="more cells than can be numbered"):
        design("y ~ interaction(" + ", ".join(f"v{i}" for i in range(6)) + ")", data)


@pytest.mark.parametrize(
    "text",
    [
        "cut(x1, __import__('os'))",
        "cut(x1, quantile(open('x')))",
        "cut(x1, 3, labels=open('x'))",
        "cut(x1, [v for v in x1])",
        "ns(x1, knots=range(10**9))",
        "ns(x1, knots=seq(0, 1e9))",
        "cut(x1, 10**9)",
        "interaction(g, open('x'))",
        "i(g, ref=open('x'))",
        "factor(g, labels=open('x'))",
        "findInterval(x1, x1.__class__)",
        "bs(x1, Boundary.knots=x1.__class__)",
        "cut(x1, quantile(x1, x1))",
        "poly(x1, x2, g, degree=2)",
        "poly(x1, x2, k, b, degree=40)",
        "cut(g, 3)",
        "seq(1, 3)",
        "ifelse(x1, 'a' * 10**9, 'b')",
        "cut(x1, 1:100000)",
    ],
)
def test_no_code_and_no_giants(text):
    with pytest.raises((FormulaError, DataError)):
        design(f"y ~ {text}", table())


@pytest.mark.parametrize(
    "right",
    [
        "ns(x1, 4)",
        "ns(x1, knots=c(-0.5, 0.5), Boundary.knots=c(-1, 1))",
        "bs(x1, df=5)",
        "bs(x1, knots=quantile(x1, c(0.3, 0.7)), degree=2)",
        "poly(x1, 3)",
        "poly(x1, x2, degree=3)",
        "poly(x1, I(x1 * x2), degree=2, raw=TRUE)",
        "plogis(x1) + pnorm(x1) + asinh(x1) + atan2(x1, x2) + lgamma(x2 + x1^2) + sinpi(x1)",
        "cut(x1, 4) + x1 * interaction(g, k)",
        "as.numeric(cut(x1, 4)) + findInterval(x1, c(0, 1)) + x1",
        "ifelse(x1 > 0 & b, x1, x2) + i(k, x1, ref=3)",
        "factor(k, labels=c('a', 'b', 'c', 'd', 'e')):x1",
    ],
)
def test_slopes_are_those_of_the_columns(right):
    data = table(80)
    rows = data[data["x1"].rank().between(5, 75)].head(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recipe = design(f"y ~ {right}", data).recipe
        below, above = (
            recipe.new_rows(rows.assign(x1=rows["x1"] + h)).part("covariates").values for h in (-1e-6, 1e-6)
        )
    made = SettableRows.of(recipe, (PartSide("covariates"),), as_frame(rows)).slopes("x1")
    slopes = np.zeros(below.shape)
    slopes[:, made.positions] = made.values
    np.testing.assert_allclose(slopes, (above - below) / 2e-6, rtol=1e-5, atol=1e-7)


def test_settings_of_columns_that_only_cells_use():
    data = table(160)
    fit = si.lm("y ~ interaction(g, k) + cut(x1, 3) + x2", data)
    for name in ("g", "k", "x1"):
        value = {"g": "v", "k": 2, "x1": 0.5}[name]
        at = fit.predictions(newdata=data.assign(**{name: value})).tidy()["estimate"].iloc[0]
        assert at == pytest.approx(fit.predict(data.assign(**{name: value}))["estimate"].mean(), rel=1e-10)
    found = fit.comparisons(variables="k").tidy()
    by_level = {level: fit.predict(data.assign(k=level))["estimate"].mean() for level in sorted(data["k"].unique())}
    expected = [by_level[level] - by_level[1] for level in list(by_level)[1:]]
    np.testing.assert_allclose(found["estimate"], expected, rtol=1e-8)
