"""A file and a lazy table are read once, for every column that the formula and the options name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(11)
    x = random.normal(size=120)
    frame = pd.DataFrame({"y": x + random.normal(size=120), "x": x, "g": np.tile(["a", "b"], 60), "other": x})
    frame["ratio"], frame["held_out"] = random.uniform(0.5, 1.5, 120), np.arange(120) % 3 > 0
    frame["kind"] = np.where(frame["y"] > 0, "u", "v")
    return frame


@pytest.fixture(scope="module")
def parquet(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.parquet"
    data.to_parquet(path)
    return path


CASES = {
    "numbers": ("y ~ x", {}, "y x"),
    "categories": ("kind ~ x", {}, "kind x"),
    "method": ("y ~ x", {"method": "jackknife+"}, "y x"),
    "by": ("y ~ x", {"method": "mondrian", "by": "g"}, "y x g"),
    "groups": ("y ~ x | g", {"method": "mondrian"}, "y x g"),
    "split": ("y ~ x", {"method": "split", "split": "held_out"}, "y x held_out"),
    "ratio": ("y ~ x", {"method": "split", "weights": "ratio"}, "y x ratio"),
    "function": (
        "y ~ x",
        {"method": "split", "weights": lambda rows: np.asarray(rows["ratio"])},
        "y x g other ratio held_out kind",
    ),
}


@pytest.mark.parametrize("formula, options, columns", CASES.values(), ids=CASES)
def test_a_file_is_read_once(formula, options, columns, data, parquet, monkeypatch):
    import pyarrow.parquet as pq

    reads, read_table = [], pq.read_table

    def counted(*args, **given):
        reads.append(set(given["columns"]))
        return read_table(*args, **given)

    monkeypatch.setattr(pq, "read_table", counted)
    fit = si.conformal(formula, parquet, **options)
    assert reads == [set(columns.split())]
    expected = si.conformal(formula, data, **options)
    new = data.head(8)
    ours, theirs = (f.predict(new).select_dtypes("number").to_numpy() for f in (fit, expected))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("formula", ["y ~ x", "kind ~ x", "y ~ x | g"])
def test_a_lazy_table_is_collected_once(formula, data):
    runs = []

    def seen(frame):
        runs.append(frame.columns)
        return frame

    lazy = pl.from_pandas(data).lazy().map_batches(seen)
    si.conformal(formula, lazy)
    assert len(runs) == 1


def test_an_unknown_option_is_refused_before_any_row_is_read(data):
    runs = []
    lazy = pl.from_pandas(data).lazy().map_batches(lambda frame: runs.append(1) or frame)
    with pytest.raises(si.OptionError, match="nonsense"):
        si.conformal("y ~ x", lazy, method="split", nonsense=1)
    for wrong in ({"level": 2.0}, {"seed": -1}, {"weights": [1.0]}):
        with pytest.raises(si.OptionError):
            si.conformal("y ~ x", lazy, **wrong)
    assert not runs
