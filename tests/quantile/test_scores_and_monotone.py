"""Scores against closed forms and published numbers; monotone steps against their guarantees."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import isotonic_regression
from scipy.stats import norm

import statinf as si
from statinf.errors import OptionError
from statinf.numerics.order.monotone import monotone
from statinf.quantile.scores import crps, interval_score, pinball, pit, score_quantiles, weighted_interval_score

TAU = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def draws(count=4000, m=9, seed=0):
    rng = np.random.default_rng(seed)
    tau = np.sort(rng.random((count, m)), axis=1)
    return rng.standard_normal(count) * 2, rng.standard_normal((count, m)), tau


@pytest.mark.parametrize("kind", ["sort", "isotonic"])
def test_sorting_and_isotonic_never_increase_the_pinball_loss(kind):
    y, q, tau = draws()
    before = np.maximum(tau * (y[:, None] - q), (tau - 1) * (y[:, None] - q)).sum(axis=1)
    fixed = monotone(q, kind)
    after = np.maximum(tau * (y[:, None] - fixed), (tau - 1) * (y[:, None] - fixed)).sum(axis=1)
    assert (after - before).max() < 1e-12
    assert (after < before - 1e-6).mean() > 0.9


@pytest.mark.parametrize("kind", ["sort", "isotonic", "sweep"])
def test_output_is_nondecreasing_and_keeps_ordered_vectors(kind):
    _, q, _ = draws(500, 8)
    fixed = monotone(q, kind)
    assert (np.diff(fixed, axis=1) >= 0).all()
    np.testing.assert_allclose(monotone(fixed, kind), fixed, atol=1e-12)
    np.testing.assert_array_equal(monotone(np.sort(q, axis=1), kind), np.sort(q, axis=1))
    one = q[:, :1]
    np.testing.assert_array_equal(monotone(one, kind), one)


def test_isotonic_equals_scipy():
    _, q, _ = draws(50, 12)
    for row, fixed in zip(q, monotone(q, "isotonic"), strict=True):
        np.testing.assert_allclose(fixed, isotonic_regression(row).x, atol=1e-12)


def test_sweep_from_the_median():
    np.testing.assert_array_equal(monotone([[3.0, 1.0, 2.0, 5.0, 4.0]], "sweep"), [[1.0, 1.0, 2.0, 5.0, 5.0]])
    with pytest.raises(OptionError, match="noncrossing"):
        monotone([[1.0]], "max")


def test_weighted_interval_score_is_the_interval_form():
    rng = np.random.default_rng(1)
    y, q = rng.standard_normal(200), rng.standard_normal((200, 5))  # crossed on purpose
    form = 0.5 * np.abs(y - q[:, 2])
    for low, high, level in ((0, 4, 0.9), (1, 3, 0.5)):
        form = form + (1 - level) / 2 * interval_score(y, q[:, low], q[:, high], level)
    np.testing.assert_allclose(weighted_interval_score(y, q, TAU), form / 2.5)


def test_published_numbers():
    assert weighted_interval_score(np.array([0.7]), np.array([[-1.2, -0.4, 0.1, 0.9, 2.0]]), TAU)[0] == pytest.approx(
        0.314
    )
    # yardstick (R), weighted_interval_score: the mean of these two is 1.275
    q, levels = np.array([[1.0, 2, 3, 4], [8, 9, 10, 11]]), np.array([0.2, 0.4, 0.6, 0.8])
    assert weighted_interval_score(np.array([3.3, 7.1]), q, levels).mean() == pytest.approx(1.275)


def test_crps_approaches_the_closed_form_of_the_normal():
    tau = (np.arange(20_000) + 0.5) / 20_000
    assert crps(np.array([0.7]), norm.ppf(tau)[None], tau)[0] == pytest.approx(0.42156917007, abs=2e-5)


def test_scores_of_true_quantiles_are_calibrated():
    rng = np.random.default_rng(2)
    y = rng.standard_normal(4000)
    out = score_quantiles(y, np.tile(norm.ppf(TAU), (4000, 1)), TAU)
    band = 3.5 * np.sqrt(TAU * (1 - TAU) / 4000)
    assert (np.abs(out.coverage - TAU) < band).all()
    assert abs(out.interval_coverage[0.9] - 0.9) < 3.5 * np.sqrt(0.09 / 4000)
    assert out.crossing == 0.0
    np.testing.assert_allclose(out.pinball, pinball(y, np.tile(norm.ppf(TAU), (4000, 1)), TAU).mean(axis=0))
    inner = pit(y, np.tile(norm.ppf(np.arange(1, 100) / 100), (4000, 1)), np.arange(1, 100) / 100)
    assert abs(inner.mean() - 0.5) < 0.02
    assert "Weighted interval score" in str(out)


@pytest.mark.parametrize("verb", ["rq", "rq_path"])
def test_scores_of_the_rows_of_a_fit_have_its_weights(verb):
    random = np.random.default_rng(0)
    x = random.normal(size=90)
    data = pd.DataFrame({"x": x, "z": random.normal(size=90), "y": x + random.normal(size=90), "w": np.arange(90) % 4})
    fit = getattr(si, verb)("y ~ x + z", data, tau=[0.25, 0.5, 0.75], weights="w")
    found, repeated = fit.score(), fit.score(data.loc[data.index.repeat(data["w"])])
    np.testing.assert_allclose(found.pinball, repeated.pinball, rtol=1e-12)
    np.testing.assert_allclose(found.coverage, repeated.coverage, rtol=1e-12)
    assert found.interval_coverage == pytest.approx(repeated.interval_coverage)
    assert found.crps == pytest.approx(repeated.crps)
    assert found.nobs == (data["w"] > 0).sum()
