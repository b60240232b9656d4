"""The PRESTO path on the caller's scale: reference values, invariance, cross-validation, crossing."""

import numpy as np
import pytest

from statinf.errors import ConvergenceError, DataError, NumericalWarning, StatinfWarning
from statinf.quantile.penalties import PenaltyScores
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.path import class_probabilities, penalties_of, presto_path, presto_paths, warn_crossed
from statinf.quantile.presto.rows import PrestoRows
from statinf.quantile.presto.validation import usable_folds, validate, weights_without

OPTIONS = PrestoOptions()
NAMES = ("a", "b", "c", "d")


def cross_validate(rows, penalties, fold, options, levels):
    usable = usable_folds(rows, fold)
    paths = presto_paths(rows, weights_without(rows, fold, usable), penalties, options)
    return validate(paths, rows, fold, usable, options.criterion, levels)


def solutions(rows, penalties, **options):
    return presto_path(rows, np.sort(np.asarray(penalties, float))[::-1], PrestoOptions(**options))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 4))
    slopes = np.cumsum([[0.5, -0.5, 0.5, 0], [0, 0.5, 0, 0], [0, 0, -0.5, 0]], axis=0)
    below = 1 / (1 + np.exp(-(np.array([0, 1.5, 2.5]) + X @ slopes.T)))
    return PrestoRows(X, (rng.random(600)[:, None] > below).sum(axis=1), 4, np.ones(600))


def test_intercepts_and_predictions_use_cumulated_slopes(rows):
    found = solutions(rows, [0.005, 0.02])
    np.testing.assert_array_equal(found.penalties, [0.02, 0.005])
    np.testing.assert_allclose(found.intercepts[0], (-0.02340793, 1.38271323, 2.72078654), atol=1e-6)
    np.testing.assert_allclose(found.differences[1, 1], (0.21255677, 0.47688530, -0.14804636, 0), atol=1e-6)
    np.testing.assert_allclose(found.loglik, (-675.70164, -669.62303), atol=1e-5)
    shares, crossed = class_probabilities(found.eta(1, rows.X))
    assert not crossed.any()
    # predictions of the raw scale score what the model was fitted with
    assert np.log(shares[np.arange(600), rows.codes]).sum() == pytest.approx(found.loglik[1], abs=1e-8)
    np.testing.assert_array_equal(found.n_nonproportional, (3, 3))


def test_columns_may_be_far_and_of_any_size(rows):
    base = solutions(rows, [0.01])
    size = np.array([1e-6, 1.0, 1e4, 1.0])
    moved = solutions(PrestoRows(rows.X * size + 1e5 * size, rows.codes, 4, 3 * rows.weights), [0.01])
    np.testing.assert_allclose(moved.differences * size, base.differences, atol=1e-8)
    np.testing.assert_allclose(moved.loglik, 3 * base.loglik, rtol=1e-9)


def test_weights_are_repeated_rows(rows):
    w = np.where(np.arange(600) % 3 == 0, 2.0, 1.0)
    by_weight = solutions(PrestoRows(rows.X, rows.codes, 4, w), [0.01])
    again = solutions(rows.take(np.repeat(np.arange(600), w.astype(int))), [0.01])
    np.testing.assert_allclose(by_weight.differences, again.differences, atol=1e-8)


@pytest.mark.parametrize("penalize_first", [True, False])
def test_path_starts_where_all_that_is_penalised_is_zero(rows, penalize_first):
    options = PrestoOptions(nlambda=5, penalize_first=penalize_first)
    found = presto_path(rows, penalties_of(rows, options), options)
    assert not found.differences[0, 1:].any()
    assert found.differences[0, 0].any() == (not penalize_first)
    assert found.differences[1].any()
    if penalize_first:
        shares = np.cumsum(np.bincount(rows.codes) / 600)[:-1]
        np.testing.assert_allclose(found.intercepts[0], np.log(shares / (1 - shares)), atol=1e-8)


def test_cross_validation_scores_rows_left_out(rows):
    given = penalties_of(rows, PrestoOptions(nlambda=6))
    fold = np.arange(600) % 3
    found = cross_validate(rows, given, fold, OPTIONS, NAMES)
    refit = presto_path(rows.take(fold != 1), given, OPTIONS)
    left = rows.take(fold == 1)
    shares, _ = class_probabilities(refit.eta(2, left.X))
    direct = ((shares - np.eye(4)[left.codes]) ** 2).sum(axis=1).mean()
    assert found.scores[1, 2] == pytest.approx(direct, rel=1e-12)
    assert PenaltyScores(np.array([[2.0, 1.0, 1.0]]), np.array([1.0])).best == 1
    likelihood = cross_validate(rows, given, fold, PrestoOptions(criterion="loglik"), NAMES)
    assert likelihood.mean[-1] < likelihood.mean[0]
    # with folds of one size the error is that of a mean of three
    np.testing.assert_allclose(found.error, found.scores.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-12)


def test_folds_that_lack_a_category_are_told(rows):
    given = np.array([0.02])
    fold = np.where(rows.codes == 3, 0, np.arange(600) % 3)
    with pytest.warns(StatinfWarning) as told:
        found = cross_validate(rows, given, fold, OPTIONS, NAMES)
    said = " ".join(str(w.message) for w in told)
    assert "1 of 3 folds were skipped" in said and "no row of 'd'" in said
    assert found.scores.shape == (2, 1) and found.shares.sum() == pytest.approx(1.0)
    left = rows.take(fold == 1)
    shares, _ = class_probabilities(presto_path(rows.take(fold != 1), given, OPTIONS).eta(0, left.X))
    # the term of the category that the fold's rows lack is left out
    direct = ((shares - np.eye(4)[left.codes]) ** 2)[:, :3].sum(axis=1).mean()
    assert found.scores[0, 0] == pytest.approx(direct, rel=1e-12)
    with pytest.raises(DataError, match="fewer folds"):
        cross_validate(rows, given, (rows.codes == 3).astype(int) + 2 * (rows.codes == 2), OPTIONS, NAMES)


def test_crossing_is_sorted_and_told():
    shares, crossed = class_probabilities(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    np.testing.assert_array_equal(crossed, [True, False])
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-15)
    with pytest.warns(NumericalWarning, match="50 percent"):
        warn_crossed(crossed)


def test_rows_that_cannot_be_used(rows):
    with pytest.raises(DataError, match="no column"):
        penalties_of(PrestoRows(np.ones((600, 1)), rows.codes, 4, rows.weights), OPTIONS)
    apart = PrestoRows(np.arange(30.0)[:, None], np.repeat([0, 1, 2], 10), 3, np.ones(30))
    with pytest.raises(ConvergenceError, match="separate categories"):
        solutions(apart, [0.0], max_iter=8)
    assert solutions(apart, [0.1]).residuals.max() <= 1e-10


def test_a_constant_column_and_one_column_work(rows):
    two = PrestoRows(np.column_stack([rows.X[:, 0], np.full(600, 7.0)]), rows.codes, 4, rows.weights)
    one = PrestoRows(rows.X[:, :1], rows.codes, 4, rows.weights)
    found = solutions(two, [0.01])
    assert not found.differences[0, :, 1].any()
    np.testing.assert_allclose(found.differences[0, :, 0], solutions(one, [0.01]).differences[0, :, 0], atol=1e-9)


def test_of_penalties_whose_scores_differ_by_rounding_the_largest_is_chosen():
    scores = PenaltyScores(np.array([[0.7, 0.5 + 1e-15, 0.5, 0.6]]), np.ones(1))
    assert scores.best == scores.pick("min") == 1
