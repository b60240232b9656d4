"""`shift_test` with row weights and with missing values as part of the law."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import statinf as si
from statinf.shifts import permutation


def samples(n=60, m=45, seed=0):
    random = np.random.default_rng(seed)
    made = [
        pd.DataFrame(
            {"x": random.normal(size=k), "z": random.exponential(size=k), "g": random.choice(list("abc"), k),
             "w": random.integers(0, 4, k).astype(float)}
        )
        for k in (n, m)
    ]  # fmt: skip
    return made[0], made[1]


SOURCE, TARGET = samples()
FEW = {"permutations": 39, "scale": False, "bandwidth": 1.2}


def values(found):
    return {t.name: t.statistic for t in found.tests}


def test_whole_weights_are_repeated_rows():
    weighted = si.shift_test("~ x + z", SOURCE, TARGET, weights="w", target_weights=TARGET["w"], **FEW)
    source, target = (d.loc[d.index.repeat(d["w"].astype(int))].reset_index(drop=True) for d in (SOURCE, TARGET))
    repeated = si.shift_test("~ x + z", source, target, tests=("mmd", "energy", "columns"), **FEW)
    for name, value in values(repeated).items():
        assert_allclose(values(weighted)[name], value, rtol=1e-9)
    for name in ("statistic", "effect"):
        assert_allclose(getattr(weighted.columns, name), getattr(repeated.columns, name), rtol=1e-9)
    assert_allclose(weighted.columns.statistic[0], ks_2samp(source["x"], target["x"]).statistic, rtol=1e-9)
    assert weighted.nobs == (SOURCE["w"] > 0).sum() and "random signs" in str(weighted)


def test_shares_of_repeated_rows():
    found = si.shift_test("~ g", SOURCE, TARGET, weights="w", target_weights="w", tests="columns", permutations=39)
    shares = [np.array([np.average(d["g"] == level, weights=d["w"]) for level in "abc"]) for d in (SOURCE, TARGET)]
    n, m = (d["w"].sum() ** 2 / (d["w"] ** 2).sum() for d in (SOURCE, TARGET))
    pooled = (n * shares[0] + m * shares[1]) / (n + m)
    expected = (n * (shares[0] - pooled) ** 2 / pooled + m * (shares[1] - pooled) ** 2 / pooled).sum()
    assert_allclose(found.columns.statistic[0], expected, rtol=1e-9)
    assert_allclose(found.columns.effect[0], np.abs(shares[1] - shares[0]).max(), rtol=1e-9)


def test_equal_weights_are_no_weights_and_permute():
    plain = si.shift_test("~ x + z", SOURCE, TARGET, **FEW)
    same = si.shift_test("~ x + z", SOURCE, TARGET, weights=np.full(60, 3.0), target_weights=np.full(45, 0.5), **FEW)
    assert plain.p_values == same.p_values and set(plain.p_values) == {"mmd", "energy", "classifier"}
    assert_allclose(same.columns.p_value, plain.columns.p_value)
    gone = np.where(np.arange(60) < 5, 0.0, 2.0)
    less = si.shift_test("~ x + z", SOURCE, TARGET, weights=gone, **FEW)
    assert less.p_values == si.shift_test("~ x + z", SOURCE.iloc[5:], TARGET, **FEW).p_values


def test_random_signs_have_the_moments_of_weighted_means():
    share = np.array([0.5, 0.3, 0.2, 0.6, 0.4])
    first = np.arange(5) < 3
    u = permutation.signed_masses(first, share, 4000, 0)
    assert_allclose(u[:, :3].sum(axis=1), 0.0, atol=1e-12)
    assert_allclose(u[:, 3:].sum(axis=1), 0.0, atol=1e-12)
    # Of values v the variance is that of a weighted mean with the residuals about it, sum w^2 (v - v_w)^2 / (1 - sum w^2).
    v = np.array([1.0, -2.0, 0.5])
    centred = v - share[:3] @ v
    expected = (share[:3] ** 2 * centred**2).sum() / (1 - share[:3] @ share[:3])
    drawn = (u[:, :3] @ v) ** 2
    assert abs(drawn.mean() - expected) < 4 * drawn.std() / 4000**0.5


def test_weights_that_undo_a_shift_and_weights_that_make_one():
    random = np.random.default_rng(3)
    source, target = (pd.DataFrame({"x": random.normal(size=250) + shift}) for shift in (0.0, 0.8))
    ratio = np.exp(0.8 * source["x"])
    plain = si.shift_test("~ x", source, target, permutations=99, tests=("energy", "columns"))
    undone = si.shift_test("~ x", source, target, weights=ratio, permutations=99)
    made = si.shift_test("~ x", source, source, weights=ratio, permutations=99)
    assert plain.p_values["energy"] == 0.01 and undone.p_values["energy"] > 0.05
    assert undone.columns.p_value[0] > 0.05 and abs(undone.columns.effect[0]) < 0.3
    assert made.p_values["mmd"] == 0.01 and made.columns.p_value[0] == 0.01


def test_the_classifier_is_refused_by_name():
    with pytest.raises(si.OptionError, match="classifier"):
        si.shift_test("~ x", SOURCE, TARGET, weights="w", tests="classifier")
    with pytest.raises(si.DataError, match="'v'"):
        si.shift_test("~ x", SOURCE, TARGET, weights="v")
    with pytest.raises(si.OptionError, match="missing"):
        si.shift_test("~ x", SOURCE, TARGET, missing="impute")


@pytest.mark.slow
@pytest.mark.parametrize("law", ["weights apart", "ratio"])
def test_random_signs_hold_their_size(law):
    """Of 300 pairs of samples with one weighted law a test at 5% rejects at most qbinom(.9995, 300, .05) = 29."""
    rejected = np.zeros(4)
    for seed in range(300):
        random = np.random.default_rng([7, seed])
        source, target = samples(120, 120, seed)
        weights, others = random.exponential(size=120), random.uniform(0.5, 2.0, 120)
        if law == "ratio":
            target["x"] += 0.7
            weights, others = np.exp(0.7 * source["x"]), np.ones(120)
        found = si.shift_test(
            "~ x + g", source, target, weights=weights, target_weights=others, permutations=39, seed=seed
        )
        rejected += np.array([*found.p_values.values(), *found.columns.p_value]) <= 0.05
    assert rejected.max() <= 29


# --- missing values -----------------------------------------------------------------------------------------


def holes(data, share, seed):
    random = np.random.default_rng(seed)
    gone = random.uniform(size=len(data)) < share
    return data.assign(x=data["x"].mask(gone), g=data["g"].astype(object).mask(random.uniform(size=len(data)) < 0.1))


@pytest.mark.parametrize("convert", [lambda d: d, pl.from_pandas], ids=["pandas", "polars"])
def test_a_shift_of_what_is_missing_is_a_shift(convert):
    source, target = (convert(holes(d, p, 1)) for d, p in zip(samples(200, 200), (0.05, 0.45), strict=True))
    dropped = si.shift_test("~ x + g", source, target, permutations=99)
    assert min(dropped.p_values.values()) > 0.05 and dropped.nobs < 200
    found = si.shift_test("~ x + g", source, target, permutations=99, missing="indicator")
    assert max(found.p_values.values()) <= 0.02 and found.nobs == 200 and not found.dropped
    tests = found.tidy()
    assert isinstance(tests, type(source))
    assert found.columns.names == ("x", "g", "x_missing", "g_missing")
    adjusted = dict(zip(found.columns.names, found.columns.adjusted, strict=True))
    assert adjusted["x_missing"] < 1e-6 and min(adjusted["x"], adjusted["g_missing"]) > 0.05


def test_the_columns_of_the_indicators():
    source, target = (holes(d, 0.3, 2) for d in samples())
    found = si.shift_test("~ x + z", source, target, missing="indicator", **FEW)
    a, b = source["x"].dropna(), target["x"].dropna()
    middle = pd.concat([a, b]).mean()
    by_hand = [d.assign(x=d["x"].fillna(middle), x_missing=d["x"].isna().astype(float)) for d in (source, target)]
    expected = si.shift_test("~ x + z + x_missing", *by_hand, **FEW)
    for name, value in values(expected).items():
        assert_allclose(values(found)[name], value, rtol=1e-9)
    assert found.p_values == expected.p_values
    assert_allclose(found.columns.statistic[0], ks_2samp(a, b).statistic)
    complete = si.shift_test("~ x + z", SOURCE, TARGET, missing="indicator", **FEW)
    assert complete.p_values == si.shift_test("~ x + z", SOURCE, TARGET, **FEW).p_values


def test_what_cannot_be_filled_is_refused():
    with pytest.raises(si.DataError, match="every row of both"):
        si.shift_test("~ x", SOURCE.assign(x=np.nan), TARGET.assign(x=np.nan), missing="indicator")
    with pytest.raises(si.DataError, match="'x_missing'"):
        holed = SOURCE.assign(x=SOURCE["x"].mask(SOURCE["w"] == 0), x_missing=1.0)
        si.shift_test("~ x", holed, TARGET, missing="indicator")
    with pytest.raises(si.DataError, match="'z'"):
        si.shift_test("~ x + z", SOURCE, TARGET.drop(columns="z"), missing="indicator")
    with pytest.raises(si.DataError, match="infinite"):
        si.shift_test(
            "~ x", SOURCE.assign(x=np.inf), TARGET.assign(x=TARGET["x"].mask(TARGET["w"] == 0)), missing="indicator"
        )
