"""Cumulative logit likelihood and its elastic net path."""

import numpy as np
import pytest

from statinf.numerics.cumulative_logit import CumulativeLogit, probabilities
from statinf.numerics.cumulative_path import kkt_residual, largest_penalty, path, solve


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 4))
    slopes = np.cumsum([[0.5, -0.5, 0.5, 0], [0, 0.5, 0, 0], [0, 0, -0.5, 0]], axis=0)
    below = 1 / (1 + np.exp(-(np.array([0, 1.5, 2.5]) + X @ slopes.T)))
    y = (rng.random(600)[:, None] > below).sum(axis=1)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, CumulativeLogit(scaled, y, 4, np.ones(600))


FACTOR = np.r_[np.zeros(3), np.ones(12)]
ALL = np.arange(15)


def test_derivatives(reference):
    _, model = reference
    theta = model.start() + np.r_[0, 0.1, 0.3, np.linspace(-0.02, 0.02, 12)]
    step = 1e-6
    ahead = [(model.loss(theta + step * e) - model.loss(theta - step * e)) / (2 * step) for e in np.eye(15)]
    bends = [(model.gradient(theta + step * e) - model.gradient(theta - step * e)) / (2 * step) for e in np.eye(15)]
    np.testing.assert_allclose(model.gradient(theta), ahead, atol=1e-8)
    np.testing.assert_allclose(model.hessian(theta), bends, atol=1e-8)
    np.testing.assert_allclose(-model.scores(theta).mean(axis=0), model.gradient(theta), atol=1e-14)
    assert model.loss(np.r_[0.0, 0.0, 1.0, np.zeros(12)]) == np.inf


@pytest.mark.parametrize(
    ("penalty", "intercepts", "differences", "loglik"),
    [
        (
            0.02,
            (-0.02340793, 1.38271323, 2.72078654),
            (0.48649962, -0.27993182, 0.25965829, -0.01011273, 0.11109979, 0.29056787, 0, 0, 0, 0, -0.20381248, 0),
            -675.70164,
        ),
        (
            0.005,
            (-0.02502156, 1.40464924, 2.71953724),
            (
                *(0.56648020, -0.42920226, 0.42780534, -0.10014227, 0.21255677, 0.47688530, -0.14804636, 0),
                *(-0.19314378, 0.05761084, -0.52442817, 0),
            ),
            -669.62303,
        ),
    ],
)
def test_reference_fit(reference, penalty, intercepts, differences, loglik):
    """Slopes and likelihood of the authors' R code; intercepts with the cumulated slopes' centring."""
    X, model = reference
    (found,) = path(model, np.array([penalty]), FACTOR, 1.0, ALL)
    a, psi = model.split(found.theta)
    raw = psi / X.std(axis=0)
    np.testing.assert_allclose(raw.ravel(), differences, atol=1e-6)
    np.testing.assert_allclose(a - np.cumsum(raw, axis=0) @ X.mean(axis=0), intercepts, atol=1e-6)
    assert -600 * model.loss(found.theta) == pytest.approx(loglik, abs=1e-5)


def test_path_is_certified_and_starts_at_zero(reference):
    _, model = reference
    top = largest_penalty(model.gradient(model.start()), FACTOR > 0, 1.0)
    penalties = top * np.geomspace(1, 1e-3, 20)
    found = path(model, penalties, FACTOR, 1.0, ALL)
    assert all(one.converged for one in found)
    for penalty, one in zip(penalties, found, strict=True):
        assert kkt_residual(one.theta, model.gradient(one.theta), penalty * FACTOR, 0 * FACTOR) <= 1e-9
    np.testing.assert_allclose(found[0].theta, model.start(), atol=1e-8)
    assert np.count_nonzero(found[1].theta[3:]) >= 1
    cold = solve(model, model.start(), penalties[-1] * FACTOR, 0 * FACTOR, ALL)
    np.testing.assert_allclose(cold.theta, found[-1].theta, atol=1e-6)


def test_differences_alone_tend_to_proportional_odds(reference):
    ordered = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    _, model = reference
    factor = np.r_[np.zeros(7), np.ones(8)]
    (found,) = path(model, np.array([10.0]), factor, 1.0, ALL)
    direct = solve(model, model.start(), 0 * FACTOR, 0 * FACTOR, ALL[:7], tol=1e-11)
    peer = ordered.OrderedModel(model.codes, model.columns, distr="logit").fit(method="newton", disp=0, tol=1e-10)
    cuts = peer.model.transform_threshold_params(peer.params)[1:-1]
    for theta in (found.theta, direct.theta):
        np.testing.assert_allclose(theta[:7], np.r_[cuts, -peer.params[:4]], atol=1e-6)
        assert not theta[7:].any()


def test_two_categories_without_penalty_are_logistic_regression():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    found = solve(CumulativeLogit(X, y, 2, np.ones(200)), np.zeros(3), np.zeros(3), np.zeros(3), np.arange(3))
    peer = sm.Logit(y, sm.add_constant(X)).fit(disp=0)
    np.testing.assert_allclose(found.theta, -peer.params, atol=1e-7)


def test_separation_in_the_rare_class_stays_finite():
    X = np.linspace(-1, 1, 60)[:, None]
    y = np.r_[np.tile([0, 1], 27), np.full(6, 2)]
    model = CumulativeLogit((X - X.mean()) / X.std(), y, 3, np.ones(60))
    factor = np.r_[0, 0, 1, 1.0]
    found = path(model, np.geomspace(0.3, 0.003, 8), factor, 1.0, np.arange(4))
    assert all(one.converged for one in found)
    assert np.abs(found[-1].theta).max() < 30


def test_constant_column_ridge_and_probabilities(reference):
    _, model = reference
    wide = CumulativeLogit(np.hstack([model.columns, np.zeros((600, 1))]), model.codes, 4, model.weights)
    factor = np.r_[np.zeros(3), np.ones(15)]
    for alpha in (1.0, 0.5, 0.0):
        (found,) = path(wide, np.array([0.05]), factor, alpha, np.arange(18))
        assert found.converged
        _, psi = wide.split(found.theta)
        assert not psi[:, 4].any()
        shares = probabilities(wide.eta(found.theta))
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-14)
        assert (shares > 0).all()
