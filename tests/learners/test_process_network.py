"""Networks of quantile processes: derivatives, losses, an exact linear programme, batches, and crossing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

import statinf as si
from statinf.backend import generator, x64
from statinf.learners import ProcessNetwork, resolve
from statinf.learners.process_network import FittedProcess
from statinf.learners.process_objective import GRID, ProcessObjective, curves
from statinf.learners.quantile_training import held_out, train_networks

SMALL = {"hidden": (16, 16), "penalty": 1.0}


def wave(n=512, seed=2):
    """2 x sin(4 pi x) + exp(2 x - 1) t(2): its rows, and its quantiles at levels."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    return x[:, None], 2 * x * np.sin(4 * np.pi * x) + np.exp(2 * x - 1) * rng.standard_t(2, n)


def random_network(kind, seed=0, d=3):
    objective = ProcessObjective(kind)
    return objective, objective.start(d, (7, 5), seed)


@pytest.mark.parametrize("kind", ["requ", "gaps"])
def test_derivatives_in_the_level(kind):
    objective, params = random_network(kind)
    rng = np.random.default_rng(1)
    X, levels = rng.standard_normal((40, 3)), rng.uniform(0.003, 0.997, (40, 6))
    # Away from knots, where "gaps" has a corner.
    levels = np.where(np.abs(levels[:, :, None] - np.array(objective.knots)).min(axis=2) < 1e-3, 0.52, levels)
    q, slope = curves(objective, params, X, levels)
    h = 1e-5
    above, below = (curves(objective, params, X, levels + step)[0] for step in (h, -h))
    np.testing.assert_allclose(slope, (above - below) / (2 * h), rtol=1e-6, atol=1e-6)
    with x64():
        value, tangent = jax.jvp(
            lambda t: objective.curve(params, X, t, jnp)[0], (jnp.asarray(levels),), (jnp.ones(levels.shape),)
        )
        value, tangent = np.asarray(value), np.asarray(tangent)
    np.testing.assert_allclose(value, q, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(tangent, slope, rtol=1e-12, atol=1e-12)


def test_the_loss_is_the_pinball_loss_and_the_penalty_on_a_falling_quantile():
    objective, params = random_network("requ")
    rng = np.random.default_rng(2)
    X, y, w, xi = rng.standard_normal((30, 3)), rng.standard_normal(30), rng.exponential(size=30), rng.random((30, 1))
    q, slope = curves(objective, params, X, xi)
    u = y - q[:, 0]
    each = np.where(u > 0, xi[:, 0] * u, (xi[:, 0] - 1) * u) + 3.0 * np.where(slope[:, 0] < 0, -slope[:, 0], 0.0)
    assert (slope < 0).any() and (slope > 0).any()
    still = [(params[0][0], params[0][1] * np.array([[1.0], [0.0]])), *params[1:]]
    with x64():
        found = float(objective.loss(params, (X, xi[:, :, None], y, w), None, None, 3.0))
        free, heavy = (float(objective.loss(still, (X, xi[:, :, None], y, w), None, None, p)) for p in (0.0, 50.0))
    np.testing.assert_allclose(found, np.average(each, weights=w), rtol=1e-12)
    assert free == heavy


def programme(X, y, xi, penalty):
    """Minimum of the penalised loss over a + b'x + c tau by HiGHS, and its (a, b, c)."""
    n, p = X.shape
    regressors = np.column_stack([np.ones(n), X, xi])
    cost = np.concatenate([np.zeros(2 * (p + 2)), xi / n, (1 - xi) / n, [penalty]])
    # Residuals above and below; the last variable is at least -c.
    rows = np.hstack([regressors, -regressors, np.eye(n), -np.eye(n), np.zeros((n, 1))])
    falls = np.zeros((1, rows.shape[1]))
    falls[0, [p + 1, 2 * p + 3, -1]] = -1.0, 1.0, -1.0
    found = linprog(cost, A_ub=falls, b_ub=[0.0], A_eq=rows, b_eq=y, method="highs")
    return found.fun, found.x[: p + 2] - found.x[p + 2 : 2 * p + 4]


@pytest.mark.parametrize(("slope", "penalty"), [(2.0, 0.0), (-2.0, 0.0), (-2.0, 0.5)])
def test_a_linear_network_has_the_loss_of_the_linear_programme(slope, penalty):
    rng = np.random.default_rng(3)
    n = 100
    X, xi = rng.standard_normal((n, 2)), generator(0, 53).random((n, 1, 1))
    y = X @ [1.0, -0.5] + slope * xi[:, 0, 0] + 0.3 * rng.standard_normal(n)
    best, (a, *b, c) = programme(X, y, xi[:, 0, 0], penalty)
    assert c < -1 if (slope, penalty) == (-2.0, 0.0) else c > -1e-9
    objective = ProcessObjective()

    def loss(a, b, c):
        # a + b'x + c tau, in 2 tau - 1.
        params = [(np.asarray(b)[:, None], np.array([[a + c / 2], [c / 2]]))]
        with x64():
            return float(objective.loss(params, (X, xi, y, np.ones(n)), None, None, penalty))

    np.testing.assert_allclose(loss(a, b, c), best, rtol=1e-9)
    for step in 0.01 * rng.standard_normal((20, 4)):
        assert loss(a + step[0], b + step[1:3], c + step[3]) > best


def test_a_network_without_hidden_layers_is_trained_to_the_linear_programme():
    rng = np.random.default_rng(4)
    n, p = 400, 4
    X, xi = rng.standard_normal((n, 2)), generator(0, 53).random((n, 1, 1))[:, 0, 0]
    y = X @ [1.0, -0.5] + 0.3 * rng.standard_normal(n)
    best, _ = programme(X, y, xi, 0.0)
    fitted = ProcessNetwork(hidden=(), penalty=0.0, tau_sampling="fixed", rate=0.02, epochs=150).fit(X, y)
    u = y - fitted.predict_quantiles(X, xi[:, None])[:, 0]
    # Trained on four fifths of the rows: p parameters lose a share of about p / n on the others.
    assert best <= np.mean(np.maximum(xi * u, (xi - 1) * u)) <= best * (1 + p / n)


def test_penalties_trained_at_once_are_each_alone_and_the_best_is_kept():
    X, y = wave(200)
    several = ProcessNetwork(hidden=(16, 16), penalty="auto", epochs=6).fit(X, y)
    assert several.tried.shape == (4, 3)
    np.testing.assert_allclose(several.tried[:, 0], [0.0, 1.0, np.log(200), np.sqrt(200)])
    kept = several.tried[:, 0] == several.penalty
    assert several.tried[kept, 1:].sum() == several.tried[:, 1:].sum(axis=1).min()
    alone = ProcessNetwork(hidden=(16, 16), penalty=several.penalty, epochs=6).fit(X, y)
    np.testing.assert_allclose(alone.predict_quantiles(X, GRID), several.predict_quantiles(X, GRID), rtol=1e-8)


def test_errors_on_the_wave_are_below_those_of_linear_quantiles():
    levels, x = np.array([0.05, 0.25, 0.5, 0.75, 0.95]), np.linspace(0, 1, 1001)[:, None]
    law = np.array([-2.919986, -0.816497, 0.0, 0.816497, 2.919986])  # of t with two degrees of freedom
    truth = 2 * x * np.sin(4 * np.pi * x) + np.exp(2 * x - 1) * law
    learner = ProcessNetwork(**SMALL, rate=1e-2, patience=60, plateau=25)
    errors = []
    for seed in range(3):
        fitted = learner.fit(*wave(seed=seed))
        line = resolve("rq", "quantile").at_taus(levels).fit(*wave(seed=seed))
        errors.append([np.abs(f.predict_quantiles(x, levels) - truth).mean(axis=0) for f in (fitted, line)])
        assert (np.diff(fitted.predict_quantiles(x, GRID), axis=1) < 0).any(axis=1).mean() < 0.01
    ours, linear = np.mean(errors, axis=0)
    assert ours[2] < 0.45 and (ours[1:4] < 0.8 * linear[1:4]).all()


@pytest.mark.parametrize("gap", ["softplus", "elu"])
def test_gaps_never_cross(gap):
    objective = ProcessObjective("gaps", gap, (0.1, 0.4, 0.5, 0.9))
    params = objective.start(3, (5,), 0)
    params = [(50.0 * matrix, bias) for matrix, bias in params]
    X = np.random.default_rng(0).standard_normal((200, 3))
    levels = np.linspace(1e-4, 1 - 1e-4, 500)
    q, slope = curves(objective, params, X, levels)
    assert (np.diff(q, axis=1) >= 0).all() and (slope >= 0).all()
    # Linear between knots, and the base is the median.
    hidden = np.where((z := X @ params[0][0] + params[0][1]) > 0, z, np.expm1(np.minimum(z, 0.0)))
    np.testing.assert_allclose(
        curves(objective, params, X, np.array([0.5]))[0][:, 0], (hidden @ params[1][0] + params[1][1])[:, 0]
    )
    quarter = curves(objective, params, X, np.array([0.1, 0.175, 0.4]))[0]
    np.testing.assert_allclose(quarter[:, 1], 0.75 * quarter[:, 0] + 0.25 * quarter[:, 2], rtol=1e-9)


def test_gaps_learn_the_spread():
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, 800)
    y = np.exp(x) * rng.standard_normal(800)
    fitted = ProcessNetwork("gaps", hidden=(16, 16), rate=1e-2, epochs=60).fit(x[:, None], y)
    width = np.ptp(fitted.predict_quantiles(np.array([[-0.8], [0.8]]), np.array([0.1, 0.9])), axis=1)
    assert 2.0 < width[1] / width[0] < 10.0  # exp(1.6) is 4.95


