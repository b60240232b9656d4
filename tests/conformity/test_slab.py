"""Worst-slab coverage and coverage by group against direct search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from statinf.conformity.coverage import _lowest_mean, by_group, worst_slab
from statinf.conformity.tables import coverage_table
from statinf.errors import DataError, OptionError
from statinf.inference.conformal import (
    Calibration,
    binomial_interval,
    quantile_rank,
    smallest_n,
    threshold,
    weighted_threshold,
)


@pytest.mark.parametrize("seed", range(8))
def test_lowest_mean_is_that_of_all_runs(seed):
    random = np.random.default_rng(seed)
    values, least = (random.random(45) < 0.8).astype(float), 6
    mean, left, right = _lowest_mean(values, least)
    best = min(values[a:b].mean() for a in range(45) for b in range(a + least, 46))
    assert mean == pytest.approx(best, abs=1e-9)
    assert right - left >= least and values[left:right].mean() == pytest.approx(best, abs=1e-9)


def test_the_worst_slab_is_found_and_measured_on_other_rows():
    random = np.random.default_rng(0)
    X = random.normal(size=(4000, 3)) * [1.0, 50.0, 0.1]
    bad = X[:, 1] > 40
    covered = random.random(4000) < np.where(bad, 0.5, 0.95)
    slab = worst_slab(covered, X, share=0.1, directions=50, seed=1)
    assert abs(slab.coverage - 0.5) < 4 * np.sqrt(0.25 / slab.n) + 0.05  # a few rows of the slab may be good ones
    fair = worst_slab(random.random(4000) < 0.9, X, share=0.1, directions=50, seed=1)
    assert abs(fair.coverage - 0.9) < 4 * np.sqrt(0.09 / fair.n)  # the search does not bias what is reported
    # What a table says of the slab is said of the rows that it counts.
    table = coverage_table(covered, covered + X[:, 1], None, X, confidence=0.95, share=0.1, seed=1).iloc[-1]
    measured = worst_slab(covered, X, share=0.1, seed=1)
    assert table["n"] == measured.n == measured.inside.sum() and measured.covered == covered[measured.inside].sum()
    assert table["length"] == pytest.approx(table["coverage"] + X[measured.inside, 1].mean())
    with pytest.raises(OptionError, match="share"):
        worst_slab(covered, X, share=0.0)
    with pytest.raises(DataError, match="No covariate varies"):
        worst_slab(covered, np.ones((4000, 2)))


def test_groups_and_binomial_intervals():
    table = by_group(np.array([1, 1, 0, 1], bool), np.array(["b", "a", "b", "a"]))
    assert table["group"].tolist() == ["a", "b"] and table["coverage"].tolist() == [1.0, 0.5]
    low, high = binomial_interval(np.array([0, 7, 20]), np.array([20, 20, 20]))
    for k, found in zip((0, 7, 20), zip(low, high, strict=True), strict=True):
        exact = stats.binomtest(k, 20).proportion_ci(0.95, "exact")
        np.testing.assert_allclose(found, (exact.low, exact.high), atol=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 1 - 0.1, 1 - 1 / 3])
def test_ranks_at_every_sample_size(level):
    from fractions import Fraction

    exact = Fraction(level).limit_denominator(1000)
    for n in range(1, 400):
        assert quantile_rank(n, level) == -int(-(n + 1) * exact // 1)
    n = smallest_n(level)
    assert quantile_rank(n, level) <= n and (n == 1 or quantile_rank(n - 1, level) > n - 1)


def test_thresholds_of_large_and_of_weighted_samples():
    random = np.random.default_rng(1)
    for n in (60_000, 200_001):
        for scores in (random.normal(size=n), np.sort(random.normal(size=n)), np.floor(random.exponential(size=n) * 3)):
            assert threshold(scores, 0.9) == np.sort(scores)[quantile_rank(n, 0.9) - 1]
    for n in range(8, 200):
        scores = random.normal(size=n)
        equal = weighted_threshold(scores, np.full(n, 0.1), np.array([0.1]), 0.9)[0]
        assert equal == threshold(scores, 0.9)  # cumulated tenths do not add up exactly
    scores = np.array([1.0, np.inf, 2.0])
    assert weighted_threshold(scores, np.array([1.0, 0.0, 1.0]), np.array([0.1]), 0.9)[0] == 2.0


def test_p_values_count_ties():
    np.testing.assert_allclose(
        Calibration(np.array([[1.0], [2.0], [2.0], [5.0]])).p_values(np.array([[0.0], [2.0], [6.0]])), [1.0, 0.8, 0.2]
    )
