import numpy as np
import pytest

import statinf as si
from statinf.datasets.dgp.garnet import garnet
from statinf.numerics.laws.multipliers import MAMMEN_HIGH
from statinf.stochastic.adapting import directions, inverse_mean
from statinf.stochastic.basis import whiten
from statinf.stochastic.settings import Settings
from statinf.stochastic.step_size import curvature_step, leverage_step, logistic_third, step_share
from statinf.stochastic.tuning import burn_in_rows, start_share, step_rule

# Short runs are meant here; what warns, and when, is tested in test_bad_input.
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")


def test_the_step_rule_for_garnet():
    # One-hot features: the 95 % quantile of |g'f| is 1, so k0 = 128 and c0 = 128^(1/2) / W_max at 12,800 rows.
    c0, k0, power = step_rule({"power": 0.5}, 1.0, 12_800, "mammen")
    assert (k0, power) == (128.0, 0.5) and c0 == pytest.approx(np.sqrt(128) / MAMMEN_HIGH)
    assert c0 == pytest.approx(4.3, abs=0.05)
    assert step_rule({"c0": 4, "power": 0.5}, 1.0, 12_800, "mammen")[1] == pytest.approx(110, abs=1)
    assert step_rule({"c0": 4, "k0": 0}, 1.0, None, "mammen") == (4.0, 0.0, pytest.approx(2 / 3))


def test_burn_in_defaults():
    assert [burn_in_rows(None, n) for n in (500, 9_999, 10_000, 100_000)] == [250, 4_999, 1_000, 10_000]
    assert burn_in_rows(0.25, 1000) == 250 and burn_in_rows(7, None) == 7


def test_whitened_columns_are_orthonormal_wherever_they_stand():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 3)) @ np.diag([1, 1e4, 1e-3])
    x = np.column_stack([np.ones(500), z, z[:, 0] + 1e-4 * rng.normal(size=500)])
    for shift in (0.0, 1e8):
        moved = x + shift * np.array([0, 1, 1, 0, 1])
        basis = whiten(moved)
        q = moved @ basis.transform
        # The columns' digits: 1e8 of 1e-4 leaves about four.
        assert q.T @ q / 500 == pytest.approx(np.eye(5), abs=1e-8 if shift == 0.0 else 1e-2)
    both = np.column_stack([x, x[:, 1], np.zeros(500)])
    basis = whiten(both)
    assert np.abs(both @ basis.transform)[:, 5:].max() <= max(basis.tolerance[5], 1e-30)
    assert np.array_equal(basis.transform[:, 6], np.eye(7)[6])


def test_inverse_of_a_mean_on_the_directions_seen():
    x = np.random.default_rng(0).normal(size=(500, 3)) * [1, 100, 0]
    mean = x.T @ x / 500
    seen = directions(mean, np.full(3, 1e-9), False)
    inverse = inverse_mean(mean, seen, symmetric=True)
    assert seen.tolist() == [True, True, False] and not inverse[2].any()
    assert (inverse @ mean)[:2, :2] == pytest.approx(np.eye(2), abs=1e-10)


def test_what_is_left_of_the_start():
    s = Settings(d=1, c0=0.5, k0=10, power=0.6, burn_in=50)
    exact = np.mean(np.cumprod(1 - 0.1 * s.steps(1, 2000))[50:])
    assert start_share(s, 0.1, 2000) == pytest.approx(exact, rel=0.02)


def test_units_of_covariates_do_not_matter():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6000, 2))
    data = {"y": 1 + x @ [1, 2] + rng.normal(size=6000), "a": x[:, 0], "b": x[:, 1]}
    scaled = data | {"a": 1e6 * x[:, 0], "b": 1e-3 * x[:, 1]}
    one, two = (si.lsa("y ~ a + b", d, replicas=128) for d in (data, scaled))
    assert two.theta * [1, 1e6, 1e-3] == pytest.approx(one.theta, rel=1e-6)
    assert two.std_errors.to_numpy() * [1, 1e6, 1e-3] == pytest.approx(one.std_errors.to_numpy(), rel=1e-6)


def test_garnet_default_steps_are_stable():
    moves = si.datasets.simulate("garnet", 12_800, seed=0)
    fit = si.td("reward ~ 0 + C(state)", moves, next="next_state", discount=0.9, replicas=0, step={"power": 0.5})
    s = fit.run.settings
    assert s.k0 > 128 and s.c0 == pytest.approx(np.sqrt(s.k0) / MAMMEN_HIGH)
    assert np.abs(fit.theta - garnet().value).max() < 0.2


def test_steps_fall_with_the_curvature_of_the_equation_and_with_heavy_rows():
    """An intercept at logit u: P = 1 / (p q), and the bias of its average is alpha (1 - 2 p) / 4 of sqrt(n) standard errors."""
    ones, p, n = np.ones((50, 1)), 1 / (1 + np.exp(-1.0)), 40_000
    alpha = curvature_step(ones, ones, np.array([[1 / (p * (1 - p))]]), logistic_third(np.full(50, p)), 1.0, n)
    assert 0.25 * alpha * np.sqrt(n) * (2 * p - 1) / np.sqrt(p * (1 - p)) == pytest.approx(1 / 3)
    assert leverage_step(np.array([1.0, 3.0]), 2.0) == pytest.approx(0.25 / (2.0 * 10.0 / 4.0))
    # In the middle of n rows the step is the one wanted, but never below 15 / n nor above the one there was.
    for wanted, found in ((1e-3, 1e-3), (1e-9, 15 / n), (10.0, 2.0 * (400 + n / 2) ** (-2 / 3))):
        share = step_share(2.0, 400.0, 2 / 3, n, wanted)
        assert 2.0 * share * (400 + n / 2) ** (-2 / 3) == pytest.approx(found)
