"""Least squares, ridge and kernel ridge against scikit-learn, refits and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge as SkKernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Ridge as SkRidge

from statinf.errors import DataError, OptionError
from statinf.learners import KernelRidge, LeastSquares, Ridge, fold_ids, leave_one_out, resolve
from statinf.learners.gaussian import GaussianLocationScale
from statinf.learners.spline import SplineRidge


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(1)
    X = random.normal(size=(60, 4)) * [1.0, 10.0, 0.1, 3.0] + [5.0, -100.0, 0.0, 2.0]
    y = X @ [1.0, -0.2, 3.0, 0.5] + random.normal(size=60)
    return X, y, random.uniform(0.2, 3.0, 60), random.normal(size=(7, 4)) * [1.0, 10.0, 0.1, 3.0]


@pytest.mark.parametrize("penalty", [0.0, 0.3, 20.0])
def test_linear_matches_sklearn_with_weights(rows, penalty):
    X, y, w, new = rows
    ours = Ridge(penalty).fit(X, y, w)
    theirs = (SkRidge(alpha=penalty, solver="svd") if penalty else LinearRegression()).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(ours.predict(new), theirs.predict(new), rtol=1e-9)


def test_collinear_columns_predict_as_without_them(rows):
    X, y, w, _ = rows
    double = np.column_stack([X, X[:, 0] - X[:, 3], np.ones(60)])
    np.testing.assert_allclose(
        LeastSquares().fit(double, y, w).predict(double), LeastSquares().fit(X, y, w).predict(X), rtol=1e-8
    )


@pytest.mark.parametrize("learner", [LeastSquares(), Ridge(2.0)])
def test_folds_in_one_pass_equal_refits(rows, learner):
    X, y, w, new = rows
    folds = fold_ids(60, 7, seed=3)
    for k, fitted in enumerate(learner.fit_folds(X, y, folds, w)):
        keep = folds != k
        np.testing.assert_allclose(fitted.predict(new), learner.fit(X[keep], y[keep], w[keep]).predict(new), rtol=1e-10)


def test_ill_conditioned_folds_keep_their_digits():
    random = np.random.default_rng(0)
    base = random.normal(size=200)
    X = np.column_stack([base, base + 1e-6 * random.normal(size=200)])
    y = X[:, 0] + random.normal(size=200)
    folds = fold_ids(200, 4)
    for k, fitted in enumerate(LeastSquares().fit_folds(X, y, folds)):
        design = np.column_stack([np.ones(200), X])[folds != k]
        expected = np.column_stack([np.ones(200), X]) @ np.linalg.lstsq(design, y[folds != k], rcond=None)[0]
        np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("learner", [LeastSquares(), Ridge(2.0), Ridge(1e-3)])
def test_leave_one_out_equals_refits(rows, learner):
    X, y, w, new = rows
    loo = leave_one_out(learner, X, y, w)
    assert loo.closed_form
    predicted = loo.predict_without(new)
    for i in range(0, 60, 7):
        keep = np.arange(60) != i
        refit = learner.fit(X[keep], y[keep], w[keep])
        np.testing.assert_allclose(predicted[:, i], refit.predict(new), rtol=1e-9)
        np.testing.assert_allclose(loo.residuals[i], y[i] - refit.predict(X[i : i + 1])[0], rtol=1e-8)


@pytest.mark.parametrize("learner", [LeastSquares(), Ridge(2.0), KernelRidge(0.7), KernelRidge(2.0, "linear")])
def test_adding_a_row_equals_a_refit(rows, learner):
    X, y, w, new = rows
    smooth = learner.smoother(X, y, w)
    cross, own, mean = smooth.cross(new), smooth.own(new), smooth.fitted.predict(new)
    if isinstance(learner, KernelRidge):  # the standardisation stays that of the rows before
        learner = _Fixed(learner, X, w)
    for j in range(3):
        value = 4.0
        more = learner.fit(np.vstack([X, new[j]]), np.append(y, value), np.append(w, 1.0))
        moved = smooth.fitted.predict(X) + cross[j] * (value - mean[j]) / (1 + own[j])
        np.testing.assert_allclose(moved, more.predict(X), rtol=1e-8)


class _Fixed:
    """Kernel ridge whose standardisation is given."""

    def __init__(self, learner, X, w):
        self.learner, self.kernel = learner, learner._kernel(X, w)

    def fit(self, X, y, w):
        from statinf.learners.kernel_ridge import _solve

        return _solve(X, y, w, self.learner.penalty, self.kernel)[0]


def test_kernel_ridge_leave_one_out_and_oracle(rows):
    X, y, w, new = rows
    learner = KernelRidge(0.7)
    loo, fixed = leave_one_out(learner, X, y, w), _Fixed(learner, X, w)
    for i in (0, 13, 59):
        keep = np.arange(60) != i
        refit = fixed.fit(X[keep], y[keep], w[keep])
        np.testing.assert_allclose(loo.predict_without(new)[:, i], refit.predict(new), rtol=1e-9)
        np.testing.assert_allclose(loo.residuals[i], y[i] - refit.predict(X[i : i + 1])[0], rtol=1e-9)
    fitted = learner.fit(X, y)
    Z = (X - X.mean(0)) / X.std(0)
    oracle = SkKernelRidge(alpha=0.7, kernel="rbf", gamma=1 / (2 * 4)).fit(Z, y - fitted.intercept)
    np.testing.assert_allclose(
        fitted.predict(new), fitted.intercept + oracle.predict((new - X.mean(0)) / X.std(0)), rtol=1e-9
    )
    assert abs(fitted.dual.sum()) < 1e-9  # first-order condition of the free intercept


def test_a_row_that_determines_its_fit_has_infinite_residual(rows):
    X, y, _, new = rows
    lonely = np.column_stack([X, np.arange(60) == 5])
    loo = leave_one_out(LeastSquares(), lonely, y)
    assert np.isinf(loo.residuals[5])
    assert np.isfinite(loo.predict_without(np.column_stack([new, np.zeros(7)]))).all()


def test_no_columns_is_the_mean(rows):
    _, y, w, _ = rows
    assert LeastSquares().fit(np.zeros((60, 0)), y, w).intercept == pytest.approx(np.average(y, weights=w))


def test_bad_input(rows):
    X, y, w, _ = rows
    with pytest.raises(DataError, match="Row 3"):
        LeastSquares().fit(X, np.where(np.arange(60) == 3, np.nan, y))
    with pytest.raises(DataError, match="Weights"):
        LeastSquares().fit(X, y, -w)
    with pytest.raises(OptionError, match="penalty"):
        Ridge(-1.0)
    with pytest.raises(OptionError, match="choose one of"):
        resolve("ridgee")
    with pytest.raises(OptionError, match="class"):
        resolve(Ridge)
    with pytest.raises(OptionError, match="from 2 to"):
        fold_ids(10, 11)


def test_linear_quantiles_minimise_the_check_loss(rows):
    from scipy.optimize import linprog

    from statinf.learners import LinearQuantile

    X, y, w, _new = rows
    double = np.column_stack([X, X[:, 0] - X[:, 3]])
    fitted = LinearQuantile().at_taus((0.1, 0.7)).fit(double, y, w)
    Z = np.column_stack([np.ones(60), X])
    for tau in (0.1, 0.7):
        cost = np.concatenate([np.zeros(5), tau * w, (1 - tau) * w])
        free = [(None, None)] * 5 + [(0, None)] * 120
        best = linprog(cost, A_eq=np.hstack([Z, np.eye(60), -np.eye(60)]), b_eq=y, bounds=free, method="highs")
        error = y - fitted.predict_quantiles(double, np.array([tau]))[:, 0]
        assert np.sum(w * error * (tau - (error < 0))) == pytest.approx(best.fun, rel=1e-9)
    with pytest.raises(OptionError, match="asked for"):
        fitted.predict_quantiles(double, np.array([0.5]))


def test_splines_are_lines_beyond_their_knots():
    random = np.random.default_rng(0)
    x = random.standard_normal(200)
    fit = SplineRidge().fit(x[:, None], np.sin(x) + 0.1 * random.standard_normal(200))
    # So far out cubes of distances would have lost every digit of what is left of them.
    for far in (1e6, 1e100):
        here = fit.predict(np.array([[far], [2.0 * far], [3.0 * far]]))
        assert here[2] - here[1] == pytest.approx(here[1] - here[0], rel=1e-9)
    assert here[0] / 1e100 == pytest.approx(
        (fit.predict(np.array([[9.0]])) - fit.predict(np.array([[8.0]])))[0], rel=1e-9
    )


def test_scales_far_out_are_finite():
    random = np.random.default_rng(1)
    x = random.standard_normal((100, 1))
    fit = GaussianLocationScale().fit(x, x[:, 0] + np.exp(0.5 * x[:, 0]) * random.standard_normal(100))
    far = fit.predict_quantiles(np.array([[1e6]]), np.array([0.1, 0.5, 0.9]))
    assert np.isfinite(far).all() and far[0, 1] == pytest.approx(fit.predict(np.array([[1e6]]))[0])
