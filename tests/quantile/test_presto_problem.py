"""Designs that PRESTO takes, and those that it refuses."""

import numpy as np
import pandas as pd
import pytest

from statinf.errors import DataError
from statinf.formula import design
from statinf.quantile.presto.problem import presto_rows


def made(formula="y ~ x", **options):
    grade = pd.Categorical(["low", "mid", "high"] * 4, ["low", "mid", "high"], ordered=True)
    data = pd.DataFrame({"y": grade, "x": np.arange(12.0), "t": ["a", "b"] * 6, "w": [1.0] * 11 + [0.0]})
    return design(formula, data, response="categories", **options)


def test_order_is_that_of_the_categories():
    rows, levels = presto_rows(made())
    assert levels == ("low", "mid", "high")
    np.testing.assert_array_equal(rows.codes[:3], [0, 1, 2])
    np.testing.assert_array_equal(rows.X[:, 0], np.arange(12.0))
    turned, back = presto_rows(made(), reverse=True)
    assert back == ("high", "mid", "low")
    np.testing.assert_array_equal(turned.codes, 2 - rows.codes)


def test_rows_of_no_weight_are_left_out():
    rows, _ = presto_rows(made(weights="w"))
    assert len(rows.codes) == 11
    with pytest.raises(DataError, match=r"'high' of 'y' has 3 rows .* 4 are needed"):
        presto_rows(made(weights="w"), fewest=4)


@pytest.mark.parametrize(
    ("formula", "said"), [("t ~ x", "logistic"), ("y ~ 1", "no column"), ("y ~ x + offset(w)", "offset")]
)
def test_what_cannot_be_fitted_says_what_to_do(formula, said):
    with pytest.raises(DataError, match=said):
        presto_rows(made(formula))
