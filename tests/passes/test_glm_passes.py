"""Generalised linear models on blocks of rows have the numbers of those on rows in memory, whatever the blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.models import glm_passes

MODELS = [
    ("binomial", "logit", "b ~ x + z + g", {}),
    ("binomial", "probit", "b ~ x + g", {}),
    ("binomial", "cloglog", "b ~ 0 + g + x", {}),
    ("binomial", None, "cbind(s, f) ~ x + z", {}),
    ("quasibinomial", None, "cbind(s, f) ~ x", {}),
    ("poisson", None, "c ~ x + z + offset(log(m))", {}),
    ("poisson", "identity", "c ~ g", {}),
    ("quasipoisson", None, "c ~ x + z", {}),
    ("gamma", None, "p ~ x + g", {}),
    ("gamma", "inverse", "p ~ g", {}),
    ("inverse_gaussian", None, "p ~ x", {}),
    ("gaussian", "log", "p ~ x", {}),
    ("negative_binomial", None, "c ~ x + g", {"alpha": 0.7}),
]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 2_000
    made = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) + 1e4,
            "g": rng.choice(list("abc"), n),
            "w": rng.integers(0, 3, n).astype(float),
            "firm": rng.integers(0, 40, n),
            "m": rng.integers(0, 9, n) + 0.0,
        }
    )
    eta = 0.3 * made.x + 0.2 * (made.z - 1e4) + 0.5 * (made.g == "b")
    share = 1 / (1 + np.exp(-eta))
    made["b"] = (rng.random(n) < share).astype(float)
    made["c"] = rng.poisson(np.exp(eta))
    made["p"] = rng.gamma(2, np.exp(eta) / 2)
    made["s"] = rng.binomial(made.m.astype(int), share)
    made["f"] = made.m - made.s
    made["m"] += 1
    made.loc[rng.choice(n, 30), "x"] = np.nan
    return made


def same(one: Any, other: Any, tol: float = 1e-8) -> None:
    np.testing.assert_allclose(one.theta, other.theta, rtol=tol, atol=1e-9)
    np.testing.assert_allclose(one.std_errors, other.std_errors, rtol=tol)
    assert one.cov.label == other.cov.label
    assert dict(one.dropped) == dict(other.dropped)
    ours, theirs = one.glance_items(), other.glance_items()
    for name in set(theirs) - {"iterations"}:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-9, nan_ok=True), name


@pytest.mark.parametrize(("family", "link", "formula", "more"), MODELS)
def test_every_family(data: pd.DataFrame, family: str, link: str | None, formula: str, more: dict[str, Any]) -> None:
    table = si.blocks(data, rows=300)
    for weights in (None, "w")[len(formula) % 2 :]:
        options = {"family": family, "link": link, "weights": weights, **more}
        here = si.glm(formula, data, **options)
        there = si.glm(formula, table, **options)
        same(there, here)
        for kind in ("HC1", "HC3", {"cluster": "firm"}):
            np.testing.assert_allclose(there.with_vcov(kind).std_errors, here.with_vcov(kind).std_errors, rtol=1e-8)
    corrected = {"cluster": "firm", "type": "HC3"}
    np.testing.assert_allclose(there.with_vcov(corrected).std_errors, here.with_vcov(corrected).std_errors, rtol=1e-8)


def test_few_passes_and_any_blocks(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    here = si.glm("b ~ x + g", data, family="binomial")
    monkeypatch.setattr(glm_passes, "_SAMPLE", 1_000)
    for rows in (61, 5_000):
        table = si.blocks(data, rows=rows)
        there = si.glm("b ~ x + g", table, family="binomial")
        same(there, here)
        # Levels, outcomes, and a step of scoring each.
        assert table.count.done == 2 + there.iterations + 1 <= 7
        assert f"Read in blocks: {table.count.done} passes over 2000 rows" in str(there.summary())


def test_starts(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    table = si.blocks(data, rows=300)
    here = si.glm("c ~ x + g", data, family="poisson")
    same(si.glm("c ~ x + g", table, family="poisson", start=list(here.theta + 0.3)), here)
    with pytest.raises(si.OptionError, match="start= takes 4 finite numbers"):
        si.glm("c ~ x + g", table, family="poisson", start=[1.0])
    with pytest.raises(si.ConvergenceError, match="at start="):
        si.glm("c ~ x + g", table, family="poisson", link="identity", start=[-9.0, 0.0, 0.0, 0.0])
    # Where the rows held are not up to a start, a pass makes one.
    monkeypatch.setattr(glm_passes, "_from_some_rows", lambda *_: None)
    same(si.glm("c ~ x + g", table, family="poisson"), here)
    same(si.glm("p ~ g", table, family="gamma", link="inverse"), si.glm("p ~ g", data, family="gamma", link="inverse"))
    # A first step beyond the maximum is halved, by passes.
    far = np.array([3.0, 2.0, -2.0, 1.0])
    options = {"family": "binomial", "link": "cloglog"}
    same(si.glm("b ~ x + g", table, start=far, **options), si.glm("b ~ x + g", data, **options))


def test_separation(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = data.dropna()[:400].assign(
        hi=lambda d: (d.x > 2.0) + 0.0,
        q=lambda d: np.where(d.hi == 1, 1.0, d.b),
        none=lambda d: np.where(d.g == "c", 0, d.c),
        all=lambda d: (d.x > 0.2) + 0.0,
    )
    for family, formula in [("binomial", "q ~ x + hi + g"), ("poisson", "none ~ x + g"), ("binomial", "all ~ x + g")]:
        with pytest.raises(si.NotIdentifiedError) as here:
            si.glm(formula, frame, family=family)
        monkeypatch.setattr(glm_passes, "_SAMPLE", 100)
        with pytest.raises(si.NotIdentifiedError) as there:
            si.glm(formula, si.blocks(frame, rows=90), family=family)
        assert str(there.value).split("by ")[1] == str(here.value).split("by ")[1]


def test_outcomes_and_aliases(data: pd.DataFrame) -> None:
    frame = data.assign(x2=2 * data.x, half=data.c / 2, flat=1.0)
    table = si.blocks(frame, rows=300)
    with pytest.warns(UserWarning, match="other columns determine"):
        there = si.glm("b ~ x + x2", table, family="binomial")
    assert np.isnan(there.theta[2])
    for family, formula, match in [
        ("binomial", "c ~ x", "must lie between 0 and 1"),
        ("poisson", "x ~ g", "must lie at least 0"),
        ("binomial", "flat ~ x", "constant"),
        ("binomial", "cbind(c, x) ~ g", "cannot be negative"),
    ]:
        for rows in (frame, table):
            with pytest.raises(si.DataError, match=match):
                si.glm(formula, rows, family=family)
    with pytest.warns(UserWarning, match="not whole"):
        si.glm("half ~ x", table, family="poisson")


def test_refusals(data: pd.DataFrame) -> None:
    table = si.blocks(data, rows=300)
    for options, match in [
        ({"penalty": "firth", "family": "poisson"}, "penalty='firth'"),
        ({"family": "negative_binomial"}, "give alpha="),
        ({"weights_kind": "frequency"}, "weights_kind"),
        ({"absorb": "firm"}, "absorb"),
    ]:
        with pytest.raises(si.StatinfError, match=match):
            si.glm("c ~ x", table, **options)
    fit = si.glm("b ~ x", table, family="binomial")
    with pytest.raises(si.NotIdentifiedError, match="CR2"):
        fit.with_vcov({"cluster": "firm", "type": "CR2"})
    with pytest.raises(si.StatinfError, match="in blocks"):
        fit.scaled_residuals()
    new = fit.predict(data.dropna().iloc[:3])
    assert len(new) == 3


def test_estimated_weights(data: pd.DataFrame) -> None:
    frame = data.assign(t=lambda d: (d.b + d.c > 1) + 0, late=lambda d: np.where(d.index > 1_700, np.nan, d.c))
    rows = si.blocks(frame, rows=250)
    options = {"method": "ipw", "tol": 1e-13}
    here, there = (si.balance("t ~ x + g", d, **options) for d in (frame, rows))
    for vcov in (None, {"cluster": "firm"}, "fixed"):
        in_memory = si.glm("late ~ t + z", frame, family="poisson", weights=here, vcov=vcov)
        by_passes = si.glm("late ~ t + z", rows, family="poisson", weights=there, vcov=vcov)
        same(by_passes, in_memory, 1e-7)
        formula = "late ~ t | x | z"
        in_memory, by_passes = (
            si.iv(formula, frame, weights=here, vcov=vcov),
            si.iv(formula, rows, weights=there, vcov=vcov),
        )
        np.testing.assert_allclose(by_passes.std_errors, in_memory.std_errors, rtol=1e-7)
        assert by_passes.cov.label == in_memory.cov.label