def crossing_process():
    """A network whose quantiles fall and rise: (2 tau - 1)^2 for positive x."""
    params = [
        (np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, -1.0]])),
        (np.array([[1.0], [1.0]]), np.array([0.0])),
    ]
    return FittedProcess(ProcessObjective(), params, 0.0, 1.0, np.zeros(1), np.ones(1))


def test_the_distribution_function_inverts_quantiles_that_rise_and_counts_levels_where_they_cross():
    fitted = ProcessNetwork(**SMALL, epochs=20).fit(*wave(200))
    X, levels = np.linspace(0.2, 0.8, 7)[:, None], np.linspace(0.15, 0.85, 7)
    rising = np.diff(fitted.predict_quantiles(X, np.linspace(0, 1, 129)), axis=1).min() > 0
    y = fitted.predict_quantiles(X, levels[:, None])[:, 0]
    np.testing.assert_allclose(fitted.cdf(X, y), levels, atol=1e-9 if rising else 1e-3)
    bowl = crossing_process()
    # (2 tau - 1)^2 <= v on a share sqrt(v) of the levels.
    v = np.array([0.04, 0.25, 0.81, -1.0, 2.0])
    np.testing.assert_allclose(bowl.cdf(np.zeros((5, 1)), v), np.sqrt(np.clip(v, 0, 1)), atol=1e-3)
    np.testing.assert_allclose(bowl.rearranged(np.zeros((1, 1)), np.array([0.2, 0.9]))[0], [0.04, 0.81], atol=0.02)


