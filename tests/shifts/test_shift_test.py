"""`shift_test`: statistics against references and scipy, permutation laws, sizes, frames, refusals."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2_contingency, ks_2samp

import statinf as si
from shifts.samples import matrices, number, two
from statinf.errors import NumericalWarning
from statinf.shifts import classifier, permutation
from statinf.shifts.columns import tied_p_value
from statinf.shifts.kernels import rbf


def test_statistics_meet_reference():
    source, target = two()
    found = si.shift_test("~ x1 + x2", source, target, permutations=99, tests=("mmd", "energy", "columns"), scale=False)
    values = {t.name: t.statistic for t in found.tests}
    assert_allclose(values["mmd"], number("mmd2 sigma=median", "biased")[0], rtol=1e-9)
    assert_allclose(found.tests[0].facts["unbiased"], number("mmd2 sigma=median", "unbiased")[0], rtol=1e-9)
    assert_allclose(values["energy"], number("energy", "2E|X-Y|-E|X-X|-E|Y-Y| (V-stat)")[0], rtol=1e-9)
    for j, name in enumerate(("x1", "x2")):
        assert_allclose(found.columns.statistic[j], number("ks", f"stat_{name}")[0], rtol=1e-9)
        assert_allclose(found.columns.p_value[j], number("ks", f"p_{name}")[0], rtol=1e-6)
    assert found.p_values["mmd"] == 0.01


def test_permuted_statistics_are_those_of_permuted_samples():
    xs, xt = matrices()
    x = np.concatenate([xs[:40], xt[:25]])
    first = np.arange(65) < 40
    value, null = permutation.mmd(x, first, 1.3, 20, 5, False)
    energies = permutation.energy(x, first, 20, 5, False)[1]
    areas = classifier.area_under_curve(x, first, 20, 5, 5)[1]
    u = permutation.masses(40, 25, 20, 5)
    kernel, distance = rbf(x, x, 1.3), np.linalg.norm(x[:, None] - x[None], axis=2)
    for b in range(20):
        order = np.argsort(u[b] < 0, kind="stable")
        a, c = order[:40], order[40:]
        slow = kernel[np.ix_(a, a)].mean() + kernel[np.ix_(c, c)].mean() - 2 * kernel[np.ix_(a, c)].mean()
        assert_allclose(null[b], slow, atol=1e-12)
        far = 2 * distance[np.ix_(a, c)].mean() - distance[np.ix_(a, a)].mean() - distance[np.ix_(c, c)].mean()
        assert_allclose(energies[b], far, atol=1e-12)
    assert_allclose(value, permutation.observed_mass(first)[0] @ kernel @ permutation.observed_mass(first)[0])
    assert ((areas > 0) & (areas < 1)).all()


def test_the_factor_gives_the_same_law_as_the_matrix():
    x = np.concatenate(matrices())
    fast = permutation.mmd(x, np.arange(500) < 300, 1.7, 30, 0, False)[1]
    u = permutation.masses(300, 200, 30, 0)
    exact = permutation._by_blocks(x, u, lambda a, b: rbf(a, b, 1.7))
    assert_allclose(fast, exact, atol=1e-10)


def test_classifier_is_sklearns_discriminant():
    from sklearn.metrics import roc_auc_score

    from statinf.backend import generator

    x = np.concatenate(matrices())
    value, _ = classifier.area_under_curve(x, np.arange(500) < 300, 1, 4, 2)
    label = np.repeat([0.0, 1.0], [300, 200])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    columns = np.column_stack([np.ones(500), z, z**2])
    fold = generator(2, 12).permutation(500) % 4
    areas = []
    for k in range(4):
        coef = np.linalg.lstsq(columns[fold != k], label[fold != k], rcond=None)[0]
        areas.append(roc_auc_score(label[fold == k], columns[fold == k] @ coef))
    assert_allclose(value, np.mean(areas), atol=2e-4)  # the discriminant here has a ridge of 1e-6


def test_sizes_and_power():
    """100 pairs of samples of 40 rows: rejections at 5% at most qbinom(0.9995, 100, 0.05) = 13 under equal laws."""
    rng = np.random.default_rng(0)
    names = ("mmd", "energy", "classifier")
    for mean, low, high in ((0.0, 0, 13), (1.0, 75, 100)):
        rejected = dict.fromkeys(names, 0)
        for rep in range(100):
            a = pd.DataFrame(rng.standard_normal((40, 2)), columns=["u", "v"])
            b = pd.DataFrame(rng.standard_normal((40, 2)) + np.array([mean, 0.0]), columns=["u", "v"])
            found = si.shift_test("~ u + v", a, b, tests=names, permutations=59, seed=rep)
            for name in names:
                rejected[name] += found.p_values[name] <= 0.05
        assert all(low <= count <= high for count in rejected.values()), (mean, rejected)


def test_identical_samples_have_distance_zero():
    source, _ = two()
    found = si.shift_test("~ x1 + x2", source, source, permutations=19, tests=("mmd", "energy", "columns"))
    assert all(abs(t.statistic) < 1e-12 and t.p_value == 1.0 for t in found.tests)
    assert (found.columns.p_value == 1.0).all()


def test_columns_of_all_kinds_and_adjustment():
    source, target = two()
    rng = np.random.default_rng(1)
    source["g"], target["g"] = rng.choice(["a", "b", "c"], 300), rng.choice(["a", "b", "c"], 200, p=[0.6, 0.3, 0.1])
    source["same"], target["same"] = np.linspace(-1, 1, 300), np.linspace(-1, 1, 200)
    source.loc[4, "x1"] = np.nan
    found = si.shift_test("~ x1 + I(x2**2) + g + same", source, target, tests="columns")
    table = found.tidy().set_index("column")
    assert list(table["test"]) == ["KS", "KS", "chi-square", "KS"]
    assert_allclose(table.loc["x1", "p_value"], ks_2samp(source["x1"].dropna(), target["x1"]).pvalue)
    counts = np.stack([f["g"].value_counts().sort_index() for f in (source.drop(4), target)])
    assert_allclose(table.loc["g", "p_value"], chi2_contingency(counts, correction=False).pvalue)
    assert (table["p_adjusted"] >= table["p_value"]).all()
    assert table.loc["same", "p_adjusted"] > 0.05 > table.loc["g", "p_adjusted"]
    assert found.plot() is not None


def test_seeds_frames_and_saving(tmp_path):
    source, target = two()
    first = si.shift_test("~ x1 + x2", source, target, permutations=39, seed=4)
    again = si.shift_test("~ x1 + x2", pl.from_pandas(source), target, permutations=39, seed=4)
    assert isinstance(again.tidy(), pl.DataFrame)
    for a, b in zip(first.tests, again.tests, strict=True):
        assert_allclose(a.null, b.null, rtol=1e-12)
    loaded = si.load(first.save(tmp_path / "test.si"))
    assert loaded.p_values == first.p_values
    assert first.plot(kind="null") is not None
    assert "Kolmogorov" in str(first.summary())


def test_refusals():
    source, target = two()
    with pytest.raises(si.OptionError, match="tests='kmm'"):
        si.shift_test("~ x1", source, target, tests="kmm")
    with pytest.raises(si.OptionError, match="permutations"):
        si.shift_test("~ x1", source, target, permutations=0)
    with pytest.raises(si.OptionError, match="folds"):
        si.shift_test("~ x1", source, target, folds=1)
    with pytest.raises(si.DataError, match="too few for a classifier"):
        si.shift_test("~ x1", source.head(2), target.head(3))
    with pytest.raises(si.DataError, match=r"target frame.*'x1'"):
        si.shift_test("~ x1", source, target[["x2"]])
    with pytest.warns(NumericalWarning, match="scale=False"):
        si.shift_test(
            "~ x1 + x2", source.assign(x2=source["x2"] * 99), target, tests="mmd", permutations=9, scale=False
        )


def test_tied_numbers_have_exact_p_values():
    random = np.random.default_rng(2)
    a, b = random.integers(0, 4, 5).astype(float), random.integers(1, 5, 4).astype(float)
    frames = pd.DataFrame({"x": a}), pd.DataFrame({"x": b})
    found = si.shift_test("~ x", *frames, tests="columns").columns
    pooled = np.concatenate([a, b])
    every = [
        ks_2samp(pooled[list(rows)], np.delete(pooled, rows)).statistic for rows in itertools.combinations(range(9), 5)
    ]
    assert found.tests == ("KS",)
    assert_allclose(found.p_value[0], np.mean(np.array(every) >= found.statistic[0] - 1e-9), rtol=1e-12)
    # Without ties it is the usual law.
    x, y = np.arange(8.0), np.concatenate([np.arange(4) + 0.5, np.arange(8) + 20.0])
    usual = ks_2samp(x, y)
    assert_allclose(tied_p_value(usual.statistic, 8, 12, np.ones(20, bool)), usual.pvalue, rtol=1e-12)


def test_two_valued_columns_are_tested_by_their_shares():
    random = np.random.default_rng(3)
    source, target = pd.DataFrame({"x": random.normal(size=150)}), pd.DataFrame({"x": random.normal(size=120)})
    source["flag"], target["flag"] = (np.arange(150) < 22) * 1.0, np.zeros(120)
    found = si.shift_test("~ x + flag", source, target, tests="columns").tidy().set_index("column")
    expected = chi2_contingency([[22, 128], [0, 120]], correction=False)
    assert found.loc["flag", "test"] == "chi-square"
    assert_allclose(found.loc["flag", "p_value"], expected.pvalue, rtol=1e-10)
    assert_allclose(found.loc["flag", "effect"], -(22 / 150) / np.sqrt(22 * 128 / 150**2))
    gaps = source.assign(x=source["x"].where(source["flag"] == 0))
    missing = si.shift_test("~ x", gaps, target, tests="columns", missing="indicator").tidy().set_index("column")
    assert_allclose(missing.loc["x_missing", "p_value"], expected.pvalue, rtol=1e-10)
