"""Means that must stay in a range, numbers near the ends of floats, options that are often misread, threads."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import statinf as si


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 200)
    return {
        "x": x,
        "z": rng.normal(size=200),
        "g": np.tile(list("abcd"), 50),
        "y": 1 + x + rng.normal(size=200),
        "down": rng.poisson(5 - 0.4 * x).astype(float),
        "share": rng.uniform(size=200),
    }


@pytest.mark.parametrize(("family", "link"), [("poisson", "identity"), ("gamma", "identity"), ("gamma", "inverse")])
def test_means_stay_in_their_range(frame, family, link):
    """The score equations hold at the fit, and the means are positive."""
    data = frame | {"down": frame["down"] + (family == "gamma") * 0.1}
    fit = si.glm("down ~ x", data, family=family, link=link)
    mean = fit.predict().iloc[:, 0].to_numpy()
    assert (mean > 0).all()
    scores = fit.moments().scores
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-6 * np.abs(scores).sum(axis=0).max())
    again = si.glm("down ~ x", data, family=family, link=link, start=fit.theta)
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-6)


@pytest.mark.parametrize(
    ("family", "link"), [("gamma", "identity"), ("inverse_gaussian", "log"), ("inverse_gaussian", "identity")]
)
def test_outcomes_far_from_their_means_have_a_maximum(family, link):
    """Scoring alone goes to and fro here: expected and observed information differ by more than a factor of two."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        x = random.uniform(-2, 2, 50)
        mean = np.exp(0.3 + 0.3 * x) if link == "log" else 4 + 0.3 * x
        y = random.gamma(0.5, 2 * mean) if family == "gamma" else random.wald(mean, 0.8)
        fit = si.glm("y ~ x", {"x": x, "y": y}, family=family, link=link)
        mean = fit.fitted
        slope, spread = (mean if link == "log" else 1.0), mean ** (2 if family == "gamma" else 3)
        scores = np.stack([np.ones(50), x], axis=1) * ((y - mean) * slope / spread)[:, None]
        np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-8 * np.abs(scores).sum())
    drawn = fit.bootstrap(99, kind="bayesian", seed=1)
    assert drawn.draws.failed == 0


def test_steps_from_far_away_are_those_of_scoring():
    """Means that are squares have a maximum for every side of the root on which rows stand; Newton's steps end in the nearest."""
    for seed in (3, 13):
        random = np.random.default_rng(seed)
        x = random.standard_normal(150)
        y = random.poisson(np.exp(0.7 * x) + 0.1)
        fit = si.glm("y ~ x", {"x": x, "y": y}, family="poisson", link="sqrt")
        assert (fit.theta[0] + fit.theta[1] * x).min() > 0.1


def test_starts_are_checked(frame):
    for start in ([1.0], [1.0, np.nan], "high", [[1.0, 2.0]]):
        with pytest.raises(si.OptionError, match="start= takes 2 finite numbers"):
            si.glm("down ~ x", frame, family="poisson", start=start)
    with pytest.raises(si.ConvergenceError, match="outside the family's range"):
        si.glm("down ~ x", frame, family="poisson", link="identity", start=[-5.0, 0.0])


def test_a_maximum_on_the_border_is_no_estimate():
    data = {"x": np.arange(6.0), "y": [5.0, 4, 3, 2, 1, 0]}
    with pytest.raises(si.ConvergenceError, match="border"):
        si.glm("y ~ x + I(x > 4)", data, family="poisson", link="identity")


def test_one_row_prints():
    with pytest.warns(si.StatinfWarning, match="standard errors are left out"):
        fit = si.lm("y ~ 1", {"y": [2.0]})
    assert fit.theta.tolist() == [2.0] and np.isnan(fit.glance()["r_squared"][0])
    assert "left out" in fit.summary().to_text()


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e150, 1e300])
@pytest.mark.parametrize("name", ["y", "x"])
def test_numbers_whose_squares_are_none_are_refused(frame, name, size):
    for verb in (si.lm, si.glm):
        with pytest.raises(si.DataError, match=f"'{name}' has entries of size.*rescale"):
            verb("y ~ x", frame | {name: frame[name] * size})


@pytest.mark.parametrize("size", [1e-130, 1e130])
def test_wide_units_change_nothing_else(frame, size):
    a, b = si.lm("y ~ x", frame), si.lm("y ~ x", frame | {"y": frame["y"] * size})
    np.testing.assert_allclose(b.std_errors / size, a.std_errors, rtol=1e-12)
    np.testing.assert_allclose(b.pvalues, a.pvalues, rtol=1e-9)


