"""One-sided tests, tests of equivalence, and values of bare expressions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import statinf as si


@pytest.fixture(scope="module")
def fit():
    return si.lm("mpg ~ wt + qsec", si.datasets.load("mtcars"))


def test_one_sided_p_values_and_limits(fit):
    t = (fit.params["wt"] + 4.0) / fit.std_errors["wt"]
    greater, less = (fit.test("wt", null=-4, side=s) for s in ("greater", "less"))
    np.testing.assert_allclose([greater.p_value, less.p_value], [stats.t.sf(t, 29), stats.t.cdf(t, 29)], rtol=1e-12)
    assert greater.statistic == less.statistic == pytest.approx(t, rel=1e-12)
    limits = fit.conf_int(0.9).loc["wt"]
    np.testing.assert_allclose([greater.conf_low, less.conf_high], limits, rtol=1e-12)
    assert greater.conf_high == np.inf and less.conf_low == -np.inf
    # Where the limit is the null value, the p-value is one less the level.
    assert fit.test("wt", null=greater.conf_low, side="greater").p_value == pytest.approx(0.05)
    assert fit.test("wt = -4", side="less").p_value == less.p_value
    assert fit.test("wt = qsec", side="greater", level=0.9).level == 0.9


def test_equivalence_is_two_one_sided_tests(fit):
    found = fit.test("wt", equivalence=(-6.5, -4))
    low, high = fit.test("wt = -6.5", side="greater"), fit.test("wt = -4", side="less")
    np.testing.assert_allclose([found.p_value_low, found.p_value_high], [low.p_value, high.p_value], rtol=1e-12)
    assert found.p_value == max(low.p_value, high.p_value)
    np.testing.assert_allclose([found.conf_low, found.conf_high], fit.conf_int(0.9).loc["wt"], rtol=1e-12)
    only = fit.test("wt", equivalence=(-np.inf, -4))
    assert only.p_value == high.p_value and only.p_value_low == 0.0
    assert set(found.tidy().columns) >= {"p_value", "p_value_low", "p_value_high", "conf_low", "conf_high"}
    assert "equivalence p" in str(found) and str(found).count("t(") == 2
    assert str(only).count("t(") == 1 and "inf below" not in str(only)
    assert fit.test("wt=0", equivalence=(-6.5, -4)).hypothesis == "wt"


def test_normal_fits_and_combinations_use_their_distribution():
    data = si.datasets.load("mtcars")
    fit = si.glm("am ~ wt", data, family="binomial")
    z = (fit.params["wt"] - 1.0) / fit.std_errors["wt"]
    found = fit.test("wt", null=1, side="less")
    assert found.p_value == pytest.approx(stats.norm.cdf(z), rel=1e-12) and str(found).count("z = ") == 1
    both = si.joint(fit, si.lm("mpg ~ wt", data))
    assert both.test("1: wt - 2: wt", equivalence=(-10, 10)).p_value > 0


def test_null_values_of_expressions(fit):
    assert fit.test("wt", null=1).statistic == fit.test("wt = 1").statistic
    several = fit.test("wt, qsec", null=[1, 2])
    assert several.statistic == fit.test("wt = 1, qsec = 2").statistic
    assert several.hypothesis == "wt, qsec = 1, 2"
    assert fit.test([[0, 1, 0]], null=1).statistic == fit.test([[0, 1, 0]], [1]).statistic


@pytest.mark.parametrize(
    ("hypothesis", "options", "message"),
    [
        ("wt = 0", {"null": 1}, "says its own value"),
        ("wt", {"null": "a"}, "finite number"),
        ("wt", {"side": "up"}, "side"),
        ("wt, qsec", {"side": "less"}, "one restriction"),
        ("wt", {"equivalence": (1, -1)}, "below the second"),
        ("wt", {"equivalence": 1}, "two bounds"),
        ("wt", {"equivalence": (-np.inf, np.inf)}, "bounds nothing"),
        ("wt", {"equivalence": (-1, 1), "level": 0.5}, "more than 0.5"),
        ("wt = 1", {"equivalence": (-1, 1)}, "value of its own"),
        ("wt", {"equivalence": (-1, 1), "side": "less"}, "leave side="),
        ("wt", {"level": 0.9}, "Wald test has none"),
        ("wt", {"side": "less", "level": 95}, "level"),
    ],
)
def test_contradictions_are_refused(fit, hypothesis, options, message):
    with pytest.raises(si.OptionError, match=message):
        fit.test(hypothesis, **options)


def test_no_standard_error_no_test(fit):
    with pytest.raises(si.NotIdentifiedError, match="aliased"):
        with pytest.warns(si.StatinfWarning):
            aliased = si.lm("mpg ~ wt + I(2 * wt)", si.datasets.load("mtcars"))
        aliased.test("I(2 * wt)", side="less")
