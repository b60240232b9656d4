import numpy as np
import pytest
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.linear_model import Ridge as SkRidge

import statinf as si
from statinf.learners.constant import Constant
from statinf.learners.kernel_ridge import KernelRidge
from statinf.learners.lasso import LassoPath
from statinf.learners.linear import LeastSquares, Ridge
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict, splits
from statinf.learners.random_features import RandomFeatureRidge
from statinf.learners.registry import resolve
from statinf.learners.ridge_path import RidgePath
from statinf.learners.spline import SplineRidge


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((400, 5)) * [1, 10, 0.1, 1, 1] + [0, 100, 0, 5, 0]
    d = (rng.random(400) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    y = X[:, 0] + np.sin(X[:, 4]) + d + 0.3 * rng.standard_normal(400)
    return X, d, y, rng.random(400) + 0.5


@pytest.mark.parametrize("learner", [LeastSquares(), Ridge(3.0)])
def test_all_folds_and_arms_from_sums_are_the_separate_fits(rows, learner):
    X, d, y, w = rows
    folds = splits(400, 4, 2, 0, d)
    asked = [Nuisance("all", y, learner), Nuisance("one", y, learner, rows=d > 0), Nuisance("d", d, learner)]
    for made, split in zip(cross_predict(X, asked, folds, w), folds, strict=True):
        for q in asked:
            for k in range(4):
                train = (split != k) & (np.ones(400, bool) if q.rows is None else q.rows)
                direct = learner.fit(X[train], q.target[train], (w / w.mean())[train]).predict(X[split == k])
                np.testing.assert_allclose(made[q.name][split == k], direct, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_logits_by_fold_are_the_separate_maxima(rows, penalty):
    X, d, _, _ = rows
    split = splits(400, 5, 1, 0, d)
    made = cross_predict(X, [Nuisance("d", d, Logit(penalty), probability=True)], split)[0]["d"]
    for k in range(5):
        train, here = split[0] != k, split[0] == k
        peer = LogisticRegression(
            C=1 / penalty if penalty else np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky"
        )
        np.testing.assert_allclose(made[here], peer.fit(X[train], d[train]).predict_proba(X[here])[:, 1], atol=1e-8)


def test_a_strong_fold_falls_back_to_its_own_newton():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 3)) * 2
    d = (rng.random(40) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    split = splits(40, 2, 1, 0, d)
    made = cross_predict(X, [Nuisance("d", d, Logit(0.5), probability=True)], split)[0]["d"]
    for k in (0, 1):
        direct = Logit(0.5).fit(X[split[0] != k], d[split[0] != k]).predict(X[split[0] == k])
        np.testing.assert_allclose(made[split[0] == k], direct, atol=1e-9)


@pytest.mark.parametrize(("penalty", "weighted"), [(0.0, False), (30.0, True)])
def test_many_rows_start_from_a_share_of_them(penalty, weighted):
    random = np.random.default_rng(0)
    X = random.standard_normal((40_000, 3)) * [1.0, 50.0, 0.01] + [0.0, 400.0, 0.0]
    y = (random.random(40_000) < 1 / (1 + np.exp(1 - X[:, 0]))) * 1.0
    w = random.exponential(size=40_000) if weighted else np.ones(40_000)
    fitted = Logit(penalty).fit(X, y, w)
    left = w * (y - fitted.predict(X))
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    score = np.append(left.sum(), z.T @ left - penalty * fitted.coefficients / X.std(axis=0))
    # In standard errors of the score; rounding of the sum over rows alone is some 1e-14 of it.
    assert np.abs(score).max() < 1e-9 * np.sqrt(w @ left**2)


def test_logits_on_some_rows_are_those_of_the_rows_alone():
    random = np.random.default_rng(1)
    X = random.standard_normal((40_000, 2))
    arm = random.random(40_000) < 0.3
    y = (random.random(40_000) < 1 / (1 + np.exp(-X[:, 0]))) * 1.0
    wanted = [Nuisance(f"outcome{k}", y, Logit(), rows=arm == k) for k in (0, 1)] + [
        Nuisance("arm", arm * 1.0, Logit())
    ]
    made = cross_predict(X, wanted, None)[0]
    for k in (0, 1):
        alone = Logit().fit(X[arm == k], y[arm == k])
        np.testing.assert_allclose(made[f"outcome{k}"], alone.predict(X), atol=1e-12)
    np.testing.assert_allclose(made["arm"], Logit().fit(X, arm * 1.0).predict(X), atol=1e-12)


def test_separation_is_named(rows):
    X, _, _, _ = rows
    many = np.random.default_rng(0).standard_normal((40_000, 2))
    with pytest.raises(si.ConvergenceError, match="separate"):
        Logit().fit(many, (many[:, 0] > 0).astype(float))
    with pytest.raises(si.ConvergenceError, match="separate"):
        Logit().fit(X, (X[:, 0] > 0).astype(float))


def test_lasso_against_scikit_learn(rows):
    X, _, y, w = rows
    fitted = LassoPath().fit(X, y, w, seed=2)
    scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=w)) ** 2, axis=0, weights=w))
    for k in (5, 30, 55):
        peer = Lasso(alpha=fitted.penalties[k], tol=1e-12, max_iter=100_000).fit(X / scale, y, sample_weight=w)
        np.testing.assert_allclose(fitted.path[k], peer.coef_ / scale, atol=1e-7)
    one = LassoPath(penalty=float(fitted.penalties[30])).fit(X, y, w)
    np.testing.assert_allclose(one.coefficients, fitted.path[30], atol=1e-8)
    assert np.count_nonzero(LassoPath(rule="1se").fit(X, y, w).coefficients) <= np.count_nonzero(fitted.coefficients)
    # Errors from sums are errors of predictions.
    assert fitted.errors.min() == pytest.approx(np.average((y - fitted.predict(X)) ** 2, weights=w), rel=0.1)


