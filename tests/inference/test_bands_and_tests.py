"""Uniform bands and hypotheses."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si
from statinf.inference import linear_restrictions, sup_t_critical


def test_sup_t_is_sidak_for_independent_coordinates():
    from scipy.special import ndtri

    level, q, draws = 0.9, 5, 100_000
    exact = ndtri(0.5 + 0.5 * level ** (1 / q))
    found = sup_t_critical(np.diag(np.arange(1.0, q + 1)), level, draws=draws)
    density = 2 * q * np.exp(-0.5 * exact**2) / np.sqrt(2 * np.pi) * level ** ((q - 1) / q)
    assert abs(found - exact) < 4 * np.sqrt(level * (1 - level) / draws) / density


def test_sup_t_of_perfectly_dependent_coordinates_is_pointwise():
    found = sup_t_critical(np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), 0.95, draws=200_000)
    assert abs(found - 1.959964) < 4 * np.sqrt(0.95 * 0.05 / 200_000) / (2 * 0.05845)


def test_sup_t_with_an_estimated_variance_is_the_studentised_maximum():
    from scipy.special import stdtrit

    # One coordinate: Student's t. Its density at the quantile gives the Monte Carlo error.
    exact, draws = stdtrit(5, 0.975), 200_000
    density = 0.3796067 * (1 + exact**2 / 5) ** -3
    found = sup_t_critical(np.eye(1), 0.95, df=5, draws=draws)
    assert abs(found - exact) < 4 * np.sqrt(0.95 * 0.05 / draws) / (2 * density)
    # Two independent ones with 10 degrees of freedom: 2.61, from tables of the studentised maximum modulus.
    assert abs(sup_t_critical(np.eye(2), 0.95, df=10, draws=draws) - 2.61) < 0.025


def test_hypotheses_read_table_names():
    names = ("Intercept", "x1", "x10", "C(g)[T.b]", "x1:x10", "I(x1 ** 2)")
    matrix, values = linear_restrictions("x1 = x10, 2 * C(g)[T.b] + x1:x10 = 3, I(x1 ** 2)", names)
    assert matrix.tolist() == [[0, 1, -1, 0, 0, 0], [0, 0, 0, 2, 1, 0], [0, 0, 0, 0, 0, 1]]
    assert values.tolist() == [0, 3, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x1 * x2 = 0", "not linear"),
        ("x9 = 0", "x9"),
        ("x1 = x2 = 0", "one '='"),
        ("1 = 2", "no coefficient"),
        ("__import__('os')", "hypothesis"),
    ],
)
def test_bad_hypotheses(text, message):
    with pytest.raises(si.OptionError, match=message):
        linear_restrictions(text, ("x1", "x2"))


def test_repeated_restrictions_are_refused():
    fit = si.lm("mpg ~ wt + hp", si.datasets.load("mtcars"))
    with pytest.raises(si.NotIdentifiedError, match="repeats"):
        fit.test("wt = 0, 2 * wt = 0")
