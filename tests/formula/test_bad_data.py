"""Data that cannot be used: each ends in a message that names what is wrong."""

from __future__ import annotations

import datetime
import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, DroppedRowsWarning, FormulaError, OptionError
from statinf.formula import as_frame, design
from statinf.results import Weights


def table(n: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "g": rng.choice(["a", "b"], size=n)})


def refuse(match: str, formula="y ~ x", data=None, **options):
    with pytest.raises(DataError, match=match):
        design(formula, table() if data is None else data, **options)


def test_no_rows():
    refuse("the data have no rows", data=table().iloc[:0])
    refuse("the data have no rows", "y ~ g", data=table().iloc[:0])
    refuse("the data have no rows", data={"y": [], "x": []})
    refuse("the data have no rows", data=pytest.importorskip("polars").DataFrame({"y": [], "x": []}))


def test_no_columns():
    for data in ({}, pd.DataFrame(index=[1, 2])):
        with pytest.raises(FormulaError, match="'y' is not a column of the data"):
            design("y ~ 1", data)


def test_one_row_is_a_design_and_one_level_is_not():
    d = design("y ~ x", table().iloc[:1])
    assert d.part("covariates").values.shape == (1, 2)
    refuse("'g' has only the level", "y ~ g", data=table().iloc[:1])


def test_an_all_missing_column():
    refuse(r"no row of 10 can be used \(10: x is missing\)", data=table().assign(x=np.nan))
    refuse(r"no row of 10 can be used \(10: x is missing\)", data=table().assign(x=None))
    refuse(r"no row of 10 can be used \(10: y is missing\)", data=table().assign(y=np.nan))
    refuse("no row of 10", data=table().assign(x=pd.Series([pd.NA] * 10, dtype="Int64")))
    refuse("no row of 10", data=pytest.importorskip("pyarrow").table({"y": [1.0] * 10, "x": [None] * 10}))
    with pytest.warns(DroppedRowsWarning), pytest.raises(DataError, match="no row of 10 can be used"):
        design("y ~ log(x)", table().assign(x=-1.0))


def test_infinite_values():
    refuse(
        r"column 'x' has 2 infinite values \(first at row 4\)",
        data=table().assign(x=[0, 1, 2, 3, np.inf, -np.inf, 0, 1, 2, 3]),
    )
    refuse("column 'y' has 1 infinite", data=table().assign(y=[np.inf, *range(9)]))
    refuse("column 'x' has infinite values", "y ~ C(x)", data=table().assign(x=[np.inf, *range(9)]))
    refuse("column 'x' has 1 infinite", "y ~ x:g", data=table().assign(x=[np.inf, *range(9)]))


def test_duplicate_column_names():
    twice = pd.concat([table(), table()[["x"]]], axis=1)
    refuse("column 'x' occurs 2 times", data=twice)
    assert design("y ~ g", pd.concat([table(), table()[["x"]]], axis=1).set_axis(["y", "x", "g", "x"], axis=1)).n == 10
    refuse("column 'x' occurs 2 times", "y ~ .", data=twice)


