"""Every kind of table gives the same design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from formula.tables import columns, table
from statinf.errors import DataError
from statinf.formula import design
from statinf.formula.columns import _encode_polars

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


@pytest.mark.parametrize("words", [["b", "a", None, "c", "a"], ["z", "z"], [None, None], []])
def test_categoricals_of_polars_are_coded_as_their_text(words):
    pl = pytest.importorskip("polars")
    # Other categories come first in a longer column, so the numbers of these ones do not start at zero.
    whole = pl.Series("g", [f"other{i}" for i in range(40)] + words, dtype=pl.String).cast(pl.Categorical)
    made, text = _encode_polars(whole[40:]), _encode_polars(pl.Series("g", words, dtype=pl.String))
    assert made.levels == text.levels == tuple(sorted({w for w in words if w is not None}))
    np.testing.assert_array_equal(made.codes, text.codes)


def test_columns_written_side_by_side_are_those_written_alone():
    rng = np.random.default_rng(0)
    n = 120_000
    data = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.integers(0, 9, n).astype(str)})
    formula = "~ x + g + x:g + x:z + C(g, contr.sum):z"
    whole = design(formula, data, response="none").part("covariates").values
    for rows in (slice(0, 500), slice(59_800, 60_300), slice(n - 500, n)):
        np.testing.assert_array_equal(
            whole[rows], design(formula, data[rows], response="none").part("covariates").values
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
