"""Tests of `shift_test` hold their size where rows tie; the table of more designs is in `benchmarks/results`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import rankdata

from statinf.numerics.order.content import content_order
from statinf.shifts import classifier, permutation
from statinf.shifts.kernels import median_distance


def rejections(draw, samples=200, permutations=19):
    """How often each test rejects at 5% two samples of one law."""
    random = np.random.default_rng(0)
    first = np.arange(60) < 25
    counts = {"mmd": 0, "energy": 0, "classifier": 0}
    for seed in range(samples):
        x = draw(random)
        order = content_order(*x.T)
        x, one = x[order], first[order]
        found = {
            "mmd": permutation.mmd(x, one, median_distance(x), permutations, seed, False),
            "energy": permutation.energy(x, one, permutations, seed, False),
            "classifier": classifier.area_under_curve(x, one, permutations, 5, seed),
        }
        for name, (value, null) in found.items():
            counts[name] += permutation.p_value(value, null) <= 0.05
    return counts


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: (random.uniform(size=(60, 1)) < 0.3).astype(float),
        lambda random: random.integers(0, 3, (60, 2)).astype(float),
    ],
    ids=["binary", "three-values"],
)
def test_ties_do_not_reject(draw):
    """Under one law a test rejects 200 samples at most qbinom(0.9995, 200, 0.05) = 22 times at 5%."""
    assert max(rejections(draw).values()) <= 22


def test_the_area_counts_ties_by_midranks():
    random = np.random.default_rng(1)
    x = np.sort(random.integers(0, 4, 40)).astype(float)[:, None]
    labels = random.integers(0, 2, 40).astype(bool)
    value, _ = classifier.area_under_curve(x, ~labels, 1, 2, 0)
    columns, areas = None, []
    for fold in classifier._folds(x, 2, 0):
        columns = fold.columns
        rest = np.setdiff1d(np.arange(40), fold.rows)
        other = next(f for f in classifier._folds(x, 2, 0) if np.array_equal(f.rows, rest))
        score = np.round(columns @ (fold.inverse @ (other.columns.T @ labels[rest])), 9)
        ones = labels[fold.rows]
        ranks = rankdata(score)[ones].sum() - ones.sum() * (ones.sum() + 1) / 2
        areas.append(ranks / (ones.sum() * (~ones).sum()))
    assert_allclose(value, np.mean(areas), atol=1e-12)
