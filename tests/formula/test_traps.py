"""The seventeen ways in which formulas go wrong without a word, each held by a guard."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from statinf.errors import DataError, DroppedRowsWarning, FormulaError, NumericalWarning, StatinfWarning
from statinf.formula import design


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x1": rng.normal(size=n),
            "x2": rng.uniform(1, 2, size=n),
            "g": rng.choice(["a", "b", "c"], size=n),
            "flag": rng.random(n) < 0.5,
        }
    )


def column(d, name: str) -> np.ndarray:
    part = d.part("covariates")
    return part.values[:, part.names.index(name)]


def test_an_unseen_level_is_never_the_base_level(data):
    recipe = design("y ~ g", data).recipe
    with pytest.warns(DroppedRowsWarning, match="unseen level 'zebra'"):
        new = recipe.new_rows({"g": ["a", "zebra"]})
    assert new.ok.tolist() == [True, False]
    assert np.isnan(new.part("covariates").values[1]).all()
    np.testing.assert_array_equal(new.part("covariates").values[0], [1.0, 0.0, 0.0])


@pytest.mark.parametrize("transform", ["scale", "center", "standardize"])
def test_one_missing_value_does_not_take_every_row_of_a_centred_column(data, transform):
    data.loc[4, "x1"] = np.nan
    d = design(f"y ~ {transform}(x1)", data)
    assert d.n == 59 and dict(d.dropped) == {"x1 is missing": 1}
    assert abs(column(d, f"{transform}(x1)").mean()) < 1e-12


def test_rows_that_a_transform_makes_missing_are_counted_and_named(data):
    lost = int((data["x1"] <= 0).sum())
    with pytest.warns(DroppedRowsWarning, match=rf"{lost} rows: log\(x1\) is not finite"):
        d = design("y ~ log(x1)", data)
    assert d.n == 60 - lost and dict(d.dropped) == {"log(x1) is not finite": lost}
    with pytest.raises(DataError, match=r"log\(x1\) is not finite"):
        design("y ~ log(x1)", data, na_action="raise")


def test_nan_and_infinity_are_caught_in_every_kind_of_table(data):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    data.loc[1, "x1"] = np.nan
    with_inf = data.assign(x1=data["x1"].mask(data.index == 2, np.inf))
    # Here the floats are NaN, not null, in polars and pyarrow as well.
    for make in (
        lambda d: d,
        lambda d: pl.DataFrame({"y": d["y"].to_numpy(), "x1": d["x1"].to_numpy()}),
        lambda d: pa.table({"y": pa.array(d["y"].to_numpy()), "x1": pa.array(d["x1"].to_numpy())}),
    ):
        d = design("y ~ x1", make(data))
        assert d.n == 59 and np.isfinite(d.part("covariates").values).all()
        with pytest.raises(DataError, match="column 'x1' has 1 infinite values \\(first at row 2\\)"):
            design("y ~ x1", make(with_inf))
        with pytest.raises(DataError, match="weights: 1 are infinite"):
            design("y ~ x1", make(data), weights=np.r_[np.ones(59), np.inf])
    with pytest.raises(DataError, match="column 'y' has 1 infinite"):
        design("y ~ x1", data.assign(y=data["y"].mask(data.index == 3, -np.inf)))


def test_whole_numbers_never_overflow():
    small = pd.DataFrame({"y": [1.0, 2.0, 3.0], "a": np.array([100, 2, 3], np.int8), "b": np.array([2, 3, 5], np.int8)})
    np.testing.assert_array_equal(column(design("y ~ a:b", small), "a:b"), [200.0, 6.0, 15.0])
    np.testing.assert_array_equal(column(design("y ~ I(a**2)", small), "I(a ** 2)"), [1e4, 4.0, 9.0])
    large = pd.DataFrame({"y": [1.0, 2.0, 3.0], "i": np.array([2**40, 1, 2]), "u": np.array([2, 7, 9], np.uint8)})
    np.testing.assert_array_equal(column(design("y ~ I(i**2)", large), "I(i ** 2)"), [2.0**80, 1.0, 4.0])
    np.testing.assert_array_equal(column(design("y ~ I(u - 5)", large), "I(u - 5)"), [-3.0, 2.0, 4.0])


@pytest.mark.parametrize("dtype", ["string", "string[pyarrow]", "str", "object", "category"])
def test_text_of_every_dtype_is_categorical(data, dtype):
    d = design("y ~ g", data.assign(g=data["g"].astype(dtype)))
    assert d.part("covariates").names == ("Intercept", "g[T.b]", "g[T.c]")
    assert d.part("covariates").values.dtype == np.float64


def test_truth_values_are_one_column_and_dates_are_refused(data):
    pl = pytest.importorskip("polars")
    data["day"] = pd.date_range("2020-01-01", periods=60)
    for table in (data, pl.DataFrame({k: data[k].to_list() for k in data.columns})):
        d = design("y ~ flag", table)
        assert d.part("covariates").names == ("Intercept", "flag")
        np.testing.assert_array_equal(column(d, "flag"), data["flag"])
        with pytest.raises(DataError, match="column 'day' holds dates or times; turn it into numbers"):
            design("y ~ day", table)


def test_a_fit_on_one_kind_of_table_predicts_from_another(data):
    pl = pytest.importorskip("polars")
    formula = "y ~ x1 + g + poly(x2, 2) + flag"
    other = pl.DataFrame({k: data[k].to_list() for k in data.columns})
    on_pandas, on_polars = design(formula, data), design(formula, other)
    np.testing.assert_allclose(
        on_pandas.recipe.new_rows(other).part("covariates").values,
        on_polars.recipe.new_rows(data).part("covariates").values,
        rtol=1e-12,
    )


def test_rows_are_numbers_even_with_a_repeated_index(data):
    data.index = [0] * 60
    data.iloc[3, data.columns.get_loc("x1")] = np.nan
    d = design("y ~ x1 | x2", data, roles=("a", "b"))
    assert d.rows.tolist() == [i for i in range(60) if i != 3]
    np.testing.assert_array_equal(d.y, data["y"].to_numpy()[d.rows])
    assert len(d.part("b").values) == 59


def test_a_column_named_like_a_function_leaves_the_function_alone(data):
    named = data.rename(columns={"x2": "log", "g": "C"})
    d = design("y ~ log(log) + log + C(C)", named)
    assert d.part("covariates").names == ("Intercept", "log(log)", "log", "C(C)[T.b]", "C(C)[T.c]")
    np.testing.assert_allclose(column(d, "log(log)"), np.log(data["x2"]))


def test_splines_say_what_they_do_outside_the_fits_range(data):
    far = pd.DataFrame({"x1": [0.0, 50.0]})
    with pytest.warns(DroppedRowsWarning, match="1 row: bs"):
        assert design("y ~ bs(x1, df=4)", data).recipe.new_rows(far).ok.tolist() == [True, False]
    with pytest.warns(NumericalWarning, match="outside the fit's range"):
        assert design("y ~ cr(x1, df=4)", data).recipe.new_rows(far).ok.all()


@pytest.mark.parametrize("basis", ["cr", "cs", "cc"])
def test_natural_and_cyclic_splines_are_centred_beside_an_intercept(data, basis):
    values = design(f"y ~ {basis}(x1, df=4)", data).part("covariates").values
    assert np.linalg.matrix_rank(values) == values.shape[1] == 5
    without = design(f"y ~ 0 + {basis}(x1, df=4)", data).part("covariates").values
    np.testing.assert_allclose(without.sum(axis=1), 1.0)


def test_a_power_of_a_name_and_a_repeated_term_are_warned_about(data):
    with pytest.warns(StatinfWarning, match=r"write I\(x1\*\*2\)"):
        assert design("y ~ x1^2", data).part("covariates").names == ("Intercept", "x1")
    with pytest.warns(StatinfWarning, match="written more than once"):
        design("y ~ x1 + x1", data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design("y ~ I(x1**2) + (x1 + x2)^2", data)


def test_columns_follow_the_degree_of_terms_as_in_r(data):
    names = design("y ~ x1:x2 + g + x2", data).part("covariates").names
    assert names == ("Intercept", "g[T.b]", "g[T.c]", "x2", "x1:x2")


def test_unused_levels_make_no_columns_and_a_text_outcome_is_refused(data):
    data["g"] = pd.Categorical(data["g"], categories=["a", "b", "c", "never"])
    assert design("y ~ g", data).part("covariates").names == ("Intercept", "g[T.b]", "g[T.c]")
    # A level that only occurs in dropped rows is unused as well.
    data.loc[data["g"] == "c", "x1"] = np.nan
    assert design("y ~ g + x1", data).part("covariates").names == ("Intercept", "g[T.b]", "x1")
    with pytest.raises(DataError, match=r"the outcome 'g' holds categories.*write I\(g == 'c'\)"):
        design("g ~ x1", data)
    np.testing.assert_array_equal(design("I(g == 'b') ~ x2", data).y, data["g"] == "b")


def test_lazy_tables_and_dicts_are_read(data):
    pl = pytest.importorskip("polars")
    plain = {k: data[k].to_numpy() for k in data.columns}
    reference = design("y ~ x1 + g", data).part("covariates").values
    for table in (plain, pl.DataFrame({k: data[k].to_list() for k in data.columns}).lazy()):
        np.testing.assert_array_equal(design("y ~ x1 + g", table).part("covariates").values, reference)


def test_there_is_no_hashing_of_levels(data):
    with pytest.raises(FormulaError, match="'hashed' is not a function that a formula may call"):
        design("y ~ hashed(g, levels=1048576)", data)
