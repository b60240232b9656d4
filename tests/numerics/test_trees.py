"""Histogram trees beside splits found by trying all of them."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.backend import kernel
from statinf.numerics.trees.bins import learn_bins
from statinf.numerics.trees.grow import grow
from statinf.numerics.trees.leaves import fitted_values

DEPTH = 2


@kernel
def grown(codes, targets, w, columns, min_leaf):
    return grow(codes, targets, w, columns, min_leaf, depth=DEPTH, bins=255)


@kernel
def leaves(codes, feature, cut, leaf):
    return fitted_values(codes, feature, cut, leaf, depth=DEPTH)


def by_trying(X, target, w, columns, min_leaf, depth):
    """Fitted values of all rows, splits at the middle between neighbouring values."""
    rows = w > 0
    mean = np.average(target[rows], weights=w[rows]) if rows.any() else 0.0
    best, chosen = 1e-9, None
    for j in np.flatnonzero(columns) if depth else ():
        values = np.unique(X[rows, j])
        for cut in (values[1:] + values[:-1]) / 2:
            sides = [rows & (X[:, j] <= cut), rows & (X[:, j] > cut)]
            if min(w[s].sum() for s in sides) < min_leaf - 1e-9:
                continue
            gain = sum((w[s] @ target[s]) ** 2 / w[s].sum() for s in sides) - w[rows].sum() * mean**2
            if gain > best * (1.0 + 1e-10):
                best, chosen = gain, (j, cut)
    if chosen is None:
        return np.full(len(X), mean)
    left = X[:, chosen[0]] <= chosen[1]
    args = (columns, min_leaf, depth - 1)
    parts = by_trying(X, target, w * left, *args), by_trying(X, target, w * ~left, *args)
    return np.where(left, *parts)


@pytest.mark.parametrize("case", ["plain", "weights", "a column less", "large leaves", "no column varies"])
def test_trees_split_where_the_squared_error_falls_most(case):
    random = np.random.default_rng(1)
    n = 40
    X = np.round(random.normal(size=(n, 3)), 1)
    targets, w = random.normal(size=(2, n)), np.ones(n)
    columns, min_leaf = np.ones(3, bool), 1.0
    if case == "weights":
        w = random.integers(0, 3, n).astype(float)
    elif case == "a column less":
        columns[1] = False
    elif case == "large leaves":
        min_leaf = 12.0
    elif case == "no column varies":
        X[:] = 1.0
    bins = learn_bins(X, w)
    codes = bins.codes(X)
    feature, cut, gain, leaf, fitted = grown(codes, targets, w, columns, np.float64(min_leaf))
    for k in range(2):
        expected = by_trying(X, targets[k], w, columns, min_leaf, DEPTH)
        on = w > 0
        np.testing.assert_allclose(fitted[k][on], expected[on], atol=1e-12)
        error = [(w * (targets[k] - f) ** 2).sum() for f in (np.average(targets[k], weights=w), fitted[k])]
        assert gain[k].sum() == pytest.approx(error[0] - error[1], abs=1e-10)
    assert set(feature.ravel()) <= set(np.flatnonzero(columns)) | {0}
    np.testing.assert_array_equal(leaves(codes, feature, cut, leaf), fitted)


def test_bins_lie_between_values_and_at_quantiles_where_these_are_many():
    w = np.array([1.0, 1.0, 0.0, 1.0])
    few = learn_bins(np.array([[1.0], [3.0], [2.0], [7.0]]), w)
    assert few.cuts[0, :3].tolist() == [2.0, 5.0, np.inf]
    values = np.arange(1000.0)[:, None]
    many = learn_bins(values, np.ones(1000), 10)
    assert many.count == 10 and np.bincount(many.codes(values)[0]).tolist() == [100] * 10
    close = np.nextafter(1.0, 2.0)
    tight = learn_bins(np.array([[1.0], [close]]), np.ones(2))
    assert tight.codes(np.array([[1.0], [close]]))[0].tolist() == [0, 1]
