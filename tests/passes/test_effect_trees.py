"""Effects with binned trees on data in blocks are those of rows in memory, whether rows are kept between passes or not."""

from __future__ import annotations

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects import block_trees
from statinf.learners import binned_trees
from statinf.learners.binned_trees import BinnedTrees

N = 900
FORMULA = "y ~ t | x + z + g"
MEAN, CHANCE = BinnedTrees(trees=4, depth=2), BinnedTrees(trees=3, depth=3, loss="logistic")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=N), "z": rng.normal(size=N) + 1e4, "g": rng.choice(list("cab"), N)})
    d["w"], d["k"] = rng.integers(0, 3, N).astype(float), rng.integers(0, 4, N)
    d["t"] = (rng.random(N) < 1 / (1 + np.exp(-d.x))).astype(int)
    d["dose"] = np.abs(d.x) + rng.normal(size=N)
    d["y"] = d.t + np.abs(d.x) + rng.normal(size=N)
    d.loc[rng.choice(N, 20), "z"] = np.nan
    return d


@pytest.mark.parametrize("held", [1 << 29, 0])
@pytest.mark.parametrize("method", ["irm", "plr", "ipw", "aipw"])
def test_numbers_of_rows_in_memory(data: pd.DataFrame, method: str, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_trees, "HELD", held)
    options = {} if method == "ipw" else {"outcome_model": MEAN}
    options |= {"treatment_model": CHANCE, "folds": "k", "weights": "w", "method": method}
    here, there = si.effect(FORMULA, data, **options), si.effect(FORMULA, si.blocks(data, rows=250), **options)
    np.testing.assert_allclose(there.theta, here.theta, rtol=1e-10)
    np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-10)


def test_other_learners_beside_trees_and_doses(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bins are those of a sample of the rows.
    monkeypatch.setattr(binned_trees, "SAMPLE", 300)
    for formula, options in (
        (FORMULA, {"method": "irm", "outcome_model": MEAN, "treatment_model": "logit", "estimand": "ATT"}),
        ("y ~ dose | x + g", {"method": "plr", "learner": MEAN}),
    ):
        options |= {"folds": "k"}
        here, there = si.effect(formula, data, **options), si.effect(formula, si.blocks(data, rows=250), **options)
        np.testing.assert_allclose(there.theta, here.theta, rtol=1e-9)
        np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-9)
    whole = [
        si.effect(FORMULA, d, method="aipw", folds=1, outcome_model=MEAN) for d in (data, si.blocks(data, rows=250))
    ]
    np.testing.assert_allclose(whole[1].theta, whole[0].theta, rtol=1e-9)


def test_bins_of_columns_of_few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows drawn by their values would be all copies of a few of six, or none."""
    monkeypatch.setattr(binned_trees, "SAMPLE", 300)
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"x": rng.integers(0, 2, N), "z": rng.integers(0, 3, N), "k": rng.integers(0, 3, N)}).astype(float)
    for move in range(4):
        d["dose"] = d.x + rng.normal(size=N)
        d["y"] = d.dose + 3 * d.x + d.z**2 + 0.1 * rng.normal(size=N)
        moved = d.assign(x=d.x + move)
        options = {"method": "plr", "learner": BinnedTrees(trees=60, depth=2), "folds": "k"}
        here = si.effect("y ~ dose | x + z", moved, **options)
        there = si.effect("y ~ dose | x + z", si.blocks(moved, rows=250), **options)
        np.testing.assert_allclose(there.theta, here.theta, rtol=1e-9)
        assert abs(here.theta[0] - 1.0) < 0.03


def test_on_dask(data: pd.DataFrame) -> None:
    options = {"method": "plr", "outcome_model": MEAN, "treatment_model": CHANCE, "folds": "k"}
    few = data.drop(columns=["g"])
    here = si.effect("y ~ t | x", few, **options)
    there = si.effect("y ~ t | x", dd.from_pandas(few, npartitions=2), **options)
    np.testing.assert_allclose(there.theta, here.theta, rtol=1e-10)


def test_the_name_is_known(data: pd.DataFrame) -> None:
    with pytest.raises(si.DataError, match="between 0 and 1"):
        si.effect("y ~ dose | x", si.blocks(data, rows=500), method="plr", treatment_model=CHANCE)
    assert "binned_trees" in str(si.effect.__doc__)
