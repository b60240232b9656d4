"""The design's columns against formulaic's, over formulas and kinds of tables."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statinf.errors import DataError, DroppedRowsWarning, FormulaError, NumericalWarning, StatinfWarning
from statinf.formula import design


def table(n: int = 60, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "y2": rng.normal(size=n),
            "x1": rng.normal(size=n),
            "x2": rng.uniform(0.5, 3.0, size=n),
            "k": rng.integers(1, 6, size=n),
            "b": rng.random(n) < 0.5,
            "g": rng.choice(["u", "v", "w"], size=n),
            "h": rng.choice(["lo", "hi"], size=n),
            "c": pd.Categorical(rng.choice(["s", "m", "l"], size=n), categories=["s", "m", "l"]),
        }
    )


def oracle(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    from formulaic import Formula

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Formula(formula).get_model_matrix(data, context={"np": np, "sqrt": np.sqrt})
    return pd.DataFrame(made.rhs)


def columns(matrix) -> dict[str, np.ndarray]:
    return {name: matrix.values[:, j] for j, name in enumerate(matrix.names)}


SAME_NAMES = [
    "y ~ x1",
    "y ~ x1 + x2",
    "y ~ 0 + x1 + x2",
    "y ~ x1 - 1",
    "y ~ x1 * x2",
    "y ~ x1:x2",
    "y ~ (x1 + x2 + k)**2",
    "y ~ (x1 + x2 + k)^3 - x1:x2:k",
    "y ~ x1 / x2",
    "y ~ g",
    "y ~ 0 + g",
    "y ~ g - 1 + h",
    "y ~ g + h",
    "y ~ g * h",
    "y ~ g * x1",
    "y ~ g:x1",
    "y ~ x1 + g:x1",
    "y ~ 0 + g:h",
    "y ~ g + g:h",
    "y ~ g / x1",
    "y ~ g * h * c",
    "y ~ g * h * x1",
    "y ~ 0 + g + h + g:h",
    "y ~ c",
    "y ~ C(k)",
    "y ~ C(k) * g",
    "y ~ C(g, contr.sum)",
    "y ~ C(g, contr.sum):x1 + C(g, contr.sum)",
    "y ~ C(g, contr.helmert)",
    "y ~ C(g, contr.poly)",
    "y ~ C(g, contr.treatment('v'))",
    "y ~ C(g, contr.treatment(base='w')) + x1",
    "y ~ 0 + C(g, contr.sum)",
    "y ~ C(g, levels=['w', 'v', 'u'])",
    "y ~ log(x2) + exp(x1) + sqrt(x2)",
    "y ~ np.log(x2)",
    "y ~ I(x1**2) + I(x1 * x2)",
    "y ~ I(x1 + x2):g",
    "y ~ poly(x1, 3)",
    "y ~ poly(x1, 2):x2",
    "y ~ poly(x1, 2):g",
    "y ~ bs(x1, df=5)",
    "y ~ bs(x1, df=4, degree=2) + x2",
    "y ~ bs(x1, df=4):g",
    "y ~ 0 + cr(x1, df=4)",
    "y ~ 0 + cc(x1, df=4)",
    "y ~ cr(x1, df=4, constraints='center')",
    "y ~ scale(x1) + center(x2)",
    "y ~ scale(x1):scale(x2)",
    "y ~ standardize(x1)",
    "y ~ {x1 + 1}",
    "y ~ k + k:x1 + I(k**2)",
    "log(x2) ~ x1",
    "y ~ 1",
    "y ~ x1 + x2 - x1",
    "y ~ x1 * x2 - x1:x2",
    "y ~ g %in% h + h",
]


@pytest.mark.parametrize("formula", SAME_NAMES)
def test_columns_are_formulaics_by_name_and_value(formula):
    data = table()
    expected = oracle(formula, data)
    made = columns(design(formula, data).part("covariates"))
    there = {_sorted_factors(str(k)): expected[k].to_numpy(float) for k in expected.columns}
    here = {_sorted_factors(k): v for k, v in made.items()}
    assert set(here) == set(there)
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


def _sorted_factors(name: str) -> str:
    """A column's name whatever the order of its factors."""
    pieces, depth, start = [], 0, 0
    for i, char in enumerate(name):
        depth += (char in "([") - (char in ")]")
        if char == ":" and depth == 0:
            pieces.append(name[start:i])
            start = i + 1
    return ":".join(sorted([*pieces, name[start:]]))


