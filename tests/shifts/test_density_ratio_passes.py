"""Density ratios of tables in blocks are those of rows in memory, and so are the errors that count their estimation."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

import statinf as si
from shifts.block_tables import in_blocks, same_fit, sample, two
from statinf.errors import DataError, InfeasibleError, NotIdentifiedError, OptionError
from statinf.formula.frame import as_frame

FORMULA = "~ x + z + g"
pytestmark = pytest.mark.filterwarnings("ignore:.*effective sample size:UserWarning")


def both(source: Any, target: Any, formula: str = FORMULA, **options: Any) -> tuple[Any, Any]:
    return si.density_ratio(formula, source, target, **options), si.density_ratio(
        formula, *in_blocks(source, target), **options
    )


def same_ratio(here: Any, there: Any, new: Any, tol: float = 1e-10) -> None:
    np.testing.assert_allclose(there.score(new), here.score(new), rtol=tol)
    found = [there.ess, there.pareto_k, there.uncovered_rows, there.n_target, there.nobs]
    np.testing.assert_allclose(
        found, [here.ess, here.pareto_k, here.uncovered_rows, here.n_target, here.nobs], rtol=1e-8
    )
    ours, theirs = there.diagnostics(), here.diagnostics()
    for column in theirs.columns[1:]:
        if not column.startswith("ks"):
            np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-9, atol=1e-10, err_msg=column)
    assert there.summary().rows[:3] == here.summary().rows[:3] and dict(there.dropped) == dict(here.dropped)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("logistic", {"weights": "s", "target_weights": "s"}),
        ("logistic", {"power": 0.5, "trim": 1.5}),
        ("moment", {"weights": "s", "target_weights": "s"}),
        ("moment", {"distance": "logit", "bounds": (0.1, 6)}),
        ("moment", {"distance": "linear", "bounds": (0, None), "trim": 2.0}),
    ],
)
def test_ratio_and_stacked_errors(method: str, options: dict[str, Any]) -> None:
    source, target = two()
    here, there = both(source, target, method=method, **options)
    same_ratio(here, there, target.dropna())
    every = method == "logistic" and "weights" in options
    for vcov in (None, "HC3", {"cluster": "firm"}, {"cluster": ["firm", "team"]}) if every else ("HC1",):
        one = si.lm("y ~ x", source, weights=here, vcov=vcov)
        same_fit(one, si.lm("y ~ x", si.blocks(source, rows=290), weights=there, vcov=vcov))


def test_other_verbs_take_the_weights() -> None:
    source, target = two()
    here, there = both(source, target)
    frame = si.blocks(source, rows=290)
    one = si.glm("b ~ x + g", source, family="binomial", weights=here)
    other = si.glm("b ~ x + g", frame, family="binomial", weights=there)
    same_fit(one, other, 1e-8)
    with pytest.raises(NotIdentifiedError, match="second sample"):
        other.bootstrap(20)


def test_known_margins() -> None:
    source, _ = two()
    means = {"x": 0.3, "g": {"a": 0.2, "b": 0.4, "c": 0.3, "d": 0.1}}
    here, there = both(source, means, "~ x + g")
    same_ratio(here, there, source.iloc[:50])
    same_fit(si.lm("y ~ x", source, weights=here), si.lm("y ~ x", si.blocks(source, rows=290), weights=there))
    counts = {"g": {"a": 40.0, "b": 80.0, "c": 60.0, "d": 20.0}}
    one = si.density_ratio("~ g", source, totals=counts)
    two_ = si.density_ratio("~ g", si.blocks(source, rows=290), totals=counts)
    np.testing.assert_allclose([two_.sums.total, one.values.sum()], 200.0)
    with pytest.raises(NotIdentifiedError, match="rows of the target"):
        there.overlap()
    with pytest.raises(OptionError, match="method='moment'"):
        both(source, means, "~ x + g", method="logistic")


@pytest.mark.parametrize("method", ["logistic", "moment"])
def test_columns_that_others_determine(method: str) -> None:
    source, target = (d.assign(x2=2 * d.x + 1, c=7.0) for d in two())
    target["c"] = 7.0
    formula = "~ x + x2 + g"
    here, there = both(source, target, formula, method=method)
    new = target.head(20).copy()
    new.loc[3, "x2"] = 9.0
    with pytest.warns(UserWarning, match="no ratio"):
        one, other = here.score(new), there.score(new)
    np.testing.assert_allclose(other, one, rtol=1e-10)
    assert np.isnan(other[3])
    same_fit(si.lm("y ~ x", source, weights=here), si.lm("y ~ x", si.blocks(source, rows=290), weights=there))
    with pytest.raises(DataError, match="constant in both samples: 'c'"):
        both(source, target, "~ x + c")[1]


def kinds(frame: pd.DataFrame, folder: Path) -> dict[str, Any]:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pads.write_dataset(table, folder, format="parquet", max_rows_per_file=250, max_rows_per_group=125)
    connection = duckdb.connect()
    connection.register("rows", frame)
    return {
        "frame": frame,
        "folder": folder,
        "dataset": pads.dataset(folder),
        "tables": [frame.iloc[300:], frame.iloc[:300]],
        "query": si.blocks(connection.sql("select * from rows"), rows=200),
        "lazy": si.blocks(pl.from_pandas(frame).lazy(), rows=200),
        "dask": dd.from_pandas(frame, npartitions=3),
    }


def test_kinds_of_tables(tmp_path: Path) -> None:
    source, target = two()
    there, here = kinds(source, tmp_path / "source"), kinds(target, tmp_path / "target")
    want = si.lm("y ~ x", source, weights=si.density_ratio("~ x + g", source, target))
    pairs = [("folder", "frame"), ("frame", "dataset"), ("dask", "tables"), ("query", "lazy")]
    for first, second in pairs:
        ratio = si.density_ratio("~ x + g", there[first], here[second])
        same_fit(want, si.lm("y ~ x", there[first], weights=ratio))


def test_the_target_is_read_by_the_source(tmp_path: Path) -> None:
    source, target = two()
    with pytest.raises(DataError, match="unseen level"):
        both(source, target.assign(g="new"))[1]
    with pytest.raises(DataError, match="unseen level"):
        si.density_ratio("~ g", si.blocks(source, rows=290), target.assign(g=["new"] + ["a"] * 499))
    with pytest.raises(DataError, match=r"target frame: column 'z' is not"):
        si.density_ratio(FORMULA, si.blocks(source, rows=290), target.drop(columns="z"))
    with pytest.raises(DataError, match="infinite"):
        si.density_ratio("~ x", si.blocks(source, rows=290), target.assign(x=np.inf))
    with pytest.raises(DataError, match="no row of the target"):
        si.density_ratio("~ x", si.blocks(source, rows=290), target.assign(x=np.nan))
    with pytest.raises(DataError, match="na_action='raise'"):
        si.density_ratio("~ z", si.blocks(source.dropna(), rows=290), target, na_action="raise")
    with pytest.raises(DataError, match="all target weights are zero"):
        si.density_ratio("~ x", si.blocks(source, rows=290), target.assign(s=0.0), target_weights="s")


def test_no_overlap() -> None:
    source, target = sample(600, 3), sample(300, 4, outcome=False)
    apart = target.assign(x=np.abs(target.x) + 9.0)
    with pytest.raises(NotIdentifiedError, match="no common support"):
        both(source, apart)[1]
    with pytest.raises(InfeasibleError, match="lie outside"):
        si.density_ratio("~ x", si.blocks(source, rows=200), target.assign(x=source.x.max()), method="moment")
    # Both columns cover the target, and their difference tells the samples apart.
    line = np.linspace(-2, 2, 300)
    wave = 0.1 * np.sin(7 * line)
    below = pd.DataFrame({"x": line, "w": line + 0.5 + wave})
    above = pd.DataFrame({"x": line / 2, "w": line / 2 - 0.5 + wave})
    frames = si.blocks(below, rows=77), si.blocks(above, rows=50)
    with pytest.raises(NotIdentifiedError, match=r"no overlap: columns separate .*'w'"):
        si.density_ratio("~ x + w", *frames)
    with pytest.raises(InfeasibleError, match="runs off"):
        si.density_ratio("~ x + w", *frames, method="moment")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "kmm"}, "logistic, moment"),
        ({"method": "ulsif"}, "needs them in memory"),
        ({"weights": np.ones(3)}, "name of a column"),
        ({"target_weights": np.ones(3)}, "name of a column"),
    ],
)
def test_refusals(options: dict[str, Any], match: str) -> None:
    source, target = two()
    with pytest.raises(OptionError, match=match):
        si.density_ratio("~ x", *in_blocks(source, target), **options)


def test_what_travels_and_what_is_saved(tmp_path: Path) -> None:
    source, target = two()
    there = si.density_ratio(FORMULA, *in_blocks(source, target))
    frame = as_frame(source.iloc[:50])
    one, other = there.carried.on_block(frame), pickle.loads(pickle.dumps(there.carried)).on_block(frame)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.influence, other.influence)
    # The tables stay behind.
    assert len(pickle.dumps(there.carried)) < 20_000
    back = si.load(there.save(tmp_path / "w.si"))
    np.testing.assert_array_equal(back.score(target.dropna()), there.score(target.dropna()))
    pd.testing.assert_frame_equal(back.diagnostics(), there.diagnostics())
    with pytest.raises(DataError, match="estimate"):
        si.lm("y ~ x", si.blocks(source), weights=back)
    with pytest.raises(DataError, match="no values"):
        there.values  # noqa: B018
    with pytest.raises(DataError, match="Give the table"):
        si.lm("y ~ x", si.blocks(source.iloc[:900]), weights=there)
