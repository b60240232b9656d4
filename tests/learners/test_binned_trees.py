"""Binned trees: the splits of an exhaustive search, stumps of scikit-learn, and what rows, weights and pieces must not change."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.errors import DataError, OptionError
from statinf.learners import binned_trees
from statinf.learners.binned_trees import BinnedTrees, fit_together
from statinf.learners.registry import resolve
from statinf.numerics.trees.symmetric import BinnedRows

N = 400


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.normal(size=N), rng.integers(0, 5, N), rng.normal(size=N)])
    y = np.abs(X[:, 0]) + 0.5 * (X[:, 1] > 2) * X[:, 2] + 0.3 * rng.normal(size=N)
    return X, y, rng.integers(0, 4, N).astype(float)


def _derivatives(value: np.ndarray, y: np.ndarray, loss: str) -> tuple[np.ndarray, np.ndarray]:
    if loss == "squared":
        return value - y, np.ones(len(y))
    p = 1.0 / (1.0 + np.exp(-value))
    return p - y, p * (1.0 - p)


def by_hand(X: np.ndarray, y: np.ndarray, w: np.ndarray, how: BinnedTrees) -> np.ndarray:
    """Values in the rows by trying every midpoint of every column for each level."""
    keep = w > 0
    mean = np.average(y, weights=w)
    value = np.full(len(y), mean if how.loss == "squared" else np.log(mean / (1.0 - mean)))

    def gain(g: np.ndarray, h: np.ndarray, node: np.ndarray) -> float:
        sums = [(g[node == k].sum(), h[node == k].sum()) for k in np.unique(node)]
        return sum(a**2 / (b + how.l2) for a, b in sums)

    for _ in range(how.trees):
        g, h = (v * w for v in _derivatives(value, y, how.loss))
        node = np.zeros(len(y), int)
        for _ in range(how.depth):
            best = (gain(g, h, node) * (1 + 1e-10), None)
            for j in range(X.shape[1]):
                seen = np.unique(X[keep, j])
                for cut in (seen[1:] + seen[:-1]) / 2:
                    found = gain(g, h, 2 * node + (X[:, j] > cut))
                    if found > best[0] * (1 + 1e-10):
                        best = (found, 2 * node + (X[:, j] > cut))
            node = 2 * node if best[1] is None else best[1]
        for k in np.unique(node):
            here = node == k
            if h[here].sum() > 0:
                value[here] -= how.learning_rate * g[here].sum() / (h[here].sum() + how.l2)
    return value if how.loss == "squared" else 1.0 / (1.0 + np.exp(-value))


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_splits_of_an_exhaustive_search(rows: tuple, loss: str) -> None:
    X, y, w = (part[:60] for part in rows)
    y = y if loss == "squared" else (y > 1.0).astype(float)
    how = BinnedTrees(trees=3, depth=3, learning_rate=0.5, l2=0.7, loss=loss)
    np.testing.assert_allclose(how.fit(X, y, w).predict(X), by_hand(X, y, w, how), rtol=1e-10)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_stumps_of_scikit_learn(rows: tuple, loss: str) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    X, y, _ = rows
    X = np.round(X, 1)
    maker = ensemble.HistGradientBoostingRegressor
    if loss == "logistic":
        y, maker = (y > 1.0).astype(float), ensemble.HistGradientBoostingClassifier
    other = maker(
        max_iter=12, max_depth=1, learning_rate=0.3, l2_regularization=2.0, min_samples_leaf=1, early_stopping=False
    ).fit(X, y)
    theirs = other.predict(X) if loss == "squared" else other.predict_proba(X)[:, 1]
    ours = BinnedTrees(trees=12, depth=1, learning_rate=0.3, l2=2.0, loss=loss, bins=255).fit(X, y).predict(X)
    # Scikit-learn's gradients have single precision.
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_weights_are_repeated_rows_and_zero_is_absent(rows: tuple) -> None:
    X, y, w = rows
    how = BinnedTrees(trees=8, depth=3)
    times = w.astype(int)
    repeated = how.fit(np.repeat(X, times, axis=0), np.repeat(y, times)).predict(X)
    np.testing.assert_allclose(how.fit(X, y, w).predict(X), repeated, rtol=1e-10)
    wild = np.where((w == 0)[:, None], 1e9, X)
    np.testing.assert_allclose(how.fit(wild, np.where(w == 0, -1e9, y), w).predict(X), repeated, rtol=1e-10)


def test_order_and_place_of_columns_do_not_matter(rows: tuple) -> None:
    X, y, w = rows
    how, order = BinnedTrees(trees=8, depth=3), np.random.default_rng(0).permutation(N)
    made = how.fit(X, y, w).predict(X)
    np.testing.assert_allclose(how.fit(X[order], y[order], w[order]).predict(X), made, rtol=1e-10)
    far = np.ldexp(np.round(np.ldexp(X, 20)), -20)
    moved, ahead = how.fit(far + 2.0**20, y + 1e6, w).predict(far + 2.0**20), how.fit(far, y, w).predict(far)
    np.testing.assert_allclose(moved - 1e6, ahead, atol=1e-8)


def test_folds_have_not_seen_their_own_outcomes(rows: tuple) -> None:
    X, y, w = rows
    folds, how = np.arange(N) % 3, BinnedTrees(trees=5, depth=2)
    one = how.fit_folds(X, y, folds, w)
    two = how.fit_folds(X, np.where(folds == 1, 1e6, y), folds, w)
    np.testing.assert_array_equal(one[1].predict(X), two[1].predict(X))
    assert abs(two[0].predict(X)).max() > 1e3
    # The same bins and the other folds' rows alone make the same model.
    _, trees = fit_together([how], X, [y], [folds != 2], None, w)
    np.testing.assert_allclose(trees.leaf[0], one[2].trees.leaf[2], rtol=1e-10)


def test_pieces_and_further_levels(rows: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, w = rows
    how = BinnedTrees(trees=4, depth=3)
    whole = how.fit(X, y, w).predict(X)
    monkeypatch.setattr(binned_trees, "_CHUNK", 37)
    np.testing.assert_allclose(how.fit(X, y, w).predict(X), whole, rtol=1e-10)
    # Rows that are met in the middle come to the sums of rows that were there from the beginning.
    bins, trees = fit_together([how], X, [y], [None], None, w)
    codes = bins.codes(X)
    there = BinnedRows(codes, {0: y}, w)
    grown = type(trees).planted(how.plan, trees.logistic, trees.start)
    for _ in range(how.trees * how.depth):
        sums = there.level(grown)
        np.testing.assert_allclose(BinnedRows(codes, {0: y}, w).level(grown)[0], sums[0], atol=1e-10)
        grown = grown.grown(sums)
    np.testing.assert_array_equal(grown.cut, trees.cut)


def test_many_rows_bin_by_a_sample_of_their_values(rows: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, _ = rows
    monkeypatch.setattr(binned_trees, "SAMPLE", 200)
    order = np.random.default_rng(0).permutation(N)
    how = BinnedTrees(trees=5, depth=2, bins=16)
    one, two = how.fit(X, y), how.fit(X[order], y[order])
    np.testing.assert_array_equal(one.bins.cuts, two.bins.cuts)
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-10)


def test_without_covariates_and_importances(rows: tuple) -> None:
    X, y, w = rows
    assert np.ptp(BinnedTrees().fit(X[:, :0], y, w).predict(X[:, :0])) == 0.0
    share = BinnedTrees(trees=10).fit(X, np.abs(X[:, 0])).importances()
    assert share.sum() == pytest.approx(1.0) and share[0] > 0.9
    assert resolve("binned_trees", "probability").loss == "logistic" and resolve("binned_trees").loss == "squared"


@pytest.mark.parametrize(
    "options",
    [{"trees": 0}, {"depth": 9}, {"bins": 256}, {"learning_rate": 0.0}, {"l2": -1.0}, {"loss": "absolute"}],
)
def test_refused_options(options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        BinnedTrees(**options)


def test_refused_outcomes(rows: tuple) -> None:
    X, y, w = rows
    with pytest.raises(DataError, match="between 0 and 1"):
        BinnedTrees(loss="logistic").fit(X, y, w)
