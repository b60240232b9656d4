"""Several outcomes on the left of a formula: how they are written, whose rows are used, and which methods take them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from statinf.errors import DataError, FormulaError
from statinf.formula import design
from statinf.formula.design import kind_of_outcome


def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.uniform(1.0, 2.0, (40, 5)), columns=["y1", "y2", "my y", "x", "z"])
    frame.loc[1, "y1"], frame.loc[3, "y2"], frame.loc[5, ["y1", "y2"]] = np.nan, np.nan, np.nan
    return frame.assign(t=(frame["x"] > 1.5).astype(float), g=np.where(frame["z"] > 1.5, "a", "b"))


@pytest.mark.parametrize(
    ("left", "names"),
    [
        ("cbind(y1, y2)", ("y1", "y2")),
        ("y1 + y2", ("y1", "y2")),
        ("cbind(y1) + log(y2)", ("y1", "log(y2)")),
        ("cbind(y1, cbind(y2, `my y`))", ("y1", "y2", "my y")),
        ("cbind(y1, y2) + `my y`", ("y1", "y2", "my y")),
        ("cbind(maximum(y1, y2), y1)", ("maximum(y1, y2)", "y1")),
        ("cbind(y1 + y2, y1)", ("y1 + y2", "y1")),
    ],
)
def test_columns_are_bound_by_cbind_and_by_plus(left, names):
    found = design(f"{left} ~ x", table(), response="matrix")
    assert found.response_names == names and found.response.shape == (37, len(names))


@pytest.mark.parametrize(
    "left", ["cbind()", "cbind(y1,)", "y1 + ", "cbind(y1, y1)", "cbind(y1, I(y1))", "y1 + cbind(y2, y1)"]
)
def test_empty_and_repeated_outcomes_are_refused(left):
    with pytest.raises(FormulaError, match=r"left (side )?of"):
        design(f"{left} ~ x", table(), response="matrix")


def test_categories_among_several_outcomes_are_refused():
    with pytest.raises(DataError, match="'g' holds categories"):
        design("cbind(y1, g) ~ x", table(), response="matrix")


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_row_needs_every_outcome(kind):
    frame = table()
    made = {"pandas": frame, "polars": pl.from_pandas(frame), "pyarrow": pa.Table.from_pandas(frame)}[kind]
    found = design("cbind(y1, y2) ~ x", made, response="matrix")
    used = frame.drop(index=[1, 3, 5])
    np.testing.assert_array_equal(found.response, used[["y1", "y2"]])
    np.testing.assert_array_equal(found.rows, used.index)
    assert found.dropped == {"y1 is missing": 2, "y2 is missing": 2}
    new = found.recipe.new_rows(made, response=True)
    assert new.ok.all() and np.isnan(new.response[[1, 3, 5]]).all()
    np.testing.assert_array_equal(new.response[used.index], used[["y1", "y2"]])
    with pytest.raises(DataError, match="y1 is missing"):
        design("cbind(y1, y2) ~ x", made, response="matrix", na_action="raise")


def test_methods_for_one_outcome_say_which_take_several():
    data = table().dropna()
    assert kind_of_outcome("cbind(y1, y2) ~ x", data) == "several"
    for call in (
        lambda: si.rq("y1 + y2 ~ x", data),
        lambda: si.effect("y1 + y2 ~ t | x", data),
        lambda: si.conformal("cbind(y1, y2) ~ x", data, method="split"),
        lambda: si.conformal("cbind(y1, y2) ~ x", data, method="lac"),
        lambda: si.conformal_select("cbind(y1, y2) ~ x", data, data, threshold=1.0),
    ):
        with pytest.raises(FormulaError, match=r"2 outcomes, y1, y2, .*'dqr' and 'st-dqr'"):
            call()
