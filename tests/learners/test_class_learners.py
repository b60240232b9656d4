"""Learners of class probabilities: the multinomial logit beside scikit-learn, and names by task."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si
from statinf.errors import SeparationWarning
from statinf.learners import multinomial, resolve
from statinf.learners.classes import ClassLearner, OneVersusRest, checked_probabilities, class_numbers
from statinf.learners.linear import Ridge
from statinf.learners.logit import Logit
from statinf.learners.multinomial import Multinomial
from statinf.learners.multinomial_folds import class_probabilities

AWAY = np.array([0.0, 1e7, -1e5])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    eta = X @ rng.normal(size=(3, 4)) + rng.normal(size=4)
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, y.astype(float)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 20.0])
def test_probabilities_of_scikit_learn(rows, penalty):
    linear = pytest.importorskip("sklearn.linear_model")
    X, y = rows
    peer = linear.LogisticRegression(C=1.0 / penalty if penalty else np.inf, tol=1e-12, max_iter=10_000).fit(X, y)
    ours = Multinomial(penalty).fit(X, y).predict_proba(X)
    # The peer stops at a gradient of some 1e-6 of the rows.
    np.testing.assert_allclose(ours, peer.predict_proba(X), rtol=0, atol=2e-6)


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_the_gradient_is_zero_at_the_estimate_wherever_a_column_stands(rows, penalty):
    X, y = rows
    near, far = (Multinomial(penalty).fit(Z, y) for Z in (X, X + AWAY))
    P = near.predict_proba(X)
    raw = near.coefficients[:, 1:] / near.scale
    score = (np.eye(4)[y.astype(int)] - P).T @ np.column_stack([np.ones(400), X])
    score[:, 1:] -= penalty * raw
    assert np.abs(score).max() < 1e-7
    np.testing.assert_allclose(far.predict_proba(X + AWAY), P, atol=1e-7)


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_two_classes_are_the_binary_logit(rows, penalty):
    X, y = rows
    two = (y > 1).astype(float)
    expected = Logit(penalty).fit(X, two).predict_proba(X)
    np.testing.assert_allclose(Multinomial(penalty).fit(X, two).predict_proba(X)[:, 1], expected, atol=1e-9)


def test_weights_count_rows(rows):
    X, y = rows
    w = np.random.default_rng(1).integers(0, 3, 400).astype(float)
    twice = np.repeat(np.arange(400), w.astype(int))
    one, other = Multinomial().fit(X, y, w), Multinomial().fit(X[twice], y[twice])
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-9)


def test_many_coefficients_take_another_route_to_the_same_minimum(rows, monkeypatch):
    X, y = rows
    newton = [Multinomial(p).fit(X, y).predict_proba(X) for p in (0.0, 2.0)]
    monkeypatch.setattr(multinomial, "_DIRECT", 0)
    for expected, penalty in zip(newton, (0.0, 2.0), strict=True):
        np.testing.assert_allclose(Multinomial(penalty).fit(X, y).predict_proba(X), expected, atol=2e-6)


@pytest.mark.parametrize("direct", [0, 1500])
def test_separation_is_told_and_ends_in_finite_coefficients(rows, monkeypatch, direct):
    X, y = rows
    monkeypatch.setattr(multinomial, "_DIRECT", direct)
    apart = X + np.outer(y == 2, [100.0, 0.0, 0.0])
    with pytest.warns(SeparationWarning, match="no maximum"):
        fit = Multinomial().fit(apart, y)
    assert np.abs(fit.coefficients).max() < 100 and (fit.predict_proba(apart)[y == 2, 2] > 0.9).all()


def test_one_class_and_no_covariates(rows):
    X, y = rows
    assert (Multinomial().fit(X, np.ones(400)).predict_proba(X) == 1.0).all()
    shares = Multinomial().fit(np.zeros((400, 0)), y).predict_proba(np.zeros((2, 0)))
    np.testing.assert_allclose(shares[0], np.bincount(y.astype(int)) / 400, atol=1e-10)
    with pytest.raises(si.OptionError, match="penalty"):
        Multinomial(-1.0)


@pytest.mark.parametrize("name", ["lm", "logit", "ridge", "spline", "forest", "gbm"])
def test_names_of_a_probability_learn_classes(rows, name):
    if name in ("forest", "gbm"):
        pytest.importorskip("sklearn")
    X, y = rows
    learner = resolve(name, "classes", "model")
    assert isinstance(learner, ClassLearner)
    fitted = learner.fit(X, np.where(y == 0, 1, y).astype(int), list("abcd"))
    P = fitted.probabilities(X)
    assert P.shape == (400, 4) and (P[:, 0] == 0).all() and fitted.absent(list("abcd")) == ("a",)
    np.testing.assert_allclose(P.sum(axis=1), 1.0, atol=1e-12)
    codes = np.where(y == 0, 1, y).astype(int)
    assert (P.argmax(axis=1) == codes).mean() > (codes == 1).mean()


def test_what_a_native_object_becomes():
    assert resolve(Logit(2.0), "classes").learner == Multinomial(2.0)
    assert resolve(Ridge(2.0), "classes").learner == OneVersusRest(Ridge(2.0))
    for spec, said in ((0.5, "no model of classes"), (Ridge, "is a class"), (object(), "needs a method `fit`")):
        with pytest.raises(si.OptionError, match=said):
            resolve(spec, "classes", "model")


class NumbersOnly:
    """An estimator that takes numbers from zero only, as some gradient boosters do."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.classes_.dtype.kind not in "iu" or self.classes_[0] != 0:
            raise ValueError("Invalid classes inferred from unique values of y")
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1.0 / len(self.classes_))


