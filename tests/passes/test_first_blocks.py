"""What stands first in the data, folds that cannot be used, and repaired or clipped estimates: as for rows in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 240
    made = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "g": rng.choice(list("abc"), n),
            "firm": rng.integers(0, 20, n),
            "fold": rng.integers(0, 4, n),
            "one": 1,
            "half": rng.random(n) < 0.5,
        }
    )
    u = rng.normal(size=n)
    made["t"] = (rng.random(n) < 1 / (1 + np.exp(-made.x))) + 0
    made["e"] = made.z + u + (made.g == "b")
    made["y"] = made.t + made.x + u + rng.normal(size=n)
    made["few"] = (np.arange(n) == 5) + 0
    made["x2"] = 2 * made.x
    return made


@pytest.mark.filterwarnings("ignore")
def test_first_blocks_without_a_row_in_use(data: pd.DataFrame) -> None:
    late = pd.concat([data[:60].assign(x=np.nan), data], ignore_index=True)
    table = si.blocks(late, rows=25)
    for call in (
        lambda d: si.effect("y ~ t | x + g", d, method="aipw").theta,
        lambda d: si.rq("y ~ x + g", d, vcov="nid").theta,
        lambda d: si.conformal("y ~ x + g", d, split="half").predict(data[:3]).to_numpy(),
        lambda d: si.lm("y ~ t", d, weights=si.balance("t ~ x + g", d)).std_errors,
        lambda d: si.iv("y ~ e | x | z", d).std_errors,
    ):
        run: Any = call
        np.testing.assert_allclose(run(table), run(late), rtol=1e-6)
    nothing = si.blocks(late.assign(x=np.nan), rows=25)
    with pytest.raises(si.DataError, match="no row"):
        si.rq("y ~ x", nothing, vcov="nid")


def test_folds_that_cannot_be_used(data: pd.DataFrame) -> None:
    table = si.blocks(data, rows=25)
    for formula, folds, match in [
        ("y ~ t | x", "one", "one label only"),
        ("y ~ t | x", 1_000, "from 2 to the number of rows"),
        ("y ~ few | x", "fold", "has no maximum"),
    ]:
        with pytest.raises(si.StatinfError, match=match):
            si.effect(formula, table, method="plr", folds=folds)


def test_ipw_with_clipped_rows(data: pd.DataFrame) -> None:
    """The logit's equations hold at the propensities that it was fitted with, whatever these are moved to afterwards."""
    clip = 0.25
    with pytest.warns(UserWarning, match="overlap"):
        here = si.effect("y ~ t | x", data, method="ipw", clip=clip, vcov="HC0")
    with pytest.warns(UserWarning, match="overlap"):
        there = si.effect("y ~ t | x", si.blocks(data, rows=25), method="ipw", clip=clip, vcov="HC0")
    Z, t, y = np.column_stack([np.ones(len(data)), data.x]), data.t.to_numpy(), data.y.to_numpy()
    beta = si.glm("t ~ x", data, family="binomial").theta

    def equations(at: np.ndarray) -> np.ndarray:
        raw = 1 / (1 + np.exp(-Z @ at[:2]))
        e = np.clip(raw, clip, 1 - clip)
        parts = [(t - raw)[:, None] * Z, t / e * (y - at[2]), (1 - t) / (1 - e) * (y - at[3])]
        return np.column_stack(parts)

    e = np.clip(1 / (1 + np.exp(-Z @ beta)), clip, 1 - clip)
    at = np.r_[beta, np.average(y, weights=t / e), np.average(y, weights=(1 - t) / (1 - e))]
    steps = 1e-6 * np.eye(4)
    slope = np.column_stack([(equations(at + s) - equations(at - s)).sum(axis=0) / 2e-6 for s in steps])
    influence = equations(at) @ np.linalg.inv(slope).T
    expected = np.sqrt(np.sum((influence[:, 2] - influence[:, 3]) ** 2))
    np.testing.assert_allclose(here.std_errors, expected, rtol=1e-6)
    np.testing.assert_allclose(there.std_errors, expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_clusters_of_two_ways_that_are_repaired(data: pd.DataFrame) -> None:
    for kind in ("HC0", "HC3"):
        vcov = {"cluster": ["firm", "g"], "type": kind}
        here, there = (si.iv("y ~ e | x | z", d, vcov=vcov) for d in (data, si.blocks(data, rows=25)))
        np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-7)


@pytest.mark.filterwarnings("ignore:.*conditional densities")
def test_quantile_warnings(data: pd.DataFrame) -> None:
    table = si.blocks(data, rows=25)
    with pytest.warns(UserWarning, match="other columns determine"):
        si.rq("y ~ x + x2", table, vcov="nid")
    with pytest.warns(UserWarning, match="beyond the reach"), pytest.raises(si.NotIdentifiedError):
        si.rq("y ~ x", table, tau=0.999, vcov="nid")
