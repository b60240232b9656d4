"""Degrees of freedom from the effective number of rows behind a sandwich, and that weighted fits refer to them."""

import numpy as np
import pytest

import statinf as si
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import t_quantile
from statinf.inference.effective import by_effective_rows, effective_degrees

pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")


def test_the_number_of_rows_that_count():
    assert effective_degrees(np.ones((7, 1))) == pytest.approx(7.0)
    lone = np.zeros((7, 2))
    lone[3] = 2.0, -1e-9
    assert effective_degrees(lone) == pytest.approx([1.0, 1.0])
    assert np.isnan(effective_degrees(np.zeros((7, 1))))
    random = np.random.default_rng(0)
    psi = random.standard_normal((200_000, 1))
    # A normal has a fourth moment of three; the error of n / 3 is that of the mean of fourth powers, whose variance is 96.
    assert effective_degrees(psi)[0] / 200_000 == pytest.approx(1 / 3, abs=5 * np.sqrt(96 / 200_000) / 9)
    assert effective_degrees(1e-200 * psi) == pytest.approx(effective_degrees(psi))
    assert effective_degrees(np.vstack([psi, 0 * psi])) == pytest.approx(effective_degrees(psi))


def test_no_more_degrees_than_there_were():
    found = by_effective_rows(Covariance(np.eye(2), "HC0", "HC0", 5.0), np.eye(2)[np.arange(40) % 2])
    assert found.each.tolist() == [5.0, 5.0]
    assert found.df == 5.0


@pytest.fixture(scope="module")
def samples():
    data = si.datasets.simulate("covariate_shift", 800, seed=3, tilt=(0.6, -0.3))
    return data[data["sample"] == "source"], data[data["sample"] == "target"]


def test_weighted_regressions_refer_to_them(samples):
    fit = si.shift("y ~ x1 + x2", *samples, method="mwle", ratio="logistic")
    each = effective_degrees(fit.influence)
    assert fit.cov.each == pytest.approx(each)
    half = t_quantile(0.975, each) * fit.std_errors.to_numpy()
    assert fit.conf_int()["conf_high"].to_numpy() == pytest.approx(fit.theta + half)
    assert fit.lean().conf_int().to_numpy() == pytest.approx(fit.conf_int().to_numpy())
    assert "effective number of rows" in fit.summary().to_text()
    assert si.shift("y ~ x1 + x2", *samples, method="mle").cov.each is None
    whole = np.arange(len(samples[0])) // 4
    assert si.shift("y ~ x1 + x2", *samples, method="mwle", cluster=whole).cov.each is None


def test_weighted_means_refer_to_them(samples):
    fit = si.target_mean("y ~ x1 + x2", *samples, method="aipw")
    assert 1.0 < fit.cov.df < fit.nobs
    assert fit.cov.each == pytest.approx(effective_degrees(fit.influence))
    assert np.isinf(si.target_mean("y ~ x1 + x2", *samples, method="gcomp").cov.df)
