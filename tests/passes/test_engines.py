"""Queries, files, streams and Dask's partitions are passed over with the numbers of the rows in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from statinf.passes import LocalEngine, block_table, dask_engine, opening

FORMULA = "y ~ x * g"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 3_000
    made = pd.DataFrame({"x": rng.normal(size=n), "g": rng.choice(list("abc"), n), "firm": rng.integers(0, 50, n)})
    made["y"] = made.x + (made.g == "b") + rng.normal(size=n) * (1 + made.x**2)
    made["unused"] = "text"
    made.loc[5, "x"] = np.nan
    return made


class Shards:
    """Tables that can be iterated over again and again."""

    def __init__(self, tables: list[Any]) -> None:
        self.tables = tables

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tables)


def same(data: Any, frame: pd.DataFrame) -> None:
    for vcov in ("HC1", {"cluster": "firm"}):
        there, here = si.lm(FORMULA, data, vcov=vcov), si.lm(FORMULA, frame, vcov=vcov)
        np.testing.assert_allclose(there.theta, here.theta, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-10)
        assert dict(there.dropped) == dict(here.dropped)


def test_queries(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = duckdb.connect()
    connection.register("rows", data)
    relation, lazy = connection.sql('select *, 1 as "od""d" from rows'), pl.from_pandas(data).lazy()
    for query in (relation, lazy):
        assert block_table(query, FORMULA) is None
        same(si.blocks(query, rows=700), data)
    monkeypatch.setattr(opening, "IN_MEMORY", 3_000 * 3 * 8 - 1)
    for query in (relation, lazy):
        table = block_table(query, FORMULA)
        assert table is not None and block_table(query, "y ~ x") is None
        assert tuple(pa.table(table.first(["y", "x"])).column_names) == ("y", "x")
        same(query, data)
    with pytest.raises(si.DataError, match="connection"):
        si.blocks(connection)


def test_files_of_text_and_objects_to_iterate_over(
    data: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.csv"
    data.to_csv(path, index=False)
    data.to_csv(tmp_path / "rows.csv.gz", index=False)
    assert block_table(path, FORMULA) is None
    shards = Shards([data.iloc[:1_000], data.iloc[1_000:]])
    same(shards, data)
    monkeypatch.setattr(opening, "IN_MEMORY", path.stat().st_size // 2)
    assert block_table(path, "y ~ x") is None or block_table(path, FORMULA) is not None
    monkeypatch.setattr(opening, "IN_MEMORY", 1_000)
    for file in (path, tmp_path / "rows.csv.gz"):
        assert block_table(file, FORMULA) is not None
        same(file, data)
    reader = pa.table({"x": [1.0]}).to_reader()
    with pytest.raises(si.DataError, match="read once"):
        si.blocks(reader)
    odd = tmp_path / "odd.csv"
    odd.write_text("x,y\n" + "1,2\n" * 600_000 + "1,word\n")
    with pytest.raises(si.DataError, match="cannot be read"):
        si.lm("y ~ x", odd)


def test_dask_on_threads(data: pd.DataFrame) -> None:
    frame = dd.from_pandas(data, npartitions=5)
    same(frame, data)
    pieces = [
        dask.delayed(pd.DataFrame)(part) for part in (data.iloc[:1_000], data.iloc[1_000:1_000], data.iloc[1_000:])
    ]
    same(pieces, data)
    same(si.blocks(pieces[0], rows=100), data.iloc[:1_000])
    with pytest.raises(si.DataError, match="Series of Dask"):
        si.lm(FORMULA, frame["x"])
    bad = [data.iloc[:100], data.iloc[100:].assign(x=lambda d: d.x.where(d.index != 200, np.inf))]
    with pytest.raises(si.DataError, match="infinite") as found:
        si.lm(FORMULA, [dask.delayed(part) for part in bad])
    assert "in partition 1 of the data" in found.value.__notes__


class Travelling(LocalEngine):
    """An engine whose functions arrive as bytes, as on another machine."""

    longest = 0

    def total(self, table: Any, function: Any, columns: Any, label: str, progress: Any, placed: bool = False) -> Any:
        packed = cloudpickle.dumps(function)
        Travelling.longest = max(Travelling.longest, len(packed))
        return super().total(table, cloudpickle.loads(packed), columns, label, progress, placed)


def test_what_travels_is_small_and_whole(data: pd.DataFrame, tmp_path: Path) -> None:
    frame = data.assign(b=(data.y > 0) + 0.0, t=(data.firm > 25) + 0)
    here, there = si.blocks(frame, rows=500), replace(si.blocks(frame, rows=500), engine=Travelling())
    calls: list[Callable[[Any], Any]] = [
        lambda d: si.lm(FORMULA, d, cluster="firm"),
        lambda d: si.glm("b ~ scale(x) + g", d, family="binomial", vcov="HC3"),
        lambda d: si.iv("y ~ b | g | x", d),
        lambda d: si.lm("y ~ t", d, weights=si.balance("t ~ x + g", d, method="ipw")),
    ]
    for call in calls:
        fit = call(there)
        np.testing.assert_allclose(fit.std_errors, call(here).std_errors, rtol=1e-10)
        fit.save(tmp_path / "fit.si")
        np.testing.assert_array_equal(si.load(tmp_path / "fit.si").std_errors, fit.std_errors)
        assert fit.bootstrap(50).draws.replicas == 50
        with pytest.raises(si.DataError, match="bootstrap draws need the rows"):
            si.load(tmp_path / "fit.si").bootstrap(50)
    assert Travelling.longest < 16_000


def _perishing() -> Callable[[str, pd.DataFrame], pd.DataFrame]:
    """A function that travels by its code, as workers do not have this module."""

    def perish(marker: str, table: pd.DataFrame) -> pd.DataFrame:
        """The table; the process that finds the marker is killed, and any for the marker 'always'."""
        import os
        import signal

        try:
            if marker != "always":
                os.unlink(marker)
        except FileNotFoundError:
            return table
        os.kill(os.getpid(), signal.SIGKILL)
        return table

    return perish


def _interrupted(marker: Path, call: Callable[..., Any]) -> Callable[..., Any]:
    def patched(*args: Any, **named: Any) -> Any:
        if marker.exists():
            marker.unlink()
            raise KeyboardInterrupt
        return call(*args, **named)

    return patched


@pytest.mark.filterwarnings("ignore")
def test_workers_that_die(data: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    marker = tmp_path / "alive"
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.worker.profile.enabled": False,
        "distributed.logging.distributed": "critical",
        # Two processes begin slowly where others keep the processors busy.
        "distributed.comm.timeouts.connect": "120s",
        "distributed.comm.timeouts.tcp": "120s",
        "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1,
    }
    read = dask.delayed(_perishing(), pure=False)
    parts = [data.iloc[i : i + 300] for i in range(0, len(data), 300)]
    pieces = [read(str(marker), part) for part in parts]
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
        distributed.Client(cluster),
    ):
        here = si.lm(FORMULA, data, cluster="firm")
        table = si.blocks(pieces)
        marker.touch()
        there = si.lm(FORMULA, table, cluster="firm")
        assert not marker.exists()
        np.testing.assert_allclose(there.theta, here.theta, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-10)
        marker.touch()
        monkeypatch.setattr(distributed.Future, "result", _interrupted(marker, distributed.Future.result))
        with pytest.raises(KeyboardInterrupt):
            si.lm(FORMULA, [read(str(tmp_path / "nothing"), part) for part in parts])
        doomed = [*pieces[:3], read("always", parts[3]), *pieces[4:]]
        with pytest.raises(si.DataError, match="died again and again|no worker"):
            si.lm(FORMULA, doomed)
        monkeypatch.setattr(dask_engine, "NO_WORKERS", 0.5)
        monkeypatch.setattr(dask_engine, "_WAIT", 0.2)
        cluster.scale(0)
        with pytest.raises(si.DataError, match="no worker|again and again"):
            si.lm(FORMULA, table)
