import numpy as np
import pytest

import statinf as si
from statinf.errors import DataError
from statinf.learners import LeastSquares, Network, crossfit, fold_ids
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.learners.registry import resolve
from statinf.learners.training import check_training, epochs_together

SMALL = Network(hidden=(16,), epochs=60)


def curve(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (n, 2)) * [1.0, 50.0] + [0.0, 300.0]
    truth = 10 + 3 * np.sin(2 * x[:, 0]) + np.abs(x[:, 1] - 300) / 50
    return x, truth, truth + 0.3 * rng.standard_normal(n)


def test_a_curve_is_learnt_better_than_a_line():
    x, _, y = curve(1500)
    new, target, _ = curve(500, 1)
    network = Network().fit(x, y)
    line = LeastSquares().fit(x, y)
    # The noise has variance 0.09; a network of this size should be left with a third of that at most.
    assert np.mean((network.predict(new) - target) ** 2) < 0.03 < np.mean((line.predict(new) - target) ** 2)
    assert network.history.shape == (150, 2) and network.history[-1, 0] < network.history[0, 0]
    with pytest.raises(AttributeError, match="probability"):
        _ = network.predict_proba


def test_a_curved_probability_is_learnt_better_than_a_logit():
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, (3000, 1))
    chance = 1 / (1 + np.exp(-(3 * np.cos(2 * x[:, 0]))))
    d = (rng.random(3000) < chance).astype(float)
    network, logit = Network("probability").fit(x, d), Logit().fit(x, d)
    found = network.predict_proba(x)
    assert ((found > 0) & (found < 1)).all()
    assert np.mean((found - chance) ** 2) < 0.1 * np.mean((logit.predict(x) - chance) ** 2)


def test_the_scale_of_weights_rows_of_weight_zero_and_the_seed():
    x, _, y = curve(300)
    w = np.random.default_rng(0).integers(0, 3, 300).astype(float)
    first = SMALL.fit(x, y, w, seed=4)
    np.testing.assert_array_equal(first.predict(x), SMALL.fit(x, y, 4.0 * w, seed=4).predict(x))
    dropped = SMALL.fit(x[w > 0], y[w > 0], w[w > 0], seed=4)
    np.testing.assert_array_equal(first.predict(x), dropped.predict(x))
    assert np.abs(first.predict(x) - SMALL.fit(x, y, w, seed=5).predict(x)).max() > 1e-6


def test_weights_shift_the_fit_as_rows_would():
    # Two outcomes at every x: the weighted mean is what is learnt.
    rng = np.random.default_rng(0)
    x = np.repeat(rng.uniform(-1, 1, (400, 1)), 2, axis=0)
    y = np.tile([0.0, 1.0], 400)
    w = np.tile([3.0, 1.0], 400)
    weighted = Network(epochs=100).fit(x, y, w).predict(x).mean()
    repeated = Network(epochs=100).fit(np.repeat(x, w.astype(int), axis=0), np.repeat(y, w.astype(int))).predict(x)
    # Which rows are held out moves the mean of the others by sqrt(3/16 / 720) = 0.016; six of these, and curvature.
    assert weighted == pytest.approx(0.25, abs=0.1) and repeated.mean() == pytest.approx(0.25, abs=0.1)


def test_folds_are_trained_together_and_a_second_fit_compiles_nothing():
    x, _, y = curve(400)
    folds = fold_ids(400, 5)
    made = crossfit(SMALL, x, y, folds)
    before = epochs_together.traces
    rows = crossfit(SMALL, x[:390], y[:390], folds[:390]).predictions
    assert epochs_together.traces == before and np.isfinite(rows).all()
    # Outcomes of a fold have no part in the fit that predicts it.
    other = y.copy()
    other[folds == 2] += 100.0
    again = crossfit(SMALL, x, other, folds).predictions
    np.testing.assert_array_equal(made.predictions[folds == 2], again[folds == 2])


def test_as_a_nuisance_by_name():
    x, _, y = curve(400)
    d = (x[:, 0] > 0).astype(float)
    assert resolve("network", "probability") == Network("probability") and resolve("network", "mean") == Network()
    asked = [Nuisance("y", y, SMALL, rows=d > 0), Nuisance("d", d, Network("probability", (8,), 40), probability=True)]
    made = cross_predict(x, asked, fold_ids(400, 3)[None])[0]
    assert made["y"][d > 0] == pytest.approx(y[d > 0], abs=4.0)
    assert made["d"][d > 0].mean() > 0.8 > 0.2 > made["d"][d < 1].mean()


def test_faults_are_named():
    x, _, y = curve(50)
    with pytest.raises(si.OptionError, match="task"):
        Network("median")
    with pytest.raises(si.OptionError, match=r"hidden\[0\]"):
        Network(hidden=(0,))
    with pytest.raises(si.OptionError, match="batch"):
        Network(batch=100)
    with pytest.raises(si.DataError, match="between 0 and 1"):
        Network("probability").fit(x, y)
    with pytest.raises(si.DataError, match="too few"):
        Network().fit(x[:1], y[:1])
    with pytest.raises(si.ConvergenceError, match="rate"):
        Network(rate=1e300, epochs=5).fit(x, y)


def test_held_out_rows_without_weight_are_refused():
    held = np.array([False, False, True, True])
    for w in (np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])):
        with pytest.raises(DataError, match="too few"):
            check_training(w, held, "a network")
    check_training(np.ones(4), held, "a network")
