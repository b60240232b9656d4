"""Numbers of other software, with the call that made them."""

import numpy as np
import pytest

from statinf.stochastic.covariance import random_scaling, scaling_critical, scaling_tail
from statinf.stochastic.engine import advance, settle
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State

# R SGDinference 0.1.0, inference="rs", no burn-in, no studentisation, start 0, rate 0.5 i^-0.505,
# on x1 = sin(i), x2 = cos(2i), y = 1 + 2 x1 - x2 + 0.5 sin(7i), i = 1, ..., 200.
LINEAR = [1.018904702601, 1.970510625700, -0.989354904037]
LINEAR_V = [
    [0.02107521737069, -0.0249146926393, 0.00956204897255],
    [-0.0249146926393, 0.0309687396854, -0.01176416426285],
    [0.00956204897255, -0.01176416426285, 0.00449275606504],
]
LINEAR_CI = [(0.949644821182, 1.088164584020), (1.886553516213, 2.054467735187), (-1.021332965425, -0.957376842649)]
QUANTILE = [0.437458685536, 1.308534883282, -0.512304298601]
QUANTILE_V = [
    [0.638219815821, 1.33989581711, -0.748605495271],
    [1.33989581711, 2.83115977998, -1.58429450984],
    [-0.748605495271, -1.58429450984, 0.887449733013],
]


def fit(**options):
    i = np.arange(1.0, 201.0)
    x = np.column_stack([np.ones(200), np.sin(i), np.cos(2 * i)])
    y = 1 + 2 * x[:, 1] - x[:, 2] + 0.5 * np.sin(7 * i)
    s = Settings(d=3, c0=0.5, power=0.505, keep=("random-scaling",), **options)
    return settle(s, advance(s, State.start(s), StreamRows.of(x, x, y)))


def test_random_scaling_of_least_squares_is_that_of_sgdinference():
    end = fit()
    v = random_scaling(end.sums, end.mean, 200)
    assert end.mean == pytest.approx(LINEAR, abs=1e-11)
    assert v == pytest.approx(np.array(LINEAR_V), rel=1e-10)
    half = 6.747 * np.sqrt(np.diag(v) / 200)  # the critical value that package prints
    assert np.column_stack([end.mean - half, end.mean + half]) == pytest.approx(np.array(LINEAR_CI), abs=1e-10)


def test_random_scaling_of_a_quantile_is_that_of_sgdinference():
    end = fit(loss="quantile", tau=0.3)
    assert end.mean == pytest.approx(QUANTILE, abs=1e-11)
    assert random_scaling(end.sums, end.mean, 200) == pytest.approx(np.array(QUANTILE_V), rel=1e-10)


def test_critical_values_of_random_scaling():
    # Abadir & Paruolo (1997), Table I, one-sided 0.90, 0.95, 0.975, 0.99.
    for level, value in ((0.80, 3.875), (0.90, 5.323), (0.95, 6.747), (0.98, 8.613)):
        assert scaling_critical(level) == pytest.approx(value, abs=5.1e-4)
        assert scaling_tail(scaling_critical(level)) == pytest.approx(1 - level, abs=1e-10)
