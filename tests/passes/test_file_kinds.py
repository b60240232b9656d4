"""Files whose columns are kept in different ways have the numbers of the same rows in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si

pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame({"x": rng.normal(size=90), "g": rng.choice(list("bca"), 90)})
    made["y"] = made.x + (made.g == "a") + rng.normal(size=90)
    made.loc[[3, 40], "g"] = None
    return made


def same(there: Any, here: Any) -> None:
    assert there.terms == here.terms
    np.testing.assert_allclose(there.theta, here.theta, rtol=1e-10)
    assert dict(there.dropped) == dict(here.dropped)


@pytest.mark.parametrize("text", ["", "NA", "None"])
def test_empty_texts_are_missing(tmp_path: Path, data: pd.DataFrame, text: str) -> None:
    path = tmp_path / "rows.csv"
    data.to_csv(path, index=False, na_rep=text)
    here = si.lm("y ~ x + g", path)
    same(si.lm("y ~ x + g", si.blocks(path, rows=20)), here)
    assert here.nobs == 88


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_dictionaries_here_and_texts_there(tmp_path: Path, data: pd.DataFrame, order: tuple[int, int]) -> None:
    import pyarrow.parquet as pq

    halves = [pa.Table.from_pandas(data.iloc[at], preserve_index=False) for at in (slice(0, 45), slice(45, None))]
    at = halves[0].column_names.index("g")
    halves[0] = halves[0].set_column(at, "g", halves[0]["g"].dictionary_encode())
    for place, half in zip(order, halves, strict=True):
        pq.write_table(half, tmp_path / f"{place}.parquet")
    same(si.lm("y ~ x + g", tmp_path), si.lm("y ~ x + g", data))