def test_a_step_that_is_not_finite_is_left_out_and_counted():
    X, y = wave(200)
    objective = ProcessObjective()
    start = objective.start(1, (16, 16), 0)
    spoiled, w = y.copy(), np.ones((1, 200))
    settings = {"penalty": 1.0, "most_epochs": 4, "epochs_a_call": 1, "guard": True}
    first = train_networks(objective, start, X, None, y[None], w, GRID, **settings)
    assert first.skipped.tolist() == [0]
    spoiled[np.flatnonzero(~held_out(w, 0)[0])[-1]] = np.nan
    found = train_networks(objective, start, X, None, spoiled[None], w, GRID, **settings)
    # The row is in one step of each epoch, and in the filled-up last one perhaps.
    assert 4 <= found.skipped[0] <= 8 and np.isfinite(found.loss).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found.params[0]))


def test_training_that_runs_off_is_an_error():
    X, y = wave(200)
    for rate in (1e200, 1e5):
        with pytest.raises(si.ConvergenceError, match="rate"):
            ProcessNetwork(**SMALL, rate=rate, epochs=2).fit(X, y)


def test_units_ties_and_constant_columns():
    X, y = wave(200)
    plain = ProcessNetwork(**SMALL, epochs=3).fit(X, y)
    moved = ProcessNetwork(**SMALL, epochs=3).fit(1e3 + 8.0 * X, 5.0 + 4.0 * y)
    expected = 5.0 + 4.0 * plain.predict_quantiles(X, GRID)
    np.testing.assert_allclose(moved.predict_quantiles(1e3 + 8.0 * X, GRID), expected, rtol=1e-6, atol=1e-6)
    wide = np.column_stack([X, np.full(200, 7.0)])
    tied = ProcessNetwork(**SMALL, epochs=3).fit(wide, (y > 1.5).astype(float))
    assert np.isfinite(tied.predict_quantiles(wide, GRID)).all()
    with pytest.raises(si.DataError, match="does not vary"):
        ProcessNetwork(**SMALL).fit(X, np.ones(200))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"network": "relu"}, "network"),
        ({"penalty": -1.0}, "penalty"),
        ({"penalty": "best"}, "penalty"),
        ({"hidden": (0,)}, "hidden"),
        ({"knots": (0.5, 0.4)}, "knots"),
        ({"knots": (0.0, 0.5)}, "knots"),
        ({"gap": "exp"}, "gap"),
        ({"rate": 0.0}, "rate"),
        ({"batch": 0}, "batch"),
        ({"tau_sampling": "once"}, "tau_sampling"),
    ],
)
def test_settings_that_cannot_be(options, word):
    with pytest.raises(si.OptionError, match=word):
        ProcessNetwork(**options)
