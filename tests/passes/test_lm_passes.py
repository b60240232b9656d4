"""Least squares on blocks of rows has the numbers of least squares on rows in memory, whatever the blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si

ROUNDING = np.finfo(float).eps * (1e7 / 2) * np.sqrt(4_000 / 61)
"""What `z` leaves of the digits of a clustered standard error of rows in memory: a score less that of the constant is rounded as
one 1e7 / 2 times as large, alike in all rows, and the rows of a firm share their effect, so that roundings add up as they do."""
KINDS = ["iid", "HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 4_000
    made = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) * 2 + 1e7,
            "g": rng.choice(list("cabd"), n),
            "w": rng.integers(0, 3, n).astype(float),
            "firm": rng.integers(0, 61, n),
            "half": rng.integers(0, 40, n),
        }
    )
    made["y"] = (
        3 + made.x + 0.2 * (made.z - 1e7) * rng.normal(size=n) + (made.g == "b") + rng.normal(size=61)[made.firm]
    )
    made.loc[rng.choice(n, 50), "z"] = np.nan
    made.loc[[3, 9], "g"] = None
    return made


def same(one: Any, other: Any, tol: float = 1e-10) -> None:
    np.testing.assert_allclose(one.theta, other.theta, rtol=tol, atol=0)
    np.testing.assert_allclose(one.std_errors, other.std_errors, rtol=tol)
    assert one.cov.label == other.cov.label
    assert one.cov.df == pytest.approx(other.cov.df, rel=1e-9)
    assert one.nobs == other.nobs
    assert dict(one.dropped) == dict(other.dropped)


@pytest.mark.parametrize("rows", [97, 1000, 100_000])
@pytest.mark.parametrize("kind", KINDS)
def test_every_covariance(data: pd.DataFrame, kind: str, rows: int) -> None:
    if rows != 1000 and kind not in ("HC1", "HC5"):
        return
    formula = "y ~ x * g + z"
    same(si.lm(formula, si.blocks(data, rows=rows), vcov=kind), si.lm(formula, data, vcov=kind), 2e-10)


@pytest.mark.parametrize(
    "vcov",
    [
        {"cluster": "firm"},
        {"cluster": "firm", "type": "HC0"},
        {"cluster": ["firm", "half"]},
        {"cluster": "firm", "type": "CR2"},
        {"cluster": "firm", "type": "HC3"},
    ],
)
def test_clusters(data: pd.DataFrame, vcov: dict) -> None:
    there, here = si.lm("y ~ x + z + g", si.blocks(data, rows=333), vcov=vcov), si.lm("y ~ x + z + g", data, vcov=vcov)
    same(there, here, ROUNDING)
    if here.cov.each is not None:
        np.testing.assert_allclose(there.cov.each, here.cov.each, rtol=1e-8)
    later = si.lm("y ~ x + z + g", si.blocks(data, rows=333)).with_vcov(vcov)
    np.testing.assert_allclose(later.std_errors, here.std_errors, rtol=ROUNDING)


def test_weights_and_offset(data: pd.DataFrame) -> None:
    formula = "y ~ x + g + offset(0.3 * x)"
    there = si.lm(formula, si.blocks(data, rows=333), weights="w", cluster="firm")
    here = si.lm(formula, data, weights="w", cluster="firm")
    same(there, here)
    ours, theirs = there.glance_items(), here.glance_items()
    for name, value in theirs.items():
        if isinstance(value, float):
            assert ours[name] == pytest.approx(value, rel=1e-9), name


def test_aliased_and_without_a_constant(data: pd.DataFrame) -> None:
    frame = data.assign(x2=2 * data.x, one=1.0)
    for formula in ("y ~ x + x2 + z", "y ~ 0 + g + x", "y ~ 0 + g + z + one"):
        with pytest.warns(UserWarning) if "2" in formula or "one" in formula else _nothing():
            here = si.lm(formula, frame)
        with pytest.warns(UserWarning) if "2" in formula or "one" in formula else _nothing():
            there = si.lm(formula, si.blocks(frame, rows=333))
        same(there, here, 1e-9)


def _nothing():
    from contextlib import nullcontext

    return nullcontext()
