"""Truth values are a variable of two levels, as in R, wherever the space that a model spans depends on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from formula.tables import table
from statinf.formula import design

# Columns as R's model.matrix has them, whose names are bFALSE and bTRUE.
EXPECTED = [
    ("b", ("Intercept", "b")),
    ("b - 1", ("b[False]", "b[True]")),
    ("0 + b + x1", ("b[False]", "b[True]", "x1")),
    ("b:x1", ("Intercept", "b[False]:x1", "b[True]:x1")),
    ("x1 + b:x1", ("Intercept", "x1", "b:x1")),
    ("b + b:x1", ("Intercept", "b", "b[False]:x1", "b[True]:x1")),
    ("b * x1", ("Intercept", "b", "x1", "b:x1")),
    ("0 + b:h", ("b[False]:h[hi]", "b[True]:h[hi]", "b[False]:h[lo]", "b[True]:h[lo]")),
    ("I(x2 > 1):x1", ("Intercept", "I(x2 > 1)[False]:x1", "I(x2 > 1)[True]:x1")),
    ("I(b) - 1", ("I(b)[False]", "I(b)[True]")),
    ("as.numeric(b) - 1", ("I(+b)",)),
    ("I(1 * b):x1", ("Intercept", "I(1 * b):x1")),
]


@pytest.mark.parametrize(("right", "names"), EXPECTED)
@pytest.mark.parametrize("kind", ["pandas", "objects", "nullable", "polars", "pyarrow"])
def test_columns_are_rs(right, names, kind):
    made = design(f"y ~ {right}", _as(table(), kind)).part("covariates")
    assert made.names == names
    assert np.linalg.matrix_rank(made.values) == len(names)


def _as(data: pd.DataFrame, kind: str):
    if kind == "objects":
        return data.assign(b=data["b"].astype(object))
    if kind == "nullable":
        return data.assign(b=data["b"].astype("boolean"))
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame({c: data[c].to_list() for c in data})
    if kind == "pyarrow":
        return pytest.importorskip("pyarrow").table({c: data[c].to_list() for c in data})
    return data


def test_values_are_one_dummy_per_truth_value():
    data = table()
    made = design("y ~ b:x1 - 1", data).part("covariates").values
    np.testing.assert_array_equal(made, np.column_stack([~data["b"] * data["x1"], data["b"] * data["x1"]]))


def test_two_slopes_are_those_of_the_two_groups():
    data = table(200)
    fit = si.lm("y ~ b + b:x1", data)
    for value in (False, True):
        group = si.lm("y ~ x1", data[data["b"] == value])
        assert fit.params[f"b[{value}]:x1"] == pytest.approx(group.params["x1"], rel=1e-9)


def test_new_rows_may_hold_one_truth_value_missing_ones_and_numbers():
    data = table()
    recipe = design("y ~ b - 1", data).recipe
    np.testing.assert_array_equal(recipe.new_rows({"b": [True, True]}).part("covariates").values, [[0, 1], [0, 1]])
    np.testing.assert_array_equal(recipe.new_rows({"b": [0.0, 1.0]}).part("covariates").values, [[1, 0], [0, 1]])
    data["b"] = data["b"].astype("boolean").mask(data.index == 3)
    assert design("y ~ b - 1", data).rows.tolist() == [i for i in range(60) if i != 3]