def test_an_estimator_that_takes_numbers_only_gets_numbers(rows):
    X, y = rows
    fitted = resolve(NumbersOnly(), "classes").fit(X, y.astype(int), list("abcd"))
    assert fitted.columns.tolist() == [0, 1, 2, 3]
    ints = resolve(NumbersOnly(), "classes").fit(X, y.astype(int), [1, 2, 3, 4])
    assert ints.columns.tolist() == [0, 1, 2, 3]
    part = resolve(NumbersOnly(), "classes").fit(X, np.maximum(y, 1).astype(int), list("abcd"))
    assert part.columns.tolist() == [1, 2, 3] and (part.probabilities(X)[:, 0] == 0).all()


def test_classes_are_found_by_value_or_text():
    assert class_numbers(np.array([2.0, 0.0]), (0, 1, 2), "m").tolist() == [2, 0]
    assert class_numbers(np.array(["1", "2"]), (1, 2), "m").tolist() == [0, 1]
    with pytest.raises(si.DataError, match="none of the outcome's"):
        class_numbers(np.array(["x", "y"]), ("a", "b"), "m")


def test_loose_sums_are_divided_and_others_left_alone():
    exact = np.array([[0.2, 0.8], [1.0 / 3.0, 2.0 / 3.0]])
    np.testing.assert_array_equal(checked_probabilities(exact.copy(), "m"), exact)
    loose = checked_probabilities(np.array([[0.2, 0.8 + 5e-7]]), "m")
    assert loose.sum() == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("folds", [None, 2])
def test_many_rows_start_from_a_share_of_them(folds):
    random = np.random.default_rng(3)
    X = random.standard_normal((50_000, 2)) * [1.0, 40.0] + [0.0, 500.0]
    codes = (random.gumbel(size=(50_000, 3)) + X[:, :1] * [0.0, 0.7, -0.3]).argmax(axis=1)
    w = random.exponential(size=50_000)
    split = None if folds is None else np.arange(50_000) % folds
    chance = class_probabilities(X, codes, w, Multinomial(), split)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0, atol=1e-14)
    if folds is None:
        # The score at the maximum, in its own standard errors.
        left = w[:, None] * ((codes[:, None] == np.arange(3)) - chance)
        for column in (np.ones(50_000), X[:, 0], (X[:, 1] - 500.0) / 40.0):
            part = column[:, None] * left
            assert (np.abs(part.sum(axis=0)) < 1e-8 * np.sqrt((part**2).sum(axis=0))).all()
        return
    for f in range(folds):
        alone = Multinomial().fit(X[split != f], codes[split != f], w[split != f])
        np.testing.assert_allclose(chance[split == f], alone.predict_proba(X[split == f]), atol=1e-10)