def test_ridge_path_is_ridge_at_its_best_penalty(rows):
    X, _, y, _ = rows
    scale = X.std(axis=0)
    fitted = RidgePath((0.05,)).fit(X, y)
    peer = SkRidge(alpha=0.05 * 400).fit(X / scale, y)
    np.testing.assert_allclose(fitted.coefficients * scale, peer.coef_, rtol=1e-9)


def test_splines_and_random_features_learn_a_curve():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (1500, 2))
    y = np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) + 0.2 * rng.standard_normal(1500)
    new = rng.uniform(-2.8, 2.8, (500, 2))
    truth = np.sin(2 * new[:, 0]) + np.abs(new[:, 1])
    line = LeastSquares().fit(X, y).predict(new)
    for learner in (SplineRidge(10), RandomFeatureRidge(200, bandwidth=0.7), RandomFeatureRidge(200, "nystrom", 0.7)):
        error = np.mean((learner.fit(X, y).predict(new) - truth) ** 2)
        assert error < 0.05 * np.mean((line - truth) ** 2)
    # With every row a landmark Nyström is kernel ridge itself.
    few = slice(0, 120)
    ours = RandomFeatureRidge(120, "nystrom", 1.0, (1e-2,)).fit(X[few], y[few])
    exact = KernelRidge(penalty=1.2, bandwidth=1.0).fit(X[few], y[few])
    np.testing.assert_allclose(ours.predict(new), exact.predict(new), atol=1e-4)


def test_names_numbers_and_faults():
    assert resolve("logit", "probability") == Logit()
    assert resolve(0.5, "probability") == Constant(0.5)
    assert resolve("lasso", "mean") == LassoPath()
    with pytest.raises(si.OptionError, match="'rq' cannot serve for a mean"):
        resolve("rq", "mean")
    with pytest.raises(si.OptionError, match="between 0 and 1"):
        resolve(1.5, "probability")
    with pytest.raises(si.OptionError, match="repeats"):
        splits(10, np.arange(10) % 2, 2, 0, None)
    with pytest.raises(si.DataError, match="fold 0 leaves no row"):
        cross_predict(
            np.zeros((4, 1)),
            [Nuisance("a", np.ones(4), Ridge(), rows=np.array([1, 1, 0, 0], bool))],
            np.array([[0, 0, 1, 1]]),
        )


