"""Models with instruments on blocks of rows have the numbers of those on rows in memory, whatever the blocks."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si

FORMULAS = [
    "y ~ e | x + g | z1 + z2",
    "y ~ e + offset(0.3 * z2) | 1 | z1",
    "y ~ e + e2 | x | z1 + z2 + z3",
    "y ~ e | 0 + g | z1 + z2",
    "y ~ e | x + x2 + g | z1",
]
KINDS = ["iid", "HC0", "HC1", "HC3", {"cluster": "firm"}]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 1_500
    made = pd.DataFrame(
        {
            "x": rng.normal(size=n) + 1e6,
            "g": rng.choice(list("abc"), n),
            "w": rng.integers(0, 3, n).astype(float),
            "firm": rng.integers(0, 40, n),
            "z1": rng.normal(size=n) + 100,
            "z2": rng.normal(size=n),
        }
    )
    u = rng.normal(size=n)
    made["e"] = 0.5 * (made.z1 - 100) + 0.3 * made.z2 + u + 0.2 * (made.x - 1e6)
    made["e2"] = made.z2 - u + rng.normal(size=n)
    made["y"] = made.e + 0.5 * made.e2 + (made.x - 1e6) + u + rng.normal(size=n) * (1 + made.z2**2)
    made["x2"] = 2 * made.x
    made["z3"] = made.z1 + made.z2**2
    made.loc[rng.choice(n, 20), "z2"] = np.nan
    return made


def same(one: Any, other: Any, kinds: list[Any]) -> None:
    np.testing.assert_allclose(one.theta, other.theta, rtol=1e-10)
    assert dict(one.dropped) == dict(other.dropped)
    for kind in kinds:
        there, here = one.with_vcov(kind), other.with_vcov(kind)
        np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=1e-9)
        assert there.cov.df == pytest.approx(here.cov.df)
        assert there.cov.label == here.cov.label
    ours, theirs = one.glance_items(), other.glance_items()
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-8, abs=1e-14), name


@pytest.mark.parametrize("formula", FORMULAS)
def test_two_stage_least_squares(data: pd.DataFrame, formula: str) -> None:
    weights = "w" if "z3" in formula or "0 + g" in formula else None
    with pytest.warns(UserWarning, match="determine") if "x2" in formula else nullcontext():
        here = si.iv(formula, data, weights=weights)
    with pytest.warns(UserWarning, match="determine") if "x2" in formula else nullcontext():
        there = si.iv(formula, si.blocks(data, rows=217), weights=weights)
    same(there, here, KINDS)
    pd.testing.assert_frame_equal(there.first_stage(), here.first_stage(), rtol=1e-8)
    assert str(there.anderson_rubin()) == str(here.anderson_rubin())
    assert there.wu_hausman().p_value == pytest.approx(here.wu_hausman().p_value, rel=1e-8)
    if here.system.b > here.system.c:
        assert there.overid("sargan").p_value == pytest.approx(here.overid("sargan").p_value, rel=1e-8)
    new = data.dropna().iloc[:5]
    pd.testing.assert_frame_equal(there.predict(new), here.predict(new), rtol=1e-8)


def test_liml(data: pd.DataFrame) -> None:
    formula = "y ~ e | x + g | z1 + z2"
    here, table = si.iv(formula, data, method="liml", fuller=1.0), si.blocks(data, rows=217)
    same(si.iv(formula, table, method="liml", fuller=1.0), here, ["iid", "HC1", {"cluster": "firm"}])


def test_passes_and_refusals(data: pd.DataFrame) -> None:
    table = si.blocks(data, rows=300)
    fit = si.iv("y ~ e | x | z1 + z2", table, cluster="firm")
    # Levels, the factor, standard errors, and the strength of the instruments.
    assert table.count.done == 4
    assert "Read in blocks: 2 passes" in str(fit.summary())
    fit.first_stage()
    assert table.count.done == 4
    with pytest.raises(si.DataError, match="Hansen's test need the rows"):
        fit.overid()
    for formula, options, match in [
        ("y ~ e | x | z1", {"method": "gmm"}, "'2sls' or 'liml'"),
        ("y ~ e | x | z1", {"absorb": "firm"}, "absorb='firm' works on rows in memory"),
        ("y ~ l | x | z1", {}, "has levels"),
        ("y ~ e | x | z1", {"treated": 1}, "has levels"),
        ("y ~ e + e2 | x | z1", {}, "at least as many instruments"),
        ("y ~ e | x | e", {}, "among the instruments as well"),
        ("y ~ e | x", {}, "three parts"),
        ("flat ~ e | x | z1", {}, "constant"),
    ]:
        frame = data.assign(l=np.where(data.e > 0, "yes", "no"), flat=3.0)
        with pytest.raises(si.StatinfError, match=match):
            si.iv(formula, si.blocks(frame, rows=300), **options)


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_clusters_of_several_ways_that_leave_an_indefinite_matrix():
    """Repaired in each direction, as in memory; a singular first stage has no F, and the estimate stands."""
    mended, refused = 0, []
    for seed in range(4):
        random = np.random.default_rng(seed)
        g, h, z, v = random.integers(0, 6, 120), random.integers(0, 5, 120), *random.standard_normal((2, 120))
        t = 0.5 * z + random.standard_normal(120) + 0.3 * random.standard_normal(6)[g]
        data = pd.DataFrame({"y": t + random.standard_normal(120), "t": t, "z": z, "v": v, "g": g, "h": h})
        fits = [
            si.iv("y ~ t | 1 | z + v", source, cluster=["g", "h"])
            for source in (data, si.blocks([data.iloc[:50], data.iloc[50:]]))
        ]
        first, found = (fit.first_stage() for fit in fits)
        np.testing.assert_allclose(found.iloc[:, 1:].astype(float), first.iloc[:, 1:].astype(float), rtol=1e-8)
        assert np.isfinite(fits[0].params).all() and fits[0].summary().to_text()
        mended += int(np.isnan(first["robust_f"].iloc[0]))
        refused += [_refused(fit) for fit in fits]
    assert mended and True in refused and refused[::2] == refused[1::2]


def _refused(fit) -> bool:
    try:
        return not fit.anderson_rubin().statistic > 0.0
    except si.NotIdentifiedError as error:
        return "reduced form is singular" in str(error)
