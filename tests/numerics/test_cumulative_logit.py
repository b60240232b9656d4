"""Cumulative logit likelihood and its elastic net path."""

import numpy as np
import pytest

from statinf.numerics.cumulative_batch import CumulativeRows
from statinf.numerics.cumulative_logit import CumulativeLogit, probabilities
from statinf.numerics.cumulative_path import begin, kkt_residual, largest_penalty, minimise_quadratic, path, solve
from statinf.numerics.glm.families import family_of
from statinf.numerics.glm.irls import fit_glm

ONE = np.arange(1)


def rows_of(model, weights=None):
    return CumulativeRows.of(
        model.columns, model.codes, model.n_categories, model.weights[None] if weights is None else weights
    )


def along(model, penalties, factor, alpha=1.0, free=None):
    """Parameters (L, d) and residuals (L,) of one set of weights."""
    free = np.ones((1, model.size), bool) if free is None else free
    found = path(rows_of(model), np.asarray(penalties), factor[None], alpha, free, tol=np.array([1e-10]))
    return found.theta[:, 0], found.residual[:, 0]


def unpenalised(model, free):
    """The maximum of the likelihood over some coordinates."""
    rows, nothing = rows_of(model), np.zeros((1, model.size))
    return solve(rows, begin(rows, rows.start()), nothing, nothing, np.isin(np.arange(model.size), free)[None]).theta[0]


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


def test_many_weights_at_once_have_the_derivatives_of_each(reference):
    _, model = reference
    rng = np.random.default_rng(1)
    weights = rng.exponential(size=(3, 600)) * np.array([1.0, 1.0, 5.0])[:, None] * (rng.random((3, 600)) < 0.9)
    rows = rows_of(model, weights)
    theta = np.stack([model.start() + np.r_[0, 0.1, 0.3, 0.03 * rng.normal(size=12)] for _ in range(3)])
    curves = rows.curves(theta, np.arange(3))
    few = rows.curves(theta[1:], np.array([1, 2]))
    for r in range(3):
        alone = CumulativeLogit(model.columns, model.codes, 4, weights[r])
        assert curves.loss[r] == pytest.approx(alone.loss(theta[r]), rel=1e-13)
        np.testing.assert_allclose(curves.gradient()[r], alone.gradient(theta[r]), atol=1e-14)
        np.testing.assert_allclose(curves.hessian()[r], alone.hessian(theta[r]), atol=1e-14)
    np.testing.assert_allclose(few.hessian(), curves.take(np.array([False, True, True])).hessian(), atol=1e-14)
    crossing = np.r_[0.0, 0.0, 1.0, np.zeros(12)]
    assert rows.curves(crossing[None], ONE).loss[0] == np.inf
    # products made chunk by chunk are the same
    slow = rows_of(model, weights)
    slow.__dict__["products"] = None
    np.testing.assert_allclose(slow.curves(theta, np.arange(3)).hessian(), curves.hessian(), atol=1e-15)


def test_quadratics_are_minimised_exactly():
    rng = np.random.default_rng(4)
    root = rng.normal(size=(5, 30, 12))
    hessian = np.einsum("rki,rkj->rij", root, root) / 30
    start = np.where(rng.random((5, 12)) < 0.5, rng.normal(size=(5, 12)), 0.0)
    slope, l1 = rng.normal(size=(5, 12)), np.broadcast_to(np.r_[0.0, 0.0, np.full(10, 0.7)], (5, 12))
    free = np.ones((5, 12), bool)
    free[:, 11] = False
    for l2 in (np.zeros((5, 12)), np.full((5, 12), 0.3)):
        found = minimise_quadratic(start, slope, hessian, l1, l2, free, np.full(5, 1e-12))
        at = slope + np.einsum("rij,rj->ri", hessian, found - start)
        residual = kkt_residual(found[:, :11], at[:, :11], l1[:, :11], l2[:, :11])
        assert residual.max() < 1e-11
        np.testing.assert_array_equal(found[:, 11], start[:, 11])
        assert (found == 0).any()


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
    (theta,), _ = along(model, [penalty], FACTOR)
    a, psi = model.split(theta)
    raw = psi / X.std(axis=0)
    np.testing.assert_allclose(raw.ravel(), differences, atol=1e-6)
    np.testing.assert_allclose(a - np.cumsum(raw, axis=0) @ X.mean(axis=0), intercepts, atol=1e-6)
    assert -600 * model.loss(theta) == pytest.approx(loglik, abs=1e-5)


def test_path_is_certified_and_starts_at_zero(reference):
    _, model = reference
    top = largest_penalty(model.gradient(model.start()), FACTOR > 0, 1.0)
    penalties = top * np.geomspace(1, 1e-3, 20)
    theta, residual = along(model, penalties, FACTOR)
    assert residual.max() <= 1e-10
    for penalty, one in zip(penalties, theta, strict=True):
        assert kkt_residual(one, model.gradient(one), penalty * FACTOR, 0 * FACTOR) <= 2e-10
    np.testing.assert_allclose(theta[0], model.start(), atol=1e-8)
    assert np.count_nonzero(theta[1, 3:]) >= 1
    (cold,), _ = along(model, penalties[-1:], FACTOR)
    np.testing.assert_allclose(cold, theta[-1], atol=1e-7)


def test_differences_alone_tend_to_proportional_odds(reference):
    _, model = reference
    (found,), _ = along(model, [10.0], np.r_[np.zeros(7), np.ones(8)])
    direct = unpenalised(model, np.arange(7))
    np.testing.assert_allclose(found, direct, atol=1e-8)
    assert not direct[7:].any() and direct[3:7].all()


def test_two_categories_without_penalty_are_logistic_regression():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    found = unpenalised(CumulativeLogit(X, y, 2, np.ones(200)), np.arange(3))
    peer = fit_glm(np.column_stack([np.ones(200), X]), y.astype(float), family_of("binomial"))
    np.testing.assert_allclose(found, -peer.coef, atol=1e-7)


def test_separation_in_the_rare_class_stays_finite():
    X = np.linspace(-1, 1, 60)[:, None]
    y = np.r_[np.tile([0, 1], 27), np.full(6, 2)]
    model = CumulativeLogit((X - X.mean()) / X.std(), y, 3, np.ones(60))
    theta, residual = along(model, np.geomspace(0.3, 0.003, 8), np.r_[0, 0, 1, 1.0])
    assert residual.max() <= 1e-10
    assert np.abs(theta[-1]).max() < 30


def test_constant_column_ridge_and_probabilities(reference):
    _, model = reference
    wide = CumulativeLogit(np.hstack([model.columns, np.zeros((600, 1))]), model.codes, 4, model.weights)
    factor = np.r_[np.zeros(3), np.ones(15)]
    for alpha in (1.0, 0.5, 0.0):
        (theta,), residual = along(wide, [0.05], factor, alpha)
        assert residual.max() <= 1e-10
        _, psi = wide.split(theta)
        assert not psi[:, 4].any()
        shares = probabilities(wide.eta(theta))
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-14)
        assert (shares > 0).all()
