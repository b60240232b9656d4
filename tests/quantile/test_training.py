"""Networks trained in one batch: the same as one at a time, padding without effect, folds as weights."""

import jax
import numpy as np
import pytest

from statinf.learners import quantile_training as training
from statinf.learners import resolve
from statinf.learners.quantile_objective import QuantileObjective, layers, predict
from statinf.learners.quantile_training import batch_size, held_out, train

TAU = np.array([0.1, 0.5, 0.9])


def mqn():
    return resolve("mqn", "quantile").at_taus(TAU)


def sample(n=200, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, 0] + (0.5 + (X[:, 1] > 0)) * rng.standard_normal(n)


@pytest.mark.parametrize("kind", ["quantiles", "gaussian"])
def test_a_batch_of_networks_is_each_alone(kind):
    X, y = sample()
    rng = np.random.default_rng(1)
    W = rng.exponential(size=(3, len(y)))
    W[np.arange(3)[:, None], rng.permutation(len(y))[:60].reshape(3, 20)] = 0.0
    start = layers((3, 8, 2 if kind == "gaussian" else 3), 0)
    options = {"most_epochs": 30, "seed": 4}
    outcomes = np.stack([y, y, 1 + y])
    together = train(QuantileObjective(kind), start, X, None, outcomes, W, TAU, **options)
    for k, params in enumerate(together):
        alone = train(QuantileObjective(kind), start, X, None, outcomes[[k]], W[[k]], TAU, **options)[0]
        for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_columns_of_zeros_change_nothing():
    X, y = sample()
    start = layers((3, 8, 3), 0)
    wider = [(np.vstack([start[0][0], np.zeros((4, 8))]), start[0][1]), *start[1:]]
    objective, w = QuantileObjective("quantiles"), np.ones((1, len(y)))
    narrow = train(objective, start, X, None, y[None], w, TAU, most_epochs=20)[0]
    padded = train(objective, wider, np.hstack([X, np.zeros((200, 4))]), None, y[None], w, TAU, most_epochs=20)[0]
    np.testing.assert_array_equal(padded[0][0][:3], narrow[0][0])
    assert not padded[0][0][3:].any() and narrow[0][0].shape == (3, 8)
    np.testing.assert_allclose(
        predict(objective, narrow, X, None, TAU),
        predict(objective, padded, np.hstack([X, np.ones((200, 4))]), None, TAU),
    )


def test_rows_of_weight_zero_teach_nothing():
    X, y = sample()
    w = np.ones((1, len(y)))
    w[0, 150:] = 0.0
    spoiled = y.copy()
    spoiled[150:] = 1e6
    clean, other = (mqn().fit_many(X, some, w)[0].predict_quantiles(X, TAU) for some in (y, spoiled))
    np.testing.assert_array_equal(clean, other)


def test_data_sets_of_other_sizes_share_what_is_compiled():
    w = np.ones((2, 300))
    X, y = sample(300, 5)
    mqn().fit_many(X, y, w)
    before = training._epochs.traces
    X, y = sample(900, 12)
    mqn().fit_many(X, y, np.ones((2, 900)), seed=1)
    assert training._epochs.traces == before


def test_rows_set_aside():
    w = np.ones((2, 100))
    w[1, :50] = 0.0
    held = held_out(w, 0)
    assert held.sum(axis=1).tolist() == [20, 10] and not held[1, :50].any()
    assert held_out(np.ones((1, 2)), 0).sum() == 1 and held_out(np.ones((1, 1)), 0).sum() == 0
    assert [batch_size(n) for n in (1, 50, 500, 5000, 10**7)] == [16, 16, 32, 64, 128]


@pytest.mark.parametrize("name", ["mqn", "gaussian_network"])
def test_a_network_as_a_learner_is_free_of_the_units_of_its_features(name):
    X, y = sample()
    learner = resolve(name, "quantile").at_taus(TAU)
    plain, moved = (learner.fit(Z, y).predict_quantiles(Z[:5], TAU) for Z in (X, 1e6 + 1e-3 * X))
    assert plain.shape == (5, 3)
    np.testing.assert_allclose(moved, plain, rtol=1e-3, atol=1e-3)
