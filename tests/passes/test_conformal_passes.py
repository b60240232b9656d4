"""Conformal intervals of data in blocks are those of rows in memory with the same split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.passes import quantiles

N, ROWS = 1_500, 333


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"x": rng.normal(size=N), "z": rng.normal(size=N) + 100, "g": rng.choice(list("abc"), N)})
    d["y"] = d.x + 0.3 * (d.z - 100) + (d.g == "b") + rng.normal(size=N) * (1 + 0.5 * np.abs(d.x))
    d["c"] = rng.random(N) < 0.5
    d.loc[rng.choice(N, 30), "z"] = np.nan
    return d


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "ridge", "side": "upper"},
        {"score": "asymmetric"},
        {"method": "cqr"},
        {"method": "cqr", "score": "asymmetric"},
    ],
)
def test_same_intervals(data: pd.DataFrame, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "SAMPLE", 300)
    here = si.conformal("y ~ x + z + g", data, split="c", **options)
    there = si.conformal("y ~ x + z + g", si.blocks(data, rows=ROWS), split="c", **options)
    new = data.iloc[:40].dropna()
    for level in (None, 0.8):
        np.testing.assert_allclose(
            there.predict(new, level=level), here.predict(new, level=level), rtol=1e-9, atol=1e-10
        )
    assert (there.procedure.n, there.procedure.trained) == (here.procedure.n, here.procedure.trained)
    assert str(there) == str(here)


def test_split_by_hash(data: pd.DataFrame, tmp_path: Any) -> None:
    one = si.conformal("y ~ x + z", si.blocks(data, rows=97), split=0.6)
    two = si.conformal("y ~ x + z", si.blocks(data.sample(frac=1, random_state=0), rows=500), split=0.6)
    new = data.iloc[:40].dropna()
    np.testing.assert_allclose(one.predict(new), two.predict(new), rtol=1e-10)
    used = len(data.dropna(subset=["z"]))
    assert one.procedure.n + one.procedure.trained == used
    # A binomial share: six standard errors.
    assert abs(one.procedure.trained / used - 0.6) < 6 * np.sqrt(0.24 / used)
    back = si.load(one.save(tmp_path / "c.si"))
    pd.testing.assert_frame_equal(back.predict(new), one.predict(new))
    with pytest.raises(DataError, match="saved fit leaves out"):
        back.predict(new, level=0.5)
    with pytest.raises(NotIdentifiedError, match="rank new scores"):
        one.p_values(new)
    with pytest.raises(NotIdentifiedError, match="not kept"):
        one.exchangeability(new)
    assert len(one.coverage(data.dropna())) >= 1


def test_equal_rows_go_either_way() -> None:
    """Of six different rows none may be missing among those that calibrate: coverage is that of a split by chance."""
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"x": rng.integers(0, 2, 3000).astype(float)})
    d["y"] = d.x + rng.integers(0, 3, 3000) * (1 + d.x)
    for seed in range(5):
        one, two = (si.conformal("y ~ x", si.blocks(d, rows=r), level=0.7, seed=seed) for r in (150, 3000))
        assert one.procedure.n == two.procedure.n and abs(one.procedure.n - 1500) < 150
        np.testing.assert_allclose(one.predict(d), two.predict(d), rtol=1e-12)
        p = one.predict(d)
        assert ((d.y >= p["lower"] - 1e-9) & (d.y <= p["upper"] + 1e-9)).mean() > 0.67


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "full"}, "'split' and 'cqr'"),
        ({"score": "normalised"}, "scale"),
        ({"model": "forest"}, "'lm' or 'ridge'"),
        ({"method": "cqr", "model": "forest"}, "'rq'"),
        ({"by": "g"}, "groups"),
        ({"split": 0.0}, "share between"),
        ({"weights": lambda d: d}, "covariate shift"),
    ],
)
def test_refusals(data: pd.DataFrame, options: dict, match: str) -> None:
    with pytest.raises(OptionError, match=match):
        si.conformal("y ~ x", si.blocks(data, rows=ROWS), **options)
