"""The columns of a fit made again for new rows."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from formula.tables import table
from statinf.errors import DataError, DroppedRowsWarning, FormulaError, NumericalWarning
from statinf.formula import design


def test_unseen_levels_are_nan_with_one_warning_that_names_them():
    data = table()
    recipe = design("y ~ x1 + C(g) + h", data).recipe
    new = data.iloc[:5].copy().assign(g=["u", "zz", "v", "yy", "w"])
    with pytest.warns(DroppedRowsWarning) as caught:
        made = recipe.new_rows(new)
    assert len(caught) == 1 and "'yy', 'zz'" in str(caught[0].message) and "2 rows" in str(caught[0].message)
    assert made.ok.tolist() == [True, False, True, False, True]
    assert np.isnan(made.part("covariates").values[[1, 3]]).all()
    assert np.isfinite(made.part("covariates").values[[0, 2, 4]]).all()


def test_new_rows_missing_infinite_and_out_of_a_splines_range():
    data = table()
    recipe = design("y ~ bs(x1, df=4) + x2", data).recipe
    new = pd.DataFrame({"x1": [0.0, np.nan, 99.0, 0.1], "x2": [1.0, 1.0, 1.0, np.inf]})
    with pytest.warns(DroppedRowsWarning) as caught:
        made = recipe.new_rows(new)
    assert len(caught) == 1
    assert made.ok.tolist() == [True, False, False, False]
    for part in ("x1 is missing", "x2 is infinite", "outside the fit's range"):
        assert part in str(caught[0].message)
    with pytest.raises(DataError, match="column 'x2' is not in the data"):
        recipe.new_rows(new[["x1"]])
    clipped = design("y ~ bs(x1, df=4, extrapolation='clip')", data).recipe.new_rows(new.iloc[[2]])
    assert clipped.ok.all()


def test_a_natural_spline_goes_on_straight_and_says_so():
    data = table()
    recipe = design("y ~ cr(x1, df=4)", data).recipe
    with pytest.warns(NumericalWarning, match="2 rows are outside the fit's range"):
        made = recipe.new_rows({"x1": [10.0, 11.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = recipe.new_rows({"x1": [10.0, 11.0]}, warn=False)
        recipe.new_rows({"x1": [float(data["x1"].mean())]})
    assert made.ok.all()
    three = recipe.new_rows({"x1": [10.0, 11.0, 12.0]}, warn=False).part("covariates").values
    np.testing.assert_allclose(three[2] - three[1], three[1] - three[0], atol=1e-9)
    np.testing.assert_array_equal(quiet.part("covariates").values, made.part("covariates").values)


@pytest.mark.parametrize(
    "formula",
    ["y ~ x1 + C(g) + bs(x2, df=4)", "y ~ poly(x1, 3) * g", "y ~ cr(x1, df=4) + scale(x2)", "y ~ 0 + cc(x1, df=4)"],
)
def test_no_new_rows_give_no_rows(formula):
    data = table()
    d = design(formula, data)
    made = d.recipe.new_rows(data.iloc[:0])
    assert made.part("covariates").values.shape == (0, d.part("covariates").p) and made.n == 0


def test_comparisons_with_a_level_that_new_rows_lack():
    data = table()
    recipe = design("y ~ I(g == 'u') + I(h in ['lo'])", data).recipe
    made = recipe.new_rows({"g": ["v", "w", None], "h": ["hi", "hi", "lo"]}, warn=False)
    np.testing.assert_array_equal(made.part("covariates").values[:, 1:], [[0, 0], [0, 0], [np.nan, np.nan]])
    with pytest.raises(FormulaError, match="is not a level"):
        design("y ~ I(g == 'nobody')", data)


def test_a_column_that_changes_its_type_is_refused():
    data = table()
    recipe = design("y ~ x1 + g", data).recipe
    with pytest.raises(DataError, match="column 'x1' holds categories in the new data"):
        recipe.new_rows({"x1": ["1", "2"], "g": ["u", "v"]})
    with pytest.raises(DataError, match="column 'g' holds numbers in the new data"):
        recipe.new_rows({"x1": [1.0, 2.0], "g": [1, 2]})


def test_new_rows_repeat_the_fits_columns_with_every_transform():
    data = table()
    formula = (
        "y ~ poly(x1, 2) + bs(x2, df=4) + cr(x1, df=4) + scale(x1) + center(x2) + log(x2) + C(k) * g + I(b & (x1 > 0))"
    )
    d = design(formula, data)
    part = d.part("covariates")
    order = np.random.default_rng(0).permutation(len(data))[:25]
    made = d.recipe.new_rows(data.iloc[order])
    np.testing.assert_allclose(made.part("covariates").values, part.values[order], rtol=1e-12, atol=1e-12)
    assert made.part("covariates").names == part.names


def test_integer_categories_survive_becoming_floats():
    data = table()
    recipe = design("y ~ C(k)", data).recipe
    made = recipe.new_rows({"k": [1.0, np.nan, 3.0]}, warn=False)
    assert made.ok.tolist() == [True, False, True]


def test_the_recorded_outcome_comes_with_new_rows_when_asked():
    data = table(10)
    recipe = design("log(x2) ~ x1", data).recipe
    new = data.assign(x2=[-1.0, np.nan, *data["x2"].iloc[2:]])
    made = recipe.new_rows(new, response=True, warn=False)
    assert np.isnan(made.response[:2]).all() and made.ok.all()
    np.testing.assert_allclose(made.response[2:], np.log(data["x2"].iloc[2:]))
    assert recipe.new_rows(new[["x1"]]).response is None
