import numpy as np
import pytest

from statinf.numerics.laws.multipliers import LAWS, MAMMEN_HIGH, MAMMEN_LOW, multipliers

ROWS = np.arange(1, 4001)


@pytest.mark.parametrize("law", LAWS)
def test_mean_and_variance_are_one(law):
    w = multipliers(ROWS, 64, law=law, seed=3)
    n = w.size
    fourth = {
        "mammen": 2.0,
        "twopoint": 3.25,
        "bernoulli": 1.0,
        "beta": 2.5,
        "exponential": 9.0,
        "gaussian": 3.0,
        "poisson": 4.0,
    }
    assert abs(w.mean() - 1.0) < 4.5 / np.sqrt(n)
    assert abs(w.var() - 1.0) < 4.5 * np.sqrt((fourth[law] + 1.0) / n)


def test_mammen_points_have_mean_and_variance_exactly_one():
    p = 185 / 256
    assert p * MAMMEN_LOW + (1 - p) * MAMMEN_HIGH == pytest.approx(1.0, abs=1e-15)
    assert p * (MAMMEN_LOW - 1) ** 2 + (1 - p) * (MAMMEN_HIGH - 1) ** 2 == pytest.approx(1.0, abs=1e-14)
    assert pytest.approx(0.382, abs=2e-3) == MAMMEN_LOW and pytest.approx(2.618, abs=5e-3) == MAMMEN_HIGH


@pytest.mark.parametrize("law", ["mammen", "exponential", "beta"])
def test_multipliers_depend_on_row_and_replica_only(law):
    whole = multipliers(ROWS[:300], 200, law=law, seed=5)
    part = multipliers(ROWS[117:120], 70, law=law, seed=5)
    assert np.array_equal(part, whole[117:120, :70])


def test_rows_replicas_and_seeds_are_uncorrelated():
    w = multipliers(ROWS, 64, seed=1) - 1.0
    bound = 5.0 / np.sqrt(w.size)
    assert abs((w[1:] * w[:-1]).mean()) < bound
    assert abs((w[:, 1:] * w[:, :-1]).mean()) < bound
    assert abs((w * (multipliers(ROWS, 64, seed=2) - 1.0)).mean()) < bound


def test_row_numbers_beyond_32_bits_differ():
    low, high = multipliers(np.array([5, 5 + 2**32]), 640, seed=0)
    assert (low != high).any()