# Here the choice between equivalent codings or the names differ on purpose; the space spanned is the same.
SAME_SPACE = [
    "y ~ g:h",
    "y ~ g:h:x1",
    "y ~ h + g:h:c",
    "y ~ x1 + g:h + h:c",
    "y ~ 0 + g:x1 + h:x1 + c:h",
    "y ~ g + h:c",
    "y ~ poly(x1, 2, raw=True)",
    "y ~ C(g, contr.diff) * h",
    "y ~ b * g",
    "y ~ C(x1 > 0)",
]


@pytest.mark.parametrize("formula", [*SAME_NAMES, *SAME_SPACE])
def test_span_and_rank_are_formulaics(formula):
    data = table(200)
    expected = oracle(formula, data).to_numpy(float)
    made = design(formula, data).part("covariates").values
    rank = np.linalg.matrix_rank(expected)
    assert made.shape[1] == expected.shape[1]
    assert np.linalg.matrix_rank(made) == rank
    assert np.linalg.matrix_rank(np.hstack([made, expected])) == rank


def test_natural_spline_beside_an_intercept_has_full_rank():
    data = table()
    made = design("y ~ cr(x1, df=5) + cc(x2, df=4)", data).part("covariates").values
    assert np.linalg.matrix_rank(made) == made.shape[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.lists(
        st.lists(st.sampled_from(["x1", "x2", "g", "h", "c"]), min_size=1, max_size=3, unique=True),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_any_sum_of_products_spans_what_formulaic_spans(terms, intercept):
    formula = "y ~ " + ("" if intercept else "0 + ") + " + ".join(":".join(t) for t in terms)
    data = table(300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StatinfWarning)
        made = design(formula, data).part("covariates").values
    expected = oracle(formula, data).to_numpy(float)
    rank = np.linalg.matrix_rank(expected)
    assert np.linalg.matrix_rank(made) == rank
    assert np.linalg.matrix_rank(np.hstack([made, expected])) == rank
    assert made.shape[1] == expected.shape[1]


# --- kinds of tables -------------------------------------------------------------------------------------

FORMULA = "y ~ x1 + k + b + C(g) + h:x2 + c"


def _duckdb(data, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("source", data.assign(c=data["c"].astype(str)))
    return connection.sql("select * from source")


KINDS = {
    "polars": lambda d, p: _polars(d),
    "lazy polars": lambda d, p: _polars(d).lazy(),
    "pyarrow": lambda d, p: pytest.importorskip("pyarrow").Table.from_pandas(d),
    "duckdb": _duckdb,
    "dict": lambda d, p: {k: d[k].to_numpy() for k in d.columns} | {"c": d["c"]},
    "parquet": lambda d, p: _written(d, p, "parquet"),
    "csv": lambda d, p: _written(d, p, "csv"),
    "csv path as text": lambda d, p: str(_written(d, p, "csv")),
    "nullable pandas": lambda d, p: d.convert_dtypes(),
    "arrow pandas": lambda d, p: d.convert_dtypes(dtype_backend="pyarrow"),
    "object pandas": lambda d, p: d.astype(object),
    "narwhals": lambda d, p: pytest.importorskip("narwhals").from_native(d),
    "shuffled index": lambda d, p: d.set_index(np.random.default_rng(3).permutation(len(d)) // 2),
    "32 bits": lambda d, p: d.astype({"k": "int8"}),
}


def _polars(data):
    pl = pytest.importorskip("polars")
    plain = pl.DataFrame({k: data[k].to_list() for k in data.columns})
    return plain.with_columns(pl.col("c").cast(pl.Enum(["s", "m", "l"])))


def _written(data, folder, kind):
    path = folder / f"table.{kind}"
    data.to_parquet(path) if kind == "parquet" else data.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_table_gives_the_same_columns(kind, tmp_path):
    data = table()
    # Declared order of levels survives where the kind of table has categories.
    loses_order = kind in ("duckdb", "csv", "csv path as text", "object pandas")
    reference = design(FORMULA, data.assign(c=data["c"].astype(str)) if loses_order else data).part("covariates")
    made = design(FORMULA, KINDS[kind](data, tmp_path)).part("covariates")
    assert made.names == reference.names
    np.testing.assert_allclose(made.values, reference.values, rtol=1e-15, atol=0)
    assert made.values.dtype == np.float64


@pytest.mark.parametrize(
    "kind", ["pandas", "polars", "lazy polars", "pyarrow", "dict", "nullable pandas", "arrow pandas"]
)
def test_a_fit_on_pandas_predicts_from_every_kind(kind, tmp_path):
    data = table()
    new = data.iloc[:20].reset_index(drop=True)
    recipe = design(FORMULA, data).recipe
    given_rows = new if kind == "pandas" else KINDS[kind](new, tmp_path)
    made = recipe.new_rows(given_rows)
    assert made.ok.all()
    np.testing.assert_allclose(made.part("covariates").values, design(FORMULA, data).part("covariates").values[:20])


def test_missing_values_of_every_kind_are_the_same_rows():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    values = {"y": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "x": [1, None, 3, 4, 5, 6], "g": ["a", "b", None, "a", "b", "a"]}
    flags = [True, False, True, None, False, True]
    tables = [
        pd.DataFrame(values | {"b": flags}),
        pd.DataFrame(values | {"b": flags}).convert_dtypes(),
        pd.DataFrame(values | {"b": flags}).convert_dtypes(dtype_backend="pyarrow"),
        pl.DataFrame(values | {"b": flags}),
        pa.table(values | {"b": flags}),
        values | {"b": flags},
    ]
    for data in tables:
        d = design("y ~ x + g + b", data)
        assert d.rows.tolist() == [0, 4, 5]
        assert dict(d.dropped) == {"x is missing": 1, "g is missing": 1, "b is missing": 1}
        np.testing.assert_array_equal(d.part("covariates").values[:, 1], [1.0, 5.0, 6.0])


def test_decimals_dictionaries_and_ordered_categories():
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    from decimal import Decimal

    numbers = [Decimal("1.25"), Decimal("2.50"), Decimal("-3.75"), Decimal("0.00")]
    words = pa.DictionaryArray.from_arrays(pa.array([2, 0, 1, 0], pa.int8()), pa.array(["z", "a", "m"]))
    plain = {"y": [1.0, 2.0, 3.0, 4.0], "x": numbers}
    ordered = pd.Categorical(["m", "z", "a", "z"], categories=["z", "a", "m"], ordered=True)
    for data in (
        pa.table(plain | {"g": words}),
        pd.DataFrame(plain | {"g": ordered}),
        pl.DataFrame(plain | {"g": ["m", "z", "a", "z"]}).with_columns(pl.col("g").cast(pl.Enum(["z", "a", "m"]))),
    ):
        d = design("y ~ x + g", data)
        assert d.part("covariates").names == ("Intercept", "x", "g[T.a]", "g[T.m]")
        np.testing.assert_array_equal(
            d.part("covariates").values[:, 1:], [[1.25, 0, 1], [2.5, 0, 0], [-3.75, 1, 0], [0.0, 0, 0]]
        )


def test_chunked_dictionaries_of_arrow_are_unified():
    pa = pytest.importorskip("pyarrow")
    first = pa.array(["b", "a"]).dictionary_encode()
    second = pa.array(["c", "b"]).dictionary_encode()
    data = pa.table({"y": [1.0, 2.0, 3.0, 4.0], "g": pa.chunked_array([first, second])})
    d = design("y ~ 0 + g", data)
    by_name = columns(d.part("covariates"))
    np.testing.assert_array_equal(by_name["g[b]"], [1, 0, 0, 1])
    np.testing.assert_array_equal(by_name["g[c]"], [0, 0, 1, 0])


def test_a_mapping_of_series_is_matched_by_position():
    y = pd.Series([1.0, 2.0, 3.0], index=[5, 6, 7])
    d = design("y ~ x", {"y": y, "x": pd.Series([3.0, 1.0, 2.0])})
    np.testing.assert_array_equal(d.part("covariates").values[:, 1], [3.0, 1.0, 2.0])
    assert d.n == 3


def test_only_named_columns_of_a_lazy_table_are_read():
    pl = pytest.importorskip("polars")
    lazy = pl.DataFrame({"y": [1.0, 2.0, 3.0], "x": [1.0, 0.0, 2.0], "z": ["a", "b", "c"]}).lazy()
    d = design("y ~ x", lazy)
    assert d.frame.names == ("y", "x") and d.frame.unread == ("z",)
    with pytest.raises(DataError, match="'z' was not read"):
        d.column("z")
    assert design("y ~ .", lazy).part("covariates").p == 4
    assert design("y ~ (.)**2", lazy).part("covariates").p > 4


# --- names -----------------------------------------------------------------------------------------------


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


# --- the dot ---------------------------------------------------------------------------------------------


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


# --- parts, weights, clusters, offset, several outcomes --------------------------------------------------


def test_rows_are_the_same_for_all_parts_weights_and_clusters():
    n = 12
    data = table(n)
    data["w"] = np.arange(n, dtype=float)
    data["id"] = [f"f{i // 2}" for i in range(n)]
    data.loc[0, "y"] = data.loc[1, "x1"] = data.loc[2, "x2"] = data.loc[3, "w"] = np.nan
    data.loc[4, "id"] = data.loc[5, "g"] = None
    d = design("y ~ x1 | x2 + g", data, roles=("treatment", "covariates"), weights="w", cluster="id")
    assert d.rows.tolist() == list(range(6, n))
    assert len(d.y) == len(d.part("treatment").values) == len(d.part("covariates").values) == len(d.weights) == d.n
    np.testing.assert_array_equal(d.weights, np.arange(6.0, n))
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
    assert d.recipe.new_rows(data).part("instruments") is None
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


# --- new rows --------------------------------------------------------------------------------------------


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


# --- context ---------------------------------------------------------------------------------------------


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


# --- size ------------------------------------------------------------------------------------------------


def test_two_thousand_columns():
    import time

    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(50, 2001)), columns=["y", *(f"x{i}" for i in range(2000))])
    for formula in (
        "y ~ .",
        "y ~ " + " + ".join(f"x{i}" for i in range(2000)),
        "y ~ 0 + " + "+".join(f"log(x{i}**2)" for i in range(2000)),
    ):
        start = time.thread_time()
        d = design(formula, data)
        assert time.thread_time() - start < 2.0
        assert d.part("covariates").p >= 2000
    start = time.thread_time()
    wide = d.recipe.new_rows(data)
    assert time.thread_time() - start < 2.0 and wide.ok.all()


def test_many_levels_are_filled_without_a_dense_coding():
    n, levels = 3000, 1500
    data = pd.DataFrame({"y": np.zeros(n), "g": np.arange(n) % levels, "x": np.arange(n, dtype=float)})
    values = design("y ~ 0 + C(g) + C(g):x", data).part("covariates").values
    assert values.shape == (n, 2 * levels)
    np.testing.assert_array_equal(values[:, :levels].sum(axis=1), 1.0)
    np.testing.assert_array_equal(values[:, levels:].sum(axis=1), data["x"])


def test_a_matrix_that_no_memory_holds_is_refused():
    data = pd.DataFrame({"y": np.zeros(200_000), "id": np.arange(200_000)})
    with pytest.raises(FormulaError, match=r"200,000 columns|199,999 columns"):
        design("y ~ C(id)", data)


def test_intercepts_can_be_taken_off_and_put_on():
    part = design("y ~ x1 + g", table()).part("covariates")
    rest = part.without_intercept()
    assert rest.names == part.names[1:] and not rest.intercept and "Intercept" not in rest.terms
    np.testing.assert_array_equal(rest.values, part.values[:, 1:])
    assert np.shares_memory(rest.values, part.values)
    back = rest.with_intercept()
    assert back.names == part.names and back.terms == part.terms
    np.testing.assert_array_equal(back.values, part.values)
    for term, where in part.terms.items():
        assert all(name.startswith(term) for name in part.names[where])


def test_terms_written_twice_or_alike_count_once():
    data = table()
    with pytest.warns(StatinfWarning, match="written more than once"):
        assert design("y ~ x1 + x1", data).part("covariates").p == 2
    assert design("y ~ I(x1**2) + I(x1 ** 2)", data).part("covariates").p == 2
    assert design("y ~ x1:x1 + x2:x1 + x1:x2", data).part("covariates").names == ("Intercept", "x1", "x2:x1")


def test_a_multiplier_scales_a_term():
    data = table()
    part = design("y ~ 3:x1 + 2:g", data).part("covariates")
    assert part.names == ("Intercept", "3:x1", "2:g[T.v]", "2:g[T.w]")
    np.testing.assert_allclose(part.values[:, 1], 3 * data["x1"])
    np.testing.assert_array_equal(part.values[:, 2], 2.0 * (data["g"] == "v"))
