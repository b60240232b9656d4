"""MAPIE 1.6 and crepes 0.9 on the same splits, and brute-force refits."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalRegressor
from mapie.regression import (
    ConformalizedQuantileRegressor,
    CrossConformalRegressor,
    SplitConformalRegressor,
)
from scipy import stats
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.linear_model import Ridge as SkRidge
from sklearn.model_selection import LeaveOneOut, PredefinedSplit

from statinf.conformity.cp2_hpd import CP2HPD
from statinf.conformity.cqr import CQR, QuantilePair
from statinf.conformity.leave_out import cv_intervals, intervals
from statinf.conformity.ranked_sets import full_sets
from statinf.conformity.split import Absolute, Normalised
from statinf.inference.conformal import Calibration
from statinf.learners import (
    GaussianLocationScale,
    KernelRidge,
    LeastSquares,
    Ridge,
    crossfit,
    fold_ids,
    leave_one_out,
    resolve,
)
from statinf.numerics.laws.highest_density import highest_density_level, highest_density_sets
from statinf.numerics.laws.normal_mixture import NormalMixture


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(8)
    X = random.normal(size=(230, 3))
    y = X @ [1.0, -2.0, 0.5] + np.exp(0.4 * X[:, 0]) * random.standard_t(4, 230)
    return X[:120], y[:120], X[120:200], y[120:200], X[200:]


def ours(score, fitted, Xc, yc, new, level=0.9, **calibration):
    got = Calibration(score.score(score.local(fitted, Xc, 0), yc), **calibration)
    return np.column_stack(score.sets(score.local(fitted, new, 0), got.thresholds(level, len(new))).hull())


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_split_equals_mapie_and_crepes(rows, level):
    X, y, Xc, yc, new = rows
    model = LinearRegression().fit(X, y)
    mapie = SplitConformalRegressor(model, confidence_level=level, prefit=True).conformalize(Xc, yc)
    got = ours(Absolute(), resolve(LinearRegression()).fit(X, y), Xc, yc, new, level)
    np.testing.assert_allclose(got, mapie.predict_interval(new)[1][:, :, 0], atol=1e-10)
    crepes = ConformalRegressor().fit(yc - model.predict(Xc))
    np.testing.assert_allclose(got, crepes.predict_int(model.predict(new), confidence=level), atol=1e-10)


def test_normalised_and_mondrian_equal_crepes(rows):
    X, y, Xc, yc, new = rows
    fitted = GaussianLocationScale().fit(X, y)
    crepes = ConformalRegressor().fit(yc - fitted.predict(Xc), sigmas=fitted.predict_scale(Xc))
    expected = crepes.predict_int(fitted.predict(new), sigmas=fitted.predict_scale(new), confidence=0.9)
    np.testing.assert_allclose(ours(Normalised(), fitted, Xc, yc, new), expected, atol=1e-10)
    bins, new_bins = (Xc[:, 0] > 0).astype(int), (new[:, 0] > 0).astype(int)
    crepes = ConformalRegressor().fit(yc - fitted.predict(Xc), bins=bins)
    expected = crepes.predict_int(fitted.predict(new), bins=new_bins, confidence=0.9)
    local = Absolute().local(fitted, Xc, 0)
    q = Calibration(Absolute().score(local, yc), groups=bins).thresholds(0.9, len(new), new_groups=new_bins)
    got = np.column_stack(Absolute().sets(Absolute().local(fitted, new, 0), q).hull())
    np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("symmetric", [True, False])
def test_cqr_equals_mapie(rows, symmetric):
    X, y, Xc, yc, new = rows
    models = [QuantileRegressor(quantile=t, alpha=0.0, solver="highs").fit(X, y) for t in (0.05, 0.95, 0.5)]
    mapie = ConformalizedQuantileRegressor(models, confidence_level=0.9, prefit=True).conformalize(Xc, yc)
    score = CQR("symmetric" if symmetric else "asymmetric")
    learner = resolve(QuantileRegressor(alpha=0.0, solver="highs"), "quantile").at_taus((0.05, 0.95))
    got = ours(score, QuantilePair(learner.fit(X, y), (0.05, 0.95)), Xc, yc, new)
    expected = mapie.predict_interval(new, symmetric_correction=symmetric)[1][:, :, 0]
    np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("method", ["base", "plus", "minmax"])
@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_cross_methods_equal_mapie(rows, method, penalty):
    X, y, _, _, new = rows
    model = SkRidge(alpha=penalty) if penalty else LinearRegression()
    folds = fold_ids(120, 6, seed=4)
    mapie = CrossConformalRegressor(
        model, confidence_level=0.9, method=method, cv=PredefinedSplit(folds)
    ).fit_conformalize(X, y)
    cross, full = crossfit(Ridge(penalty), X, y, folds), Ridge(penalty).fit(X, y)
    got = cv_intervals(full, cross, np.abs(y - cross.predictions), new, 0.9, method)
    np.testing.assert_allclose(np.column_stack(got), mapie.predict_interval(new)[1][:, :, 0], atol=1e-10)
    mapie = CrossConformalRegressor(model, confidence_level=0.9, method=method, cv=LeaveOneOut()).fit_conformalize(X, y)
    loo = leave_one_out(Ridge(penalty), X, y)
    got = intervals(loo.fitted.predict, loo, new, np.abs(loo.residuals), 0.9, method)
    np.testing.assert_allclose(np.column_stack(got), mapie.predict_interval(new)[1][:, :, 0], atol=1e-10)


def refit_rank(learner, X, y, x, value, power):
    """How many of the N training scores are at least that of (x, value), from a refit."""
    Xa, ya = np.vstack([X, x]), np.append(y, value)
    smooth = learner.smoother(Xa, ya)
    score = np.abs(ya - smooth.fitted.predict(Xa)) / (1 - smooth.leverages) ** power
    return (score[:-1] >= score[-1] - 1e-9).sum()


SCORES = [("absolute", 0.0), ("studentised", 0.5), ("deleted", 1.0)]
CASES = [(learner, *score) for learner in (LeastSquares(), Ridge(5.0)) for score in SCORES]


@pytest.mark.parametrize(("learner", "score", "power"), [*CASES, (KernelRidge(0.5, "linear"), "absolute", 0.0)])
def test_full_conformal_equals_refits(rows, learner, score, power):
    X, y, _, _, new = rows
    X, y, level = X[:30] * [1, 1, 5], np.round(y[:30]), 0.85  # rounded: ties between scores
    smoother = learner.smoother(X, y)
    if isinstance(learner, KernelRidge):
        width = X.std(0)
        oracle = _Scaled(Ridge(0.5), width)
        learner = oracle
        smoother = KernelRidge(0.5, "linear", 1.0).smoother(X, y)
    sets = full_sets(smoother, new[:6], level, score)
    grid = np.linspace(-40, 40, 641)
    for j in range(6):
        piece = IntervalOf(sets, j)
        near = np.min(np.abs(grid[:, None] - np.append(piece.ends, 1e9)[None, :]), axis=1) < 1e-6
        for value in grid[~near][::3]:
            p = (1 + refit_rank(learner, X, y, new[j], value, power)) / 31
            assert piece.has(value) == (p > 1 - level)


class _Scaled:
    """Ridge on columns divided by fixed widths."""

    def __init__(self, learner, width):
        self.learner, self.width = learner, width

    def smoother(self, X, y):
        smooth = self.learner.smoother(X / self.width, y)
        fitted, width = smooth.fitted, self.width

        class Back:
            @staticmethod
            def predict(Z):
                return fitted.predict(Z / width)

        from dataclasses import replace

        return replace(smooth, fitted=Back())


class IntervalOf:
    """One row's pieces."""

    def __init__(self, sets, j):
        self.low, self.high = sets.lower[sets.row == j], sets.upper[sets.row == j]
        self.ends = np.concatenate([self.low, self.high])

    def has(self, value):
        return bool(np.any((self.low <= value) & (value <= self.high)))


