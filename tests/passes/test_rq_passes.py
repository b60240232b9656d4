"""Quantile regressions of data in blocks are the exact ones of rows in memory, with their standard errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import NotIdentifiedError, OptionError
from statinf.passes import quantiles

N, ROWS = 4_001, 900


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"x": rng.normal(size=N), "z": rng.normal(size=N) + 1e4, "g": rng.choice(list("abc"), N)})
    d["y"] = d.x + 0.3 * (d.z - 1e4) + (d.g == "b") + rng.normal(size=N) * (1 + 0.5 * np.abs(d.x))
    d["w"] = rng.integers(0, 3, N) + rng.random(N) * (rng.random(N) < 0.9)
    d.loc[rng.choice(N, 30), "z"] = np.nan
    return d


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + z + g", {"tau": [0.1137, 0.5071, 0.9013]}),
        ("y ~ x + g", {"tau": 0.3, "weights": "w"}),
        ("y ~ 0 + x + g", {"tau": 0.6173}),
    ],
)
def test_same_fit(data: pd.DataFrame, formula: str, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "SAMPLE", 600)
    monkeypatch.setattr(quantiles, "BAND", 3_000)
    here, there = si.rq(formula, data, **options), si.rq(formula, si.blocks(data, rows=ROWS), **options)
    np.testing.assert_allclose(there.theta, here.theta, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-8)
    np.testing.assert_allclose(there.objective, here.objective, rtol=1e-10)
    np.testing.assert_allclose(there.null_objective, here.null_objective, rtol=1e-10)
    assert (there.cov.label, there.nobs, there.terms) == (here.cov.label, here.nobs, here.terms)
    np.testing.assert_allclose(
        there.predict(data.iloc[40:60].dropna()), here.predict(data.iloc[40:60].dropna()), rtol=1e-9
    )


@pytest.mark.parametrize("values", [2, 3, 7])
def test_few_different_rows(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample by the rows' values would hold all copies of some, or nothing; a band of those on the quantile would not grow."""
    monkeypatch.setattr(quantiles, "SAMPLE", 600)
    rng = np.random.default_rng(values)
    for move in range(4):
        frame = pd.DataFrame({"x": rng.integers(0, values, N) + float(move), "z": rng.integers(0, 2, N)})
        frame["y"] = frame.x * (move % 2) + rng.integers(0, values + 1, N)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # densities of few values are not positive, and there may be several minimisers
            here, there = (si.rq("y ~ x + z", d, tau=[0.15, 0.4]) for d in (frame, si.blocks(frame, rows=ROWS)))
        np.testing.assert_allclose(there.objective, here.objective, rtol=1e-9)


def test_small_outcomes(data: pd.DataFrame) -> None:
    frame = data.assign(y=data.y * 1e-6)
    here, there = si.rq("y ~ x", frame), si.rq("y ~ x", si.blocks(frame, rows=ROWS))
    np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-8)


def test_refusals(data: pd.DataFrame) -> None:
    table: Any = si.blocks(data, rows=ROWS)
    with pytest.raises(NotIdentifiedError, match="vcov='nid'"):
        si.rq("y ~ x", table, vcov="ker")
    with pytest.raises(NotIdentifiedError, match="vcov='nid'"):
        si.rq("y ~ x", table, cluster="g")
    with pytest.raises(OptionError, match="noncrossing"):
        si.rq("y ~ x", table, tau=[0.2, 0.4], noncrossing=True)
    fit = si.rq("y ~ x", table)
    with pytest.raises(NotIdentifiedError, match="vcov='nid'"):
        fit.with_vcov("iid")


def test_several_minimisers_are_told_as_in_memory():
    data = pd.DataFrame({"g": list("ab") * 4, "y": [0, 1, 1, 2, 2, 3, 3, 5.0]})
    for source in (data, si.blocks([data.iloc[:3], data.iloc[3:]])):
        with pytest.warns(si.StatinfWarning, match="several minimisers at tau = 0.5"):
            si.rq("y ~ g", source)
    one = pd.concat([data, pd.DataFrame({"g": ["a", "b"], "y": [1.5, 2.5]})])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*several minimisers")
        warnings.filterwarnings("ignore", message=".*conditional densities")
        si.rq("y ~ g", si.blocks([one.iloc[:3], one.iloc[3:]]))
