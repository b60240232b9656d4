"""What a formula learns from blocks of rows is what it learns from the rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import statinf as si
from statinf.formula import Design, design
from statinf.passes import block_table, plus, read_passes

FORMULAS = [
    "y ~ x + g",
    "y ~ poly(z, 3) + g:x + l",
    "y ~ bs(z, df=5) * q + offset(z)",
    "y ~ cut(z, 3) + C(k)",
    "log(y + 20) ~ scale(x) + interaction(g, q)",
    "y ~ 0 + g + C(k, contr.sum)",
    "y ~ where(z > 0, 'p', 'm') + I(scale(z) ** 2)",
    "l ~ relevel(factor(g), ref='c') * l2 + ns(z, df=3)",
    "y ~ .",
]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 1_500
    made = pd.DataFrame(
        {
            "y": rng.normal(size=n) + 3,
            "x": rng.normal(size=n) * 2 + 1e7,
            "z": rng.normal(size=n),
            "g": rng.choice(list("cabd"), n),
            "k": rng.integers(0, 9, n),
            "w": rng.integers(0, 3, n).astype(float),
            "c": rng.integers(0, 77, n),
            "l": rng.random(n) > 0.4,
            "l2": rng.random(n) > 0.4,
            "q": pd.Categorical(rng.choice(["lo", "hi", "mid"], n), categories=["lo", "mid", "hi"]),
        }
    )
    made.loc[rng.choice(n, 50), "x"] = np.nan
    made.loc[3, "g"] = None
    # A level that rows of weight zero alone have.
    made.loc[[7, 800], ["g", "w"]] = ["only there", 0.0]
    return made


class Rows:
    """The rows of blocks, one behind the other."""

    def __init__(self, block: Design | None = None) -> None:
        self.blocks = [] if block is None else [block]

    def plus(self, other: Rows) -> Rows:
        joined = Rows()
        joined.blocks = self.blocks + other.blocks
        return joined


@pytest.mark.parametrize("formula", FORMULAS)
def test_columns_are_those_of_the_rows_in_memory(data: pd.DataFrame, formula: str) -> None:
    whole = design(formula, data, weights="w", cluster="c")
    made = read_passes(formula, si.blocks(data, rows=217), weights="w", cluster="c")
    blocks = made.total(Rows).blocks
    assert made.names == whole.parts[0].names
    assert dict(made.tally.causes) == dict(whole.dropped)
    assert made.nobs == np.count_nonzero(whole.weights)
    # A spline's basis is a product with a small matrix, which BLAS may sum in another order for other numbers of rows.
    np.testing.assert_allclose(
        np.concatenate([b.parts[0].values for b in blocks]), whole.parts[0].values, rtol=1e-14, atol=1e-15
    )
    np.testing.assert_array_equal(np.concatenate([b.y for b in blocks]), whole.y)
    np.testing.assert_array_equal(np.concatenate([b.weights for b in blocks]), whole.weights)
    if whole.offset is not None:
        np.testing.assert_array_equal(np.concatenate([b.offset for b in blocks]), whole.offset)
    codes = np.concatenate([b.clusters["c"] for b in blocks])
    seen = whole.weights > 0
    pairs = set(zip(codes[seen].tolist(), whole.clusters["c"][seen].tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_kinds_of_tables(data: pd.DataFrame, tmp_path: Path) -> None:
    frame = data.drop(columns=["q"]).replace({"g": {"only there": "a"}})
    folder = tmp_path / "rows"
    folder.mkdir()
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), 3)):
        table = pa.Table.from_pandas(frame.iloc[rows], preserve_index=False)
        pq.write_table(table, folder / f"part{number}.parquet", row_group_size=170)
    here = si.lm("y ~ x + g", frame)
    halves = [frame.iloc[:700], frame.iloc[700:]]
    tables: list[Any] = [
        folder,
        str(folder),
        ds.dataset(folder),
        ds.dataset(pa.Table.from_pandas(frame)),
        halves,
        lambda: iter(halves),
        si.blocks(folder / "part0.parquet"),
    ]
    for table in tables[:-1]:
        assert block_table(table, "y ~ x + g") is not None
        np.testing.assert_allclose(si.lm("y ~ x + g", table).theta, here.theta, rtol=1e-9)
    one = frame.iloc[: len(frame) // 3]
    np.testing.assert_allclose(si.lm("y ~ x + g", tables[-1]).theta, si.lm("y ~ x + g", one).theta, rtol=1e-9)
    # A single file that fits is read as before.
    assert block_table(folder / "part0.parquet", "y ~ x + g") is None


def test_refusals(data: pd.DataFrame, tmp_path: Path) -> None:
    def once() -> Iterator[Any]:
        yield data

    table = si.blocks(data, rows=400)
    with pytest.raises(si.DataError, match="read once"):
        si.blocks(once())
    for wrong in (lambda: 0, lambda: data):
        with pytest.raises(si.DataError, match="must return an iterator of tables"):
            si.lm("y ~ x", wrong)
    with pytest.raises(si.OptionError, match="name of a column"):
        si.lm("y ~ x", table, weights=np.ones(len(data)))
    with pytest.raises(si.FormulaError, match="'nothing' is not a column of the data"):
        si.lm("y ~ nothing", table)
    with pytest.raises(si.DataError, match="'nobody' is not in the data"):
        si.lm("y ~ x", table, cluster="nobody")
    with pytest.raises(si.DataError, match="not pass over"):
        si.tobit("y ~ x", table)
    with pytest.raises(si.FormulaError, match="penalised spline"):
        read_passes("y ~ s(z)", table)
    with pytest.raises(si.OptionError, match="rows=0"):
        si.blocks(data, rows=0)
    with pytest.raises(si.DataError, match="no row of 1500"):
        si.lm("y ~ x", si.blocks(data.assign(x=np.nan), rows=400))
    fit = si.lm("y ~ z", table)
    with pytest.raises(si.DataError, match="in blocks"):
        _ = fit.residuals
    with pytest.raises(si.NotIdentifiedError, match="pairs of rows"):
        fit.with_vcov({"hac": 2, "time": "k"})
    odd = [data.iloc[:700], data.iloc[700:].assign(z="text")]
    with pytest.raises(si.DataError, match="categories in the new data"):
        si.lm("y ~ z", odd)


def test_rows_that_change_between_passes(data: pd.DataFrame) -> None:
    calls = []

    def opened() -> Iterator[Any]:
        calls.append(1)
        yield data.iloc[: 1_400 - 10 * len(calls)]

    with pytest.raises(si.DataError, match="changed between two passes"):
        si.lm("y ~ z", opened)


def test_infinite_values_are_named_with_their_block(data: pd.DataFrame) -> None:
    bad = data.assign(z=np.where(np.arange(len(data)) == 900, np.inf, data.z))
    with pytest.raises(si.DataError, match="column 'z' has 1 infinite") as found:
        si.lm("y ~ z", si.blocks(bad, rows=400))
    assert "begins at row 800" in found.value.__notes__[0]


def test_sums_of_many_kinds() -> None:
    left, right = {"a": (1.0, [2]), "b": None}, {"a": (2.0, [3]), "c": np.ones(2)}
    found = plus(left, right)
    assert found["a"] == (3.0, [5])
    assert found["b"] is None
    np.testing.assert_array_equal(found["c"], np.ones(2))
    assert plus(None, 3) == plus(3, None) == 3


@pytest.mark.parametrize(
    "term",
    [
        "cut(z, 4)",
        "factor(i, labels=['d', 'c', 'b', 'a'])",
        "interaction(g, i)",
        "C(interaction(g, cut(z, 3), lex_order=True))",
    ],
)
@pytest.mark.parametrize("rows", [1, 7])
def test_computed_levels_keep_their_order_where_blocks_lack_some(term: str, rows: int) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"z": rng.normal(size=60) * 6, "i": rng.integers(0, 4, 60), "g": rng.choice(list("ba"), 60)})
    frame["y"] = rng.normal(size=60)
    frame = frame.sort_values("i", ascending=False, ignore_index=True)
    here, there = si.lm(f"y ~ {term}", frame), si.lm(f"y ~ {term}", si.blocks(frame, rows=rows))
    assert there.terms == here.terms
    np.testing.assert_allclose(there.theta, here.theta, rtol=1e-9)


def test_levels_made_of_made_levels_are_refused(data: pd.DataFrame) -> None:
    with pytest.raises(si.FormulaError, match="made of made levels"):
        si.lm("y ~ interaction(interaction(g, q), l)", si.blocks(data, rows=400))
