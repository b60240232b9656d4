"""The bootstrap engine: exact where it can be, within Monte Carlo error where it cannot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.inference import bootstrap as engine
from statinf.inference.weights import BLOCK, draw


@pytest.fixture(scope="module")
def fit():
    frame = si.datasets.simulate("linear", 200, seed=5)
    x = [c for c in frame.columns if c.startswith("x")][:2]
    return si.lm(f"y ~ {' + '.join(x)}", frame)


@pytest.mark.parametrize("kind", ["pairs", "bayesian", "multiplier"])
def test_weights_do_not_depend_on_the_chunk(kind):
    whole = draw(kind, 37, 0, 4 * BLOCK, seed=3)
    pieces = [draw(kind, 37, s, s + BLOCK, seed=3) for s in range(0, 4 * BLOCK, BLOCK)]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert not np.array_equal(whole, draw(kind, 37, 0, 4 * BLOCK, seed=4))


@pytest.mark.parametrize("law", engine.LAWS)
def test_multipliers_have_mean_zero_and_variance_one(law):
    v = draw("multiplier", 2000, 0, 200 // BLOCK * BLOCK, seed=1, law=law).ravel()
    # Four standard errors of the mean and of the variance of m draws.
    m, kurtosis = v.size, {"mammen": 2.0, "rademacher": 1.0, "normal": 3.0, "exponential": 9.0, "webb": 7 / 6}[law]
    assert abs(v.mean()) < 4 / np.sqrt(m)
    assert abs(v.var() - 1) < 4 * np.sqrt(max(kurtosis - 1, 1e-2) / m)


def test_pairs_are_refits_of_the_drawn_rows(fit):
    made = fit.bootstrap(20, kind="pairs", seed=2)
    counts = draw("pairs", fit.nobs, 0, 20, seed=2)
    x = fit.design.parts[0].values
    for b in range(5):
        root = np.sqrt(counts[b])
        expected = np.linalg.lstsq(x * root[:, None], fit.design.y * root, rcond=None)[0]
        np.testing.assert_allclose(made.draws.draws[b], expected, rtol=1e-10)


def test_standard_errors_of_draws_are_hc1_of_refits(fit):
    made = fit.bootstrap(20, kind="bayesian", seed=2, studentize=True)
    weights = draw("bayesian", fit.nobs, 0, 20, seed=2)
    x, y, n = fit.design.parts[0].values, fit.design.y, fit.nobs
    for b in range(4):
        gram = np.linalg.inv(x.T @ (x * weights[b][:, None]))
        e = y - x @ made.draws.draws[b]
        meat = x.T @ (x * (weights[b] * e**2)[:, None])
        se = np.sqrt(np.diag(gram @ meat @ gram) * n / (n - x.shape[1]))
        np.testing.assert_allclose(made.draws.std_errors[b], se, rtol=1e-9)


@pytest.mark.parametrize("kind", ["multiplier", "pairs", "bayesian", "wild"])
def test_standard_errors_agree_with_the_sandwich(fit, kind):
    replicas = 4000
    made = fit.bootstrap(replicas, kind=kind, seed=1)
    ratio = made.std_errors / fit.with_vcov("HC2" if kind == "wild" else "HC0").std_errors
    # Monte Carlo error of a standard deviation is 1/sqrt(2B), times at most sqrt(2) for heavy tails; refits
    # differ from the linearised sandwich by O(1/n).
    allowed = 4 * np.sqrt(1 / replicas) + (3 / fit.nobs * 3 if kind in ("pairs", "bayesian") else 0)
    assert np.abs(ratio - 1).max() < allowed


def test_a_glm_is_refitted_under_weights():
    frame = si.datasets.simulate("logit", 250, seed=2)
    x = next(c for c in frame.columns if c.startswith("x"))
    fit = si.glm(f"y ~ {x}", frame, family="binomial")
    made = fit.bootstrap(20, kind="bayesian", seed=1)
    weights = draw("bayesian", fit.nobs, 0, 20, seed=1)
    for b in (0, 5):
        again = si.glm(f"y ~ {x}", frame, family="binomial", weights=weights[b])
        np.testing.assert_allclose(made.draws.draws[b], again.theta, rtol=1e-7)


def test_clusters_are_drawn_whole():
    frame = si.datasets.load("mtcars")
    with pytest.warns(si.StatinfWarning, match="6 values"):
        fit = si.lm("mpg ~ wt", frame, vcov={"cluster": "carb"})
    made = fit.bootstrap(64, kind="pairs", seed=0)
    assert made.draws.clusters == frame["carb"].nunique()
    counts = draw("pairs", made.draws.clusters, 0, 64, seed=0)
    codes = fit.design.cluster_codes("carb")
    root = np.sqrt(counts[0][codes])
    x = fit.design.parts[0].values
    expected = np.linalg.lstsq(x * root[:, None], fit.design.y * root, rcond=None)[0]
    np.testing.assert_allclose(made.draws.draws[0], expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:1 of 200 conditional densities")
@pytest.mark.parametrize("kind", ["multiplier", "pairs", "bayesian", "wild", "pwy"])
def test_drawn_clusters_are_counted_as_those_of_the_sandwich(kind):
    """A cluster of weight zero is absent, and tests have one degree of freedom less than there are clusters."""
    data = si.datasets.load("grunfeld").assign(w=lambda d: (d["firm"] != "General Motors") * 1.0)
    verb = si.rq if kind == "pwy" else si.lm
    drawn = [
        verb("invest ~ value", d, weights="w").bootstrap(40, kind, cluster="firm") for d in (data, data[data["w"] > 0])
    ]
    known = verb("invest ~ value", data, weights="w", cluster="firm")
    for fit in drawn:
        assert fit.draws.clusters == 10 and fit.cov.df == known.cov.df == 9
    np.testing.assert_allclose(drawn[0].draws.draws, drawn[1].draws.draws, rtol=1e-9)
    odds = si.glm("I(invest > 100) ~ value", data, family="binomial")
    if kind in ("multiplier", "pairs"):
        assert odds.bootstrap(40, kind, cluster="firm").cov.df == np.inf


def test_rows_that_only_made_the_weights_are_no_clusters_of_the_fit():
    rng = np.random.default_rng(0)
    source = pd.DataFrame({"x": rng.normal(size=300), "g": np.arange(300) % 30})
    source["y"] = source["x"] + rng.normal(size=300)
    target = pd.DataFrame({"x": rng.normal(0.4, 1.0, 120)})
    fit = si.lm("y ~ x", source, weights=si.density_ratio("~ x", source, target), cluster="g")
    made = fit.bootstrap(50, cluster="g")
    assert made.draws.clusters == 30 and made.cov.df == fit.cov.df == 29 and "30 clusters" in made.cov.label


def test_percentile_and_basic_limits_are_quantiles(fit):
    made = fit.bootstrap(999, seed=4)
    low, high = np.quantile(made.draws.draws, [0.05, 0.95], axis=0, method="weibull")
    np.testing.assert_allclose(made.conf_int(0.9), np.column_stack([low, high]))
    np.testing.assert_allclose(
        made.conf_int(0.9, interval="basic"), np.column_stack([2 * fit.theta - high, 2 * fit.theta - low])
    )


def test_bca_is_scipys():
    """BCa of a mean against scipy, whose acceleration comes from the jackknife: the same for a mean."""
    from scipy.stats import bootstrap

    y = np.random.default_rng(3).gamma(1.0, size=40)
    fit = si.lm("y ~ 1", {"y": y})
    made = fit.bootstrap(9999, kind="pairs", seed=1)
    peer = bootstrap((y,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    with pytest.warns(si.errors.NumericalWarning, match="BCa limits lean on third powers.*40 rows"):
        ours = made.conf_int(0.95, interval="bca").to_numpy()[0]
    # A quantile at level p from B draws has error sqrt(p (1 - p) / B) / density; two runs, four of them.
    se = y.std() / np.sqrt(40)
    density = np.exp(-0.5 * 1.96**2) / np.sqrt(2 * np.pi) / se
    assert np.abs(ours - [peer.low, peer.high]).max() < 4 * np.sqrt(2 * 0.05 * 0.95 / 9999) / density


def test_options_and_missing_theory_are_named(fit):
    with pytest.raises(si.OptionError, match="replicas"):
        fit.bootstrap(1)
    with pytest.raises(si.OptionError, match="jackknife"):
        fit.bootstrap(99, kind="jackknife")
    with pytest.raises(si.OptionError, match="seed"):
        fit.bootstrap(99, seed=-1)
    with pytest.raises(si.OptionError, match="bootstrap"):
        fit.conf_int(interval="bca")
    with pytest.raises(si.NotIdentifiedError, match="studentize"):
        fit.bootstrap(99).conf_int(interval="studentized")
    frame = si.datasets.load("lalonde")
    product = si.balance("treat ~ age + educ", frame) * si.balance("married ~ age", frame)
    weighted = si.lm("re78 ~ treat", frame, weights=product)
    with pytest.raises(si.NotIdentifiedError, match="multiplier"):
        weighted.bootstrap(99, kind="pairs")


def test_studentised_draws_refuse_estimated_weights():
    frame = si.datasets.load("lalonde")
    fit = si.lm(
        "re78 ~ treat", frame, weights=si.balance("treat ~ age + educ", frame, method="entropy", estimand="ATT")
    )
    with pytest.raises(si.NotIdentifiedError, match="weights as known"):
        fit.bootstrap(99, kind="bayesian", studentize=True)


def test_refits_without_solution_are_counted_and_too_many_refused():
    rng = np.random.default_rng(0)
    frame = {"y": rng.normal(size=30), "rare": np.r_[np.ones(1), np.zeros(29)]}
    fit = si.lm("y ~ rare", frame, vcov="iid")
    with pytest.raises(si.ConvergenceError, match="bayesian"):
        fit.bootstrap(200, kind="pairs")


def test_estimated_weights_enter_the_multiplier_bootstrap():
    frame = si.datasets.load("lalonde")
    w = si.balance("treat ~ age + educ + C(race) + re74 + re75", frame, estimand="ATT")
    fit = si.lm("re78 ~ treat", frame, weights=w)
    made = fit.bootstrap(4000, seed=1)
    assert abs(made.std_errors["treat"] / fit.std_errors["treat"] - 1) < 4 * np.sqrt(1 / 4000)
