"""Cases in which averaged stochastic approximation has a closed form."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from statinf.datasets.dgp.garnet import garnet
from statinf.numerics.laws.multipliers import seed_words
from statinf.numerics.recursions.averaging import replica_tile
from statinf.numerics.recursions.traces import eligibility
from statinf.stochastic.covariance import plugin
from statinf.stochastic.engine import advance, settle
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import CovarianceSums, State
from statinf.stochastic.sums import add_rows


def finish(s, rows, start=None):
    s = replace(s, start=start)
    return settle(s, advance(s, State.start(s), rows))


def test_unit_multipliers_give_the_point_estimate():
    rng = np.random.default_rng(0)
    n, d = 512, 3
    x, y = rng.normal(size=(n, d)), rng.normal(size=n)
    s = Settings(d=d, c0=0.3, k0=5.0, burn_in=100)
    end = finish(s, StreamRows.of(x, x, y))
    kept = (np.arange(1, n + 1) > 100).astype(float)
    arrays = (x, x, y, s.steps(1, n), kept, np.full(n, -1))
    zero = np.zeros((d, 64))
    _, total = replica_tile(
        zero,
        zero,
        arrays,
        np.int64(n // 16),
        seed_words(0),
        np.zeros(1, np.uint32),
        np.float64(0),
        loss="squared",
        law="mammen",
    )
    assert np.abs(total / (n - 100) - end.mean[:, None]).max() < 1e-12


def test_constant_pairs_decay_by_the_product_of_matrices():
    # A_k = A must have rank one here, so A = f g' in one dimension of the error.
    f, g, c = np.array([0.5, 0.2]), np.array([1.0, 0.4]), 2.0
    n = 300
    s = Settings(d=2, c0=0.8, k0=3.0, power=0.7)
    start = np.array([3.0, -1.0])
    end = finish(s, StreamRows.of(np.tile(f, (n, 1)), np.tile(g, (n, 1)), np.full(n, c)), start)
    root = start + f * (c - g @ start) / (g @ f)
    product = np.eye(2)
    for a in s.steps(1, n):
        product = (np.eye(2) - a * np.outer(f, g)) @ product
    assert np.abs(end.theta - root - product @ (start - root)).max() < 1e-10


def test_scalar_with_steps_one_over_k_is_the_running_mean():
    b = np.random.default_rng(1).normal(size=700)
    ones = np.ones((700, 1))
    s = Settings(d=1, c0=1.0, k0=0.0, power=1.0, burn_in=699)
    end = finish(s, StreamRows.of(ones, ones, b))
    assert abs(end.theta[0] - b.mean()) < 1e-10
    assert abs(end.mean[0] - b.mean()) < 1e-10


def test_td_without_discount_is_averaged_regression_on_state_dummies():
    rng = np.random.default_rng(2)
    state, reward = rng.integers(0, 4, size=1000), rng.normal(size=1000)
    phi = np.eye(4)[state]
    traces = eligibility(phi, np.zeros(1000, bool), 0.0)
    s = Settings(d=4, c0=0.5, k0=10.0, burn_in=300)
    td, regression = (
        finish(s, StreamRows.of(traces, phi - 0.0 * phi, reward)),
        finish(s, StreamRows.of(phi, phi, reward)),
    )
    assert np.abs(td.mean - regression.mean).max() < 1e-10


def episodes(rng, count, size):
    lengths = rng.integers(1, 9, size=count)
    fresh = np.zeros(lengths.sum(), bool)
    fresh[np.concatenate([[0], np.cumsum(lengths)[:-1]])] = True
    return np.eye(size)[rng.integers(0, size, size=lengths.sum())], fresh, rng.normal(size=lengths.sum())


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_td_one_solved_offline_is_monte_carlo(discount):
    phi, fresh, reward = episodes(np.random.default_rng(3), 200, 5)
    end = np.append(fresh[1:], True)
    following = np.where(end[:, None], 0.0, np.vstack([phi[1:], phi[:1]]))
    traces = eligibility(phi, fresh, discount)
    theta = np.linalg.solve(traces.T @ (phi - discount * following), traces.T @ reward)
    returns = np.zeros(len(reward))
    for k in reversed(range(len(reward))):
        returns[k] = reward[k] + (0.0 if end[k] else discount * returns[k + 1])
    assert np.abs(theta - np.linalg.lstsq(phi, returns, rcond=None)[0]).max() < 1e-10


def test_traces_with_ratios_and_over_blocks():
    phi, fresh, _ = episodes(np.random.default_rng(4), 50, 3)
    ratio = np.random.default_rng(5).uniform(0.5, 1.5, size=len(phi))
    whole = eligibility(phi, fresh, 0.63, ratio)
    by_hand = np.zeros(3)
    for k in range(len(phi)):
        by_hand = ratio[k] * ((0.0 if fresh[k] else 0.63) * by_hand + phi[k])
        assert np.abs(whole[k] - by_hand).max() < 1e-12
    head = eligibility(phi[:70], fresh[:70], 0.63, ratio[:70])
    tail = eligibility(phi[70:], fresh[70:], 0.63, ratio[70:], head[-1])
    assert np.array_equal(np.vstack([head, tail]), whole)


@pytest.mark.parametrize("instruments", [False, True])
def test_plugin_at_the_root_is_the_sandwich_of_ols_and_iv(instruments):
    rng = np.random.default_rng(6)
    n = 512
    z = sm.add_constant(rng.normal(size=(n, 2)))
    x = z.copy()
    if instruments:
        x[:, 1] += rng.normal(size=n)
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=n) * (1 + np.abs(x[:, 1]))
    root = np.linalg.solve(z.T @ x, z.T @ y)
    s = Settings(d=3, c0=1.0)
    fixed = np.tile(root, (n, 1))
    sums = add_rows(CovarianceSums.zero(s), s, 1, StreamRows.of(z, x, y), fixed, fixed, root, n)
    if instruments:
        from statsmodels.sandbox.regression.gmm import IV2SLS

        residual = IV2SLS(y, x, z).fit().resid
        bread = np.linalg.inv(z.T @ x)
        expected = bread @ (z.T * residual**2) @ z @ bread.T
    else:
        expected = sm.OLS(y, x).fit(cov_type="HC0").cov_params()
    assert np.abs(plugin(sums) - expected).max() < 1e-10 * np.abs(expected).max()


def test_garnet_has_its_published_constants():
    # Constants of the instance in the authors' public code for arXiv 2405.16644, printed digits.
    g = garnet()
    value = [5.272210, 5.222253, 5.438065, 5.273669, 4.833108, 5.030909, 5.081731, 5.260291, 5.111088, 5.197797]
    stationary = [0.061358, 0.129738, 0.125271, 0.148236, 0.098492, 0.048645, 0.148116, 0.074811, 0.113267, 0.052065]
    noise = [0.001612, 0.003711, 0.027911, 0.002696, 0.001714, 0.002547, 0.008067, 0.003316, 0.002755, 0.000474]
    limit = [5.27165, 5.35638, 12.00272, 4.65751, 5.33941, 5.96460, 5.56713, 5.53604, 4.91153, 4.21125]
    assert np.abs(g.value - value).max() < 6e-7
    assert np.abs(g.stationary - stationary).max() < 6e-7
    assert np.abs(np.diag(g.noise()) - noise).max() < 6e-7
    assert np.abs(np.diag(g.limit_covariance()) - limit).max() < 6e-6


def test_plugin_approaches_the_limit_covariance_of_garnet():
    # Sigma from exact constants against the plug-in's A^{-1} S A^{-T} with expectations taken exactly.
    g = garnet()
    size, p = 10, g.transition
    joint = g.policy[:, :, None] * g.kernel * g.stationary[None, :, None]
    a, s, i, t = np.zeros((size, size)), np.zeros((size, size)), np.eye(size), np.arange(size)
    for action in range(2):
        for here in range(size):
            for there in t[joint[action, here] > 0]:
                f, gg = i[here], i[here] - 0.9 * i[there]
                e = gg @ g.value - g.rewards[action, here]
                a += joint[action, here, there] * np.outer(f, gg)
                s += joint[action, here, there] * e**2 * np.outer(f, f)
    inverse = np.linalg.inv(a)
    assert np.abs(a - g.mean_matrix()).max() < 1e-12 and np.abs(p.sum(axis=1) - 1).max() < 1e-12
    assert np.abs(inverse @ s @ inverse.T - g.limit_covariance()).max() < 1e-10
