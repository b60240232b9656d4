"""Outcomes of categories: levels, codes, and new rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from statinf.errors import DataError, FormulaError
from statinf.formula.design import design, kind_of_outcome

DATA = pd.DataFrame(
    {
        "y": ["b", "a", None, "c", "a"],
        "x": [1.0, 2.0, 3.0, 4.0, np.nan],
        "i": [3, 1, 2, 3, 1],
        "k": pd.Categorical(["u", "v", "u", "v", "u"], categories=["v", "z", "u"]),
        "b": [True, False, True, True, False],
    }
)
FRAMES = {
    "pandas": DATA,
    "polars": pl.from_pandas(DATA.drop(columns="k")).with_columns(
        pl.Series("k", DATA["k"].astype(str).tolist(), dtype=pl.Enum(["v", "z", "u"]))
    ),
    "pyarrow": pa.Table.from_pandas(DATA),
}
CASES = [
    ("y ~ 1", "categories", ("a", "b", "c"), [1, 0, -1, 2, 0]),
    ("k ~ 1", "categories", ("v", "u"), [1, 0, 1, 0, 1]),
    ("b ~ 1", "logical", (False, True), [1, 0, 1, 1, 0]),
    ("C(i) ~ 1", "categories", (1, 2, 3), [2, 0, 1, 2, 0]),
    ("C(i, levels=[3, 2, 1, 0]) ~ 1", "categories", (3, 2, 1), [0, 2, 1, 0, 2]),
    ("I(y == 'a') ~ 1", "logical", (False, True), [0, 1, -1, 0, 1]),
    ("I(x > 2) ~ 1", "logical", (False, True), [0, 0, 1, 1, -1]),
]


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(("formula", "type_of", "levels", "codes"), CASES, ids=[c[0] for c in CASES])
def test_codes_of_rows_and_of_new_rows(kind, formula, type_of, levels, codes):
    frame = FRAMES[kind]
    assert kind_of_outcome(formula, frame) == type_of
    made = design(formula, frame, response="categories")
    assert made.levels == levels and all(type(a) is type(b) for a, b in zip(made.levels, levels, strict=True))
    assert made.y.tolist() == [c for c in codes if c >= 0]
    assert sum(made.dropped.values()) == codes.count(-1)
    assert made.recipe.new_rows(frame, response=True).response.tolist() == codes


def test_new_levels_and_missing_outcomes():
    recipe = design("y ~ x", DATA, response="categories").recipe
    new = pd.DataFrame({"y": ["odd", "c", None], "x": [0.0, 1.0, 2.0]})
    assert recipe.new_rows(new, response=True).response.tolist() == [-2, 2, -1]
    wider = recipe.with_levels(("a", "b", "c", "odd"))
    assert wider.new_rows(new, response=True).response.tolist() == [3, 2, -1]


@pytest.mark.parametrize(
    ("formula", "error", "said"),
    [
        ("x ~ b", DataError, r"4 different ones; write C\(x\)"),
        ("scale(x) ~ b", FormulaError, "transformed number"),
        ("~ x", FormulaError, "no outcome"),
        ("y ~ C(y)", FormulaError, "stands on the right"),
    ],
)
def test_refusals(formula, error, said):
    with pytest.raises(error, match=said):
        design(formula, DATA, response="categories")


def test_one_level_is_refused():
    with pytest.raises(DataError, match="only the level 'a' in the rows used"):
        design("y ~ x", DATA.iloc[[1, 4]].assign(x=1.0), response="categories")