def test_full_conformal_is_unbounded_where_the_new_row_fits_itself(rows):
    X, y, _, _, new = rows
    far = full_sets(LeastSquares().smoother(X[:30], y[:30]), np.array([[1e4, -1e4, 1e4]]), 0.9)
    assert np.isinf(far.length()[0])
    assert np.isinf(full_sets(LeastSquares().smoother(X[:8], y[:8]), new, 0.9).length()).all()
    # Every score is zero: any outcome ties, so the exactly fitted line is a set of single points.
    exact = full_sets(Ridge(1.0).smoother(np.zeros((30, 1)), np.ones(30)), np.zeros((1, 1)), 0.9)
    np.testing.assert_allclose([exact.lower, exact.upper], 1.0)


def test_highest_density_regions_against_a_fine_grid():
    random = np.random.default_rng(3)
    mix = NormalMixture(
        random.dirichlet(np.ones(5), 40), random.normal(size=(40, 5)), np.exp(random.normal(size=(40, 5)) - 1.5)
    )
    level = highest_density_level(mix, 0.9)
    sets = highest_density_sets(mix, level)
    ends = mix.rows(sets.row).cdf(np.column_stack([sets.lower, sets.upper]))
    np.testing.assert_allclose(np.bincount(sets.row, ends[:, 1] - ends[:, 0]), 0.9, atol=1e-10)
    np.testing.assert_allclose(
        mix.rows(sets.row).log_density(np.column_stack([sets.lower, sets.upper])),
        level[sets.row][:, None] + np.zeros(2),
        atol=1e-9,
    )
    grid = np.broadcast_to(np.linspace(-12, 12, 200_001), (40, 200_001))
    for i in range(0, 40, 8):
        f = mix.rows(slice(i, i + 1)).log_density(grid[:1])[0]
        assert sets.length()[i] == pytest.approx((f >= level[i]).sum() * 24 / 200_000, abs=2e-3)
    assert np.isneginf(highest_density_sets(mix, np.full(40, -np.inf)).lower).all()


def test_cp2_with_a_normal_model_is_normalised_split(rows):
    X, y, Xc, yc, new = rows
    fitted = GaussianLocationScale().fit(X, y)
    np.testing.assert_allclose(
        ours(CP2HPD(0.9), fitted, Xc, yc, new), ours(Normalised(), fitted, Xc, yc, new), atol=1e-8
    )


def test_linear_adjustment_is_the_difference_of_logs():
    # The same sets whether densities are divided or their logs subtracted.
    mix = NormalMixture(
        np.full((30, 2), 0.5), np.column_stack([np.zeros(30), np.linspace(0, 4, 30)]), np.full((30, 2), 0.7)
    )
    level = highest_density_level(mix, 0.8)
    y = np.linspace(-2, 5, 30)
    score = CP2HPD(0.8)
    got = score.score((mix.weights, mix.means, mix.scales, level), y)[:, 0]
    density = sum(
        w * stats.norm.pdf(y, m, s) for w, m, s in zip(mix.weights.T, mix.means.T, mix.scales.T, strict=False)
    )
    np.testing.assert_allclose(np.exp(got), np.exp(level) / density, rtol=1e-10)