def test_many_splits_at_once_are_the_separate_maxima():
    # Weights, an arm of its own, outcomes that are probabilities, and a collinear column with a penalty.
    rng = np.random.default_rng(5)
    n = 1500
    X = rng.standard_normal((n, 4))
    X = np.column_stack([X, X[:, 0]])
    d = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 1] - d))).astype(float)
    w = rng.exponential(size=n)
    asked = [
        Nuisance("d", d, Logit(1.5), probability=True),
        Nuisance("y", y, Logit(0.7), rows=d > 0, probability=True),
        Nuisance("line", y, Ridge(2.0), rows=d < 1),
    ]
    folds = splits(n, 5, 20, 3, d)
    made = cross_predict(X, asked, folds, w)
    assert len(made) == 20
    for r in (0, 7, 19):
        for k in (0, 4):
            here = folds[r] == k
            for q in asked:
                train = ~here & (np.ones(n, bool) if q.rows is None else q.rows)
                direct = q.learner.fit(X[train], q.target[train], (w / w.mean())[train]).predict(X[here])
                np.testing.assert_allclose(made[r][q.name][here], direct, atol=2e-9)


def test_a_separated_training_set_is_named_whatever_the_other_folds_say():
    # Only fold 0 holds the rows that keep the covariate from separating the treatment.
    x = np.linspace(-1, 1, 200)
    d = (x > 0).astype(float)
    split = np.arange(200) % 4
    d[split == 0] = 1 - d[split == 0]
    with pytest.raises(si.ConvergenceError, match="separate"):
        cross_predict(x[:, None], [Nuisance("d", d, Logit(), probability=True)], split[None])


def test_fold_labels_keep_their_order():
    np.testing.assert_array_equal(splits(4, np.array([7, 3, 7, 5]), 1, 0, None)[0], [2, 0, 2, 1])
    np.testing.assert_array_equal(splits(4, np.array([2, 0, 2, 1]), 1, 0, None)[0], [2, 0, 2, 1])


def test_whole_clusters_share_a_fold():
    from statinf.learners.crossfit import fold_ids

    random = np.random.default_rng(0)
    groups = random.integers(0, 40, 600)
    treated = random.random(600) < 0.3
    split = fold_ids(600, 5, seed=1, strata=treated, groups=groups)
    assert all(len(np.unique(split[groups == g])) == 1 for g in range(40))
    # Sizes and treated shares differ by less than one cluster.
    largest = np.bincount(groups).max()
    assert np.ptp(np.bincount(split)) <= largest and np.ptp(np.bincount(split[treated])) <= largest
    # One cluster of most of the rows still leaves every fold a cluster.
    uneven = np.repeat([0, 1, 2], [90, 1, 1])
    assert sorted(np.bincount(fold_ids(92, 3, groups=uneven))) == [1, 1, 90]
    # Clusters of one row are rows.
    np.testing.assert_array_equal(fold_ids(50, 5, groups=np.arange(50)), fold_ids(50, 5))
    with pytest.raises(si.OptionError, match="folds=5 with 3 clusters"):
        fold_ids(92, 5, groups=uneven)


@pytest.mark.parametrize("folds", [True, 1, 2.5, "five", [[0, 1]], [0, 1, np.nan, 1], ["a", None, "b", "a"], [0, 1]])
def test_folds_that_cannot_be_used(folds):
    from statinf.learners.crossfit import fold_ids

    with pytest.raises(si.OptionError, match="folds"):
        fold_ids(4, folds)
