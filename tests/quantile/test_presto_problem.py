"""Outcomes that si.presto takes, and those that it refuses."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from statinf.errors import DataError
from statinf.formula import design
from statinf.quantile.presto.problem import presto_problem

WORDS = ["low", "mid", "high"]


def frame(**columns):
    random = np.random.default_rng(2)
    data = {"y": pd.Categorical(WORDS * 8, WORDS, ordered=True), "x": random.normal(size=24), "w": [1.0] * 23 + [0.0]}
    return pd.DataFrame(data | columns)


def problem(formula="y ~ x", data=None, **options):
    made = design(formula, frame() if data is None else data, response="ordered", weights=options.pop("weights", None))
    return presto_problem(made, **options)


def test_order_is_that_of_the_categories():
    found = problem()
    assert found.levels == ("low", "mid", "high")
    np.testing.assert_array_equal(found.rows.codes[:3], [0, 1, 2])
    np.testing.assert_array_equal(found.rows.X[:, 0], frame()["x"])
    turned = problem(reverse=True)
    assert turned.levels == ("high", "mid", "low")
    np.testing.assert_array_equal(turned.rows.codes, 2 - found.rows.codes)


@pytest.mark.parametrize(
    ("formula", "levels"),
    [
        ("y ~ x", ("low", "mid", "high")),
        ("C(text, levels=['low', 'mid', 'high']) ~ x", ("low", "mid", "high")),
        ("number ~ x", (1, 2, 5)),
        ("C(half) ~ x", (0.5, 1.0, 2.5)),
        ("I(1 * (x > -0.5) + 1 * (x > 0.5)) ~ w", (0, 1, 2)),
    ],
)
def test_what_has_an_order(formula, levels):
    number = np.array([1, 2, 5] * 8)
    assert problem(formula, frame(text=WORDS * 8, number=number, half=number / 2)).levels == levels


def test_ordered_columns_of_other_frames():
    data = frame()
    enum = pl.DataFrame({"y": pl.Series(WORDS * 8, dtype=pl.Enum(WORDS)), "x": data["x"].to_numpy()})
    assert problem(data=enum).levels == tuple(WORDS)
    arrow = __import__("pyarrow").Table.from_pandas(data)
    assert problem(data=arrow).levels == tuple(WORDS)


def test_rows_of_no_weight_are_left_out():
    found = problem(weights="w")
    assert len(found.rows.codes) == 23
    # a number that only such a row has is no category; a declared one without rows is refused
    data = frame(number=[*([0, 1, 2] * 8)[:23], 9])
    assert problem("number ~ x", data, weights="w").levels == (0, 1, 2)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("text ~ x", r"C\(text, levels=\[\.\.\.\]\).*from the lowest to the highest.*ordered pandas\.Categorical"),
        ("C(text) ~ x", r"C\(text, levels"),
        ("loose ~ x", "without an order"),
        ("x ~ w", "not whole.*pandas.cut"),
        ("many ~ x", "24 different numbers"),
        ("two ~ x", "logistic regression"),
        ("pair ~ x", "logistic regression"),
        ("I(x > 0) ~ w", "logistic regression"),
        ("one ~ x", "only the category 1"),
        ("empty ~ x", "no row has the category 'top'.*remove_unused_categories"),
        ("same ~ x", "look the same"),
        ("y ~ 1", "no column"),
        ("y ~ x + offset(w)", "offset"),
    ],
)
def test_what_cannot_be_fitted_says_what_to_do(formula, said):
    data = frame(
        text=WORDS * 8,
        loose=pd.Categorical(WORDS * 8),
        many=np.arange(24),
        two=[0, 1] * 12,
        pair=["a", "b"] * 12,
        one=1,
        empty=pd.Categorical(WORDS * 8, [*WORDS, "top"], ordered=True),
        same=pd.Categorical([1, 2, "1"] * 8, [1, "1", 2], ordered=True),
    )
    with pytest.raises(DataError, match=said):
        si.presto(formula, data, folds=2)


def test_a_category_needs_as_many_rows_as_folds():
    data = frame(y=pd.Categorical([*["low", "mid"] * 10, "high", "high", "high", "high"], WORDS, ordered=True))
    with pytest.raises(DataError, match=r"'high' of 'y' has 4 rows for 5 folds.*use fewer folds"):
        si.presto("y ~ x", data)
    assert si.presto("y ~ x", data, penalty=0.1).levels == tuple(WORDS)
    assert si.presto("y ~ x", data, folds=4, nlambda=3).validation.scores.shape == (4, 3)