def test_counts_that_are_not_whole_are_said(frame):
    with pytest.warns(si.StatinfWarning, match="numbers of successes that are not whole.*weights="):
        si.glm("share ~ x", frame, family="binomial")
    with pytest.warns(si.StatinfWarning, match="counts that are not whole.*offset"):
        si.glm("share ~ x", frame, family="poisson")
    trials = np.full(200, 8.0)
    si.glm("share ~ x", frame | {"share": np.round(frame["share"] * 8) / 8}, family="binomial", weights=trials)


def test_glance_tests_all_slopes_with_the_covariance_of_the_fit(frame):
    robust = si.lm("y ~ x + z", frame)
    row = robust.glance().iloc[0]
    wald = robust.test("x = 0, z = 0")
    assert row["test"] == "Wald F, HC1"
    assert row["statistic"] == pytest.approx(wald.statistic) and row["p_value"] == pytest.approx(wald.p_value)
    plain = robust.with_vcov("iid")
    row, wald = plain.glance().iloc[0], plain.test("x, z")
    assert row["test"] == "F" and row["statistic"] == pytest.approx(wald.statistic, rel=1e-9)


def test_a_level_that_looks_like_a_share_of_error_is_said(frame):
    with pytest.warns(si.StatinfWarning, match=r"write level=0.95"):
        si.lm("y ~ x", frame).conf_int(0.05)


def test_hypotheses_may_be_lists_and_terms(frame):
    fit = si.lm("y ~ x + z + C(g)", frame)
    assert fit.test(["x = 1", "z = 0"]).statistic == fit.test("x = 1, z = 0").statistic
    joint = fit.test("C(g)")
    assert joint.df == 3
    assert joint.statistic == fit.test("C(g)[T.b] = 0, C(g)[T.c] = 0, C(g)[T.d] = 0").statistic
    for bad in (["x", 1.0], [], "C(h)", "C(g) = 1", [["x"]], np.full((1, 6), np.nan)):
        with pytest.raises(si.OptionError):
            fit.test(bad)


def test_functions_of_coefficients_may_be_text(frame):
    fit = si.lm("y ~ x + z", frame)
    ours = fit.transform("x / z, exp(x) - 1")
    theirs = fit.transform(lambda b: [b["x"] / b["z"], np.exp(b["x"]) - 1])
    assert ours.terms == ("x / z", "exp(x) - 1")
    np.testing.assert_array_equal(ours.cov.matrix, theirs.cov.matrix)
    for bad in ("x / q", "x.real", "__import__('os')", "x / 0", "(", "lambda b: 1"):
        with pytest.raises(si.OptionError):
            fit.transform(bad)


def test_few_replicas_have_no_interval(frame):
    fit = si.lm("y ~ x", frame)
    with pytest.warns(si.StatinfWarning, match="71 percent"):
        two = fit.bootstrap(2)
    with pytest.warns(si.StatinfWarning, match="at least 39"):
        assert two.conf_int().isna().all().all()
    forty = fit.bootstrap(40)
    assert np.isfinite(forty.conf_int()).all().all()
    with pytest.warns(si.StatinfWarning, match="at least 199"):
        assert forty.conf_int(0.99).isna().all().all()


def test_threads_leave_the_callers_filters_alone(frame):
    texts = ["y ~ x + C(g)", r"y ~ x + I(x > 1or z > 0)", "y ~ x*z"]

    def fit(i):
        try:
            return si.lm(texts[i % 3], frame).nobs
        except si.FormulaError:
            return 0

    assert [fit(i) for i in range(3)][::2] == [200, 200]  # some libraries set filters of their own when imported
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(fit, range(48)))
    assert warnings.filters == before
    assert made[0] == made[2] == 200


def test_residuals_are_one_thing_in_both(frame):
    linear, general = si.lm("y ~ x", frame), si.glm("y ~ x", frame)
    for kind in ("deviance", "pearson", "working", "response"):
        np.testing.assert_allclose(linear.scaled_residuals(kind), general.scaled_residuals(kind), atol=1e-12)
    np.testing.assert_allclose(linear.residuals, general.residuals, atol=1e-12)
    np.testing.assert_allclose(linear.residuals, frame["y"] - linear.fitted, atol=1e-15)


def test_a_fit_whose_means_run_away_is_refused():
    # Deviances of both are finite at infinity: scoring would end there, with scores that are zero for want of digits.
    random = np.random.default_rng(79)
    x, y = random.normal(size=60), np.exp(random.standard_t(4, size=60)) + 0.1
    with pytest.raises(si.ConvergenceError, match="another link"):
        si.glm("y ~ x", {"x": x, "y": y}, family="inverse_gaussian", link="log")
    random = np.random.default_rng(0)
    x, y = random.normal(size=60), 1e3 * random.normal(size=60) ** 3
    with pytest.raises(si.ConvergenceError, match="another link"):
        si.glm("y ~ x", {"x": x, "y": y}, family="gaussian", link="inverse")
