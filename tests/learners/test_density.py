"""Density learners, the scikit-learn adapter and cross-fitting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from statinf.errors import DataError, OptionError
from statinf.learners import (
    GaussianLocationScale,
    LeastSquares,
    LocationScale,
    MixtureDensityNetwork,
    crossfit,
    fold_ids,
    leave_one_out,
    resolve,
)
from statinf.learners.training import some_epochs
from statinf.numerics.laws.normal_mixture import NormalMixture


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(5)
    X = random.uniform(-1, 1, (400, 2))
    return X, 1 + X[:, 0] + np.exp(-0.5 + X[:, 1]) * random.normal(size=400), random.uniform(0.5, 2, 400)


def test_gaussian_is_the_maximum_of_the_likelihood(rows):
    X, y, w = rows
    fitted = GaussianLocationScale().fit(X, y, w)
    Z = np.column_stack([np.ones(400), X])

    def minus(theta):
        return -np.sum(w * stats.norm.logpdf(y, Z @ theta[:3], np.exp(Z @ theta[3:])))

    best = optimize.minimize(minus, np.zeros(6), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose([fitted.mean.intercept, *fitted.mean.coefficients], best.x[:3], atol=1e-5)
    np.testing.assert_allclose([fitted.log_scale.intercept, *fitted.log_scale.coefficients], best.x[3:], atol=1e-5)
    with pytest.raises(DataError, match="exactly"):
        GaussianLocationScale().fit(X, X[:, 0])


def test_normal_mixture_against_scipy():
    mix = NormalMixture(
        np.array([[0.3, 0.7], [0.5, 0.5]]), np.array([[0.0, 3.0], [1.0, 1.0]]), np.array([[1.0, 0.5], [2.0, 0.1]])
    )
    y = np.array([[0.5, 3.0], [1.0, -4.0]])
    pdf = [
        [sum(w * stats.norm.pdf(v, m, s) for w, m, s in zip(*p, strict=False)) for v in r]
        for r, *p in zip(y, mix.weights, mix.means, mix.scales, strict=False)
    ]
    np.testing.assert_allclose(np.exp(mix.log_density(y)), pdf, rtol=1e-12)
    taus = np.array([0.01, 0.5, 0.9])
    np.testing.assert_allclose(mix.cdf(mix.quantile(taus)), np.broadcast_to(taus, (2, 3)), atol=1e-12)
    draws = mix.sample(200_000, seed=1)
    # Standard errors of a mean and of a share of draws, times five.
    assert np.all(np.abs(draws.mean(1) - mix.mean()) < 5 * mix.std() / np.sqrt(200_000))
    assert abs((draws[0] <= 1.5).mean() - mix.cdf(np.array([[1.5], [0.0]]))[0, 0]) < 5 * 0.5 / np.sqrt(200_000)
    np.testing.assert_array_equal(mix.rows(slice(1, 2)).sample(9, seed=3)[0], mix.sample(9, seed=3)[1])


def test_density_network_learns_two_branches_and_compiles_once():
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (1500, 1))
    y = np.where(random.random(1500) < 0.5, 1.0, -1.0) * (1 + x[:, 0]) + 0.1 * random.normal(size=1500)
    learner = MixtureDensityNetwork(components=3, hidden=(16,), epochs=60, rate=1e-2)
    before = some_epochs.traces
    fitted = learner.fit(x[:1200], y[:1200], seed=2)
    again = learner.fit(x[:1200], y[:1200], seed=2)
    learner.fit(x[:1100], y[:1100], seed=2)
    assert some_epochs.traces == before + 1
    np.testing.assert_array_equal(fitted.mixture(x).means, again.mixture(x).means)
    score = fitted.mixture(x[1200:]).log_density(y[1200:, None]).mean()
    one_normal = stats.norm.logpdf(y[1200:], y.mean(), y.std()).mean()
    assert score > one_normal + 0.7  # the truth gains log(sd y) - log(0.1) - log 2, about 1.2
    assert fitted.mixture(x).means.dtype == np.float64


def test_weights_are_copies_for_location_scale(rows):
    X, y, _ = rows
    counts = np.random.default_rng(2).integers(0, 3, 400)
    for learner in (LocationScale(), GaussianLocationScale()):
        weighted = learner.fit(X, y, counts.astype(float))
        copied = learner.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        np.testing.assert_allclose(weighted.predict_scale(X), copied.predict_scale(X), rtol=1e-5)


def test_sklearn_adapter(rows):
    X, y, w = rows
    plain = LinearRegression()
    np.testing.assert_allclose(
        resolve(plain).fit(X, y, w).predict(X), LeastSquares().fit(X, y, w).predict(X), rtol=1e-10
    )
    assert not hasattr(plain, "coef_")
    pipe = resolve(make_pipeline(StandardScaler(), LinearRegression())).fit(X, y, w)
    np.testing.assert_allclose(pipe.predict(X), LeastSquares().fit(X, y, w).predict(X), rtol=1e-10)
    with pytest.raises(OptionError, match="KNeighborsRegressor takes no row weights"):
        resolve(KNeighborsRegressor()).fit(X, y, w)
    treat = (X[:, 0] > 0).astype(float)
    proba = resolve(LogisticRegression(), "probability").fit(X, treat).predict_proba(X)
    assert proba.shape == (400,) and 0 <= proba.min() <= proba.max() <= 1
    with pytest.raises(OptionError, match="predict_proba"):
        resolve(LinearRegression(), "probability").fit(X, treat)
    for model in (
        GradientBoostingRegressor(loss="quantile", n_estimators=5),
        HistGradientBoostingRegressor(loss="quantile", quantile=0.5, max_iter=5),
    ):
        fitted = resolve(model, "quantile").at_taus((0.1, 0.9)).fit(X, y)
        low, high = fitted.predict_quantiles(X, np.array([0.1, 0.9])).T
        assert (low < high).mean() > 0.95
    with pytest.raises(OptionError, match="does not predict quantiles"):
        resolve(GradientBoostingRegressor(), "quantile").at_taus((0.1,)).fit(X, y)


def test_crossfit_and_refitting_leave_one_out_agree_with_loops(rows):
    X, y, w = rows
    folds = fold_ids(400, 5, seed=1, strata=X[:, 0] > 0)
    counts = np.array([np.bincount(folds[X[:, 0] > 0], minlength=5), np.bincount(folds, minlength=5)])
    assert np.ptp(counts, axis=1).max() <= 1
    ours = crossfit(LeastSquares(), X, y, folds, w).predictions
    theirs = crossfit(resolve(LinearRegression()), X, y, folds, w).predictions
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    closed, loop = (leave_one_out(m, X[:40], y[:40]) for m in (LeastSquares(), resolve(LinearRegression())))
    assert not loop.closed_form
    np.testing.assert_allclose(closed.residuals, loop.residuals, rtol=1e-9)
    np.testing.assert_allclose(closed.predict_without(X[50:60]), loop.predict_without(X[50:60]), rtol=1e-9)