def test_duplicate_column_names_of_a_csv(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("y,x,x\n1,2,3\n4,5,6\n")
    refuse("column 'x' occurs 2 times", data=path)


def test_column_names_that_are_no_strings():
    numbered = pd.DataFrame(np.random.default_rng(0).normal(size=(10, 3)))
    with pytest.raises(FormulaError, match="the column named 0 is not a string: rename it"):
        design("`0` ~ `1`", numbered)
    with pytest.raises(FormulaError, match="the column named 1 is not a string: rename it"):
        design("y ~ Q('1')", numbered.rename(columns={0: "y"}))
    mixed = table().rename(columns={"g": 7})
    assert design("y ~ x", mixed).n == 10
    refuse("'.' stands for every column, and the column named 7 is not a string", "y ~ .", data=mixed)
    with pytest.raises(DataError, match="MultiIndex"):
        design("y ~ x", pd.concat({"a": table()}, axis=1))


@pytest.mark.parametrize("formula", ["y ~ g", "y ~ C(g)", "y ~ x:g", "y ~ 0 + g"])
def test_a_categorical_with_one_level(formula):
    refuse("has only the level 'a' in the rows used; remove it", formula, data=table().assign(g="a"))


def test_a_missing_column_names_its_neighbours():
    with pytest.raises(FormulaError, match=r"'incom' is not a column of the data. Did you mean 'income'"):
        design("y ~ incom", table().assign(income=1.0))
    with pytest.raises(DataError, match="column 'firm' is not in the data"):
        design("y ~ x", table(), cluster="firm")
    with pytest.raises(DataError, match="column 'w' is not in the data"):
        design("y ~ x", table(), weights="w")


@pytest.mark.parametrize("given", [pd.Series(["u", "v"] * 60), np.zeros(120), ["x"]])
def test_a_column_that_is_wanted_by_its_name(given):
    random = np.random.default_rng(0)
    data = pd.DataFrame({"y": random.standard_normal(120), "x": random.standard_normal(120), "t": np.arange(120) % 2})
    with pytest.raises(DataError, match=f"told by its name, not by its values; got a {type(given).__name__}"):
        si.cate("y ~ t | x", data).gate(given)


def test_weights():
    refuse(r"weights: 1 are negative \(first at row 0\)", weights=np.r_[-1.0, np.ones(9)])
    refuse("all weights are zero", weights=np.zeros(10))
    refuse("all weights are zero", data=table().assign(w=0), weights="w")
    refuse(r"give one weight per row of the data, shape \(10,\)", weights=np.ones(9))
    refuse(r"give one weight per row", weights=2.0)
    refuse(r"give one weight per row", weights=np.ones((10, 1)))
    refuse("no row of 10", weights=np.full(10, np.nan))
    refuse("weights column 'g' holds categories", weights="g")
    refuse("weights holds", weights=np.array(["a"] * 10))
    refuse("weights holds values that are no numbers", weights=[object()] * 10)
    refuse("weights 'w': 1 are negative", data=table().assign(w=[-1, *[1] * 9]), weights="w")
    refuse("weights holds complex", weights=np.ones(10) * 1j)
    missing = design("y ~ x", table(), weights=[None, *[1.0] * 9])
    assert missing.n == 9 and dict(missing.dropped) == {"weights is missing": 1}
    assert design("y ~ x", table(), weights=np.r_[0.0, np.ones(9)]).n == 10
    nullable = pd.Series([pd.NA, *[2] * 9], dtype="Int64")
    assert design("y ~ x", table(), weights=nullable).rows.tolist() == list(range(1, 10))


def test_weights_that_are_zero_wherever_rows_are_used():
    data = table().assign(x=[*[np.nan] * 5, *range(5)])
    refuse("all weights are zero on the rows used", data=data, weights=np.r_[np.ones(5), np.zeros(5)])


def test_weights_objects_of_another_frame():
    made = Weights(method="known", formula="", used=np.arange(5), values=np.ones(5), n_total=7)
    refuse("the weights were made on a frame of 7 rows, the data have 10", weights=made)


def test_weights_objects_keep_to_their_rows():
    made = Weights(method="known", formula="", used=np.arange(2, 10), values=np.arange(8.0), n_total=10)
    d = design("y ~ x", table(), weights=made)
    assert d.weights_object is made and d.rows.tolist() == list(range(2, 10))
    np.testing.assert_array_equal(d.weights, np.arange(8.0))


def test_clusters():
    refuse(r"give a column name, or one value per row, shape \(10,\)", cluster=np.arange(3))
    refuse("cluster has shape", cluster=5)
    d = design("y ~ x", table().assign(id=[None, *"abcdefghi"]))
    with pytest.raises(DataError, match="the cluster column 'id' is missing in 1 rows used by the fit"):
        d.cluster_codes("id")


@pytest.mark.parametrize("path", ["absent.csv", "absent.parquet"])
def test_a_file_that_is_not_there(tmp_path, path):
    refuse(f"the file .*{path} cannot be read", data=tmp_path / path)


@pytest.mark.parametrize("path", ["broken.parquet", "broken.csv"])
def test_a_file_that_cannot_be_read(tmp_path, path):
    (tmp_path / path).write_bytes(b"\x00\xff\xfe not a table \x80" if path.endswith("parquet") else b"")
    refuse(f"the file .*{path} cannot be read", data=tmp_path / path)


def test_files_and_objects_that_are_no_tables(tmp_path):
    refuse("is neither .parquet nor .csv", data=tmp_path / "table.xlsx")
    refuse("is a folder", data=_folder(tmp_path / "folder.csv"))
    with open(tmp_path / "closed.csv", "w") as file:
        file.write("y,x\n1,2\n")
    refuse("open or closed file object", data=file)
    with open(tmp_path / "closed.csv") as file:
        refuse("open or closed file object", data=file)
    for thing in (3, None, [1, 2], np.ones((3, 2)), pd.Series([1.0]), lambda: 0, object()):
        with pytest.raises(DataError, match=f"data is a {type(thing).__name__}( of int)?; give a pandas"):
            design("y ~ x", thing)


def _folder(path):
    path.mkdir()
    return path


def test_the_formula_and_the_data_in_the_wrong_order():
    with pytest.raises(FormulaError, match="the formula is a DataFrame; give text"):
        design(table(), "y ~ x")  # type: ignore[arg-type]


def test_mappings_that_are_no_tables():
    refuse("differ in length or are not arrays", data={"y": [1.0, 2.0], "x": [1.0]})
    refuse("differ in length or are not arrays", data={"y": [1.0, 2.0], "x": 3})
    refuse("the array 'x' has 2 dimensions", data={"y": [1.0, 2.0], "x": np.ones((2, 2))})
    refuse("column 'x' holds list values", data={"y": [1.0, 2.0], "x": [[1], [2]]})


def test_mixed_types_dates_and_complex_numbers():
    n = 10
    refuse("column 'x' holds int and str values; give it one type", data=table().assign(x=[1, "a"] * 5))
    refuse("column 'x' holds .* values", data=table().assign(x=[object()] * n))
    refuse("column 'x' holds complex", data=table().assign(x=np.ones(n) * 1j))
    refuse("column 'x' holds bytes values", data=table().assign(x=[b"a", b"b"] * 5))
    for dates in (
        pd.date_range("2020", periods=n),
        pd.date_range("2020", periods=n, tz="UTC"),
        pd.to_timedelta(np.arange(n), unit="D"),
        [datetime.date(2020, 1, 1 + i) for i in range(n)],
        pd.period_range("2020", periods=n, freq="M"),
    ):
        refuse("column 'x' holds dates or times", data=table().assign(x=dates))
    refuse(
        "column 'x' holds dates",
        data=pytest.importorskip("polars").DataFrame({"y": [1.0], "x": [datetime.date(2020, 1, 1)]}),
    )


@pytest.mark.parametrize("large", [2**53 + 1, -(2**60), 2**70])
def test_whole_numbers_that_float64_cannot_hold(large):
    values = [large, *range(9)]
    refuse(
        "column 'x' has whole numbers beyond 2",
        data=table().assign(x=pd.Series(values, dtype=object if large > 2**63 else "int64")),
    )


def test_nullable_whole_numbers_and_missing_truth_values_are_exact():
    data = table(3).assign(
        x=pd.Series([2**53, pd.NA, -5], dtype="Int64"), b=pd.Series([True, False, pd.NA], dtype="boolean")
    )
    d = design("y ~ x", data)
    np.testing.assert_array_equal(d.part("covariates").values[:, 1], [2.0**53, -5.0])
    assert design("y ~ b", data).rows.tolist() == [0, 1]


def test_transforms_without_enough_different_values():
    refuse(r"has 1 different values, degree 2 needs 3", "y ~ poly(x, 2)", data=table().assign(x=3.0))
    with pytest.raises((DataError, FormulaError)):
        design("y ~ scale(x)", table().assign(x=3.0))
    refuse(r"has 2 different values, degree 2 needs 3", "y ~ poly(x, 2)", data=table().assign(x=[0.0, 1.0] * 5))


def test_options():
    for options in ({"na_action": "omit"}, {"response": "both"}, {"na_action": None}):
        with pytest.raises(OptionError, match="choose one of"):
            design("y ~ x", table(), **options)


def test_a_frame_is_passed_through_and_columns_keep_their_kind():
    frame = as_frame(table())
    assert as_frame(frame) is frame and frame.kind == "pandas" and frame.n == 10
    assert as_frame(pytest.importorskip("polars").DataFrame({"a": [1]})).kind == "polars"
    assert as_frame(pytest.importorskip("pyarrow").table({"a": [1]})).kind == "pyarrow"


def test_a_repeated_column_that_nobody_uses_stays_in_the_augmented_frame():
    data = pd.concat([table().assign(fitted=1.0), table()[["g"]]], axis=1)
    made = si.lm("y ~ x", data).augment()
    assert list(made.columns)[:6] == ["y", "x", "g", "fitted", "g", "fitted_"]
    np.testing.assert_allclose(made["fitted_"] + made["residual"], data["y"])


@pytest.mark.parametrize("size", [1e-200, 1e100])
def test_weights_beyond_what_products_can_hold(size):
    refuse("weights: the largest is .*rescale them", weights=np.full(10, size))
    assert design("y ~ x", table(), weights=np.full(10, 1e-50)).n == 10


def other_columns(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    twice = frame.assign(u=1.0, v=2.0).rename(columns={"v": "u"})
    return {"name twice": twice, "big endian": frame.astype(dict.fromkeys(["y", "x"], ">f8"))}


@pytest.mark.parametrize("kind", ["name twice", "big endian"])
def test_columns_that_are_not_read_and_orders_of_bytes_do_not_matter(kind):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["y", "x", "time"]).assign(
        unit=np.repeat(np.arange(15.0), 4)
    )
    other = other_columns(frame)[kind]
    calls = {
        "sorted by time": lambda d: si.conformal_online("y ~ x", d, time="time", burn_in=20).predict(frame)["lower"],
        "redrawn": lambda d: (
            si.bootstrap(lambda t: {"m": float(np.asarray(t["y"], float).mean())}, d, replicas=20, cluster="unit").draws
        ),
        "next columns": lambda d: si.td("y ~ x", d, next=["time"], discount=0.5, method="lstd").params,
        "groups": lambda d: [f.params.to_numpy() for f in si.lm("y ~ x", d.assign(g=d["unit"] > 7), by="g")],
        "a first pass": lambda d: si.lsa("y ~ x", d, replicas=0).params,
    }
    for name, call in calls.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", si.StatinfWarning)
            found, first = call(other), call(frame)
        if name == "redrawn":
            found, first = found.draws, first.draws
        np.testing.assert_array_equal(np.asarray(found), np.asarray(first), err_msg=name)
