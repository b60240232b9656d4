"""Negative binomial, quasi and inverse gaussian families and counts of successes against R, and their refusals."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from reference import FOLDER

R = json.loads((FOLDER / "counts.json").read_text())
CARS = pd.read_csv(FOLDER / "data" / "mtcars.csv").assign(share=lambda d: d["disp"] / 500)
MENARCHE = pd.read_csv(FOLDER / "data" / "menarche.csv").assign(
    menarche=lambda d: (d["rate"] * d["total"]).round(), none=lambda d: d["total"] - d["menarche"]
)
QUINE = si.datasets.load("quine")
CASES = {
    "quine": ("days ~ sex + age", QUINE, {"family": "negative_binomial"}),
    "quine_sqrt": ("days ~ sex + age", QUINE, {"family": "negative_binomial", "link": "sqrt"}),
    "quine_quasi": ("days ~ sex + age", QUINE, {"family": "quasipoisson"}),
    "menarche": ("cbind(menarche, none) ~ age", MENARCHE, {"family": "binomial"}),
    "menarche_quasi": ("cbind(menarche, none) ~ age", MENARCHE, {"family": "quasibinomial"}),
    "share": ("share ~ wt + hp", CARS, {"family": "quasibinomial"}),
    "inverse_gaussian_log": ("mpg ~ wt + hp", CARS, {"family": "inverse_gaussian"}),
    "inverse_gaussian": ("mpg ~ wt + hp", CARS, {"family": "inverse_gaussian", "link": "inverse_squared"}),
}


def counts(n=200, alpha=0.6, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.standard_normal(n), "t": random.uniform(0.5, 2.0, n)})
    mean = frame["t"] * np.exp(0.7 + 0.4 * frame["x"])
    boost = random.gamma(1 / alpha, alpha, n) if alpha else 1.0
    return frame.assign(y=random.poisson(mean * boost).astype(float), g=np.arange(n) % 20, w=random.integers(1, 4, n))


@pytest.mark.parametrize("name", CASES)
def test_families_agree_with_r(name):
    formula, data, options = CASES[name]
    fit, theirs = si.glm(formula, data, **options), R[name]
    # R stops on the deviance, which leaves up to half of the digits of its tolerance where links are not canonical.
    rtol = 1e-6 if name.startswith("quine") and "theta" in theirs else 2e-7 if "inverse" in name else 1e-8
    np.testing.assert_allclose(fit.theta, theirs["coefficients"], rtol=rtol)
    size = np.sqrt(np.diag(theirs["vcov"]))
    for kind, stored in (("iid", "vcov"), ("HC0", "hc0"), ("HC1", "hc1"), ("HC3", "hc3")):
        error = np.abs(fit.with_vcov(kind).cov.matrix - theirs[stored]) / np.outer(size, size)
        assert error.max() < 2 * rtol, kind
    glance = fit.glance().iloc[0]
    for ours, stored in (("deviance", "deviance"), ("null_deviance", "null_deviance"), ("dispersion", "dispersion")):
        assert glance[ours] == pytest.approx(theirs[stored], rel=rtol)
    for stored in ("loglik", "aic"):
        expected = np.nan if theirs[stored] is None else theirs[stored]
        assert glance[stored] == pytest.approx(expected, rel=1e-9, nan_ok=True)
    np.testing.assert_allclose(fit.augment()["cooks_distance"][:6], theirs["cooks"], rtol=100 * rtol, atol=1e-9)
    for kind in ("deviance", "pearson"):
        # Rows without trials, which R leaves out, are none of the first six.
        np.testing.assert_allclose(
            fit.scaled_residuals(kind)[:6], theirs[f"{kind}_residuals"], rtol=100 * rtol, atol=1e-7
        )


def test_theta_agrees_with_mass():
    table = si.glm("days ~ sex + age", QUINE, family="negative_binomial").overdispersion().set_index("term")
    assert table.loc["theta", "estimate"] == pytest.approx(R["quine"]["theta"], rel=1e-6)
    # MASS takes the information at the last but one theta, which is within 1e-4 of the last.
    assert table.loc["theta", "std_error"] == pytest.approx(R["quine"]["se_theta"], rel=1e-4)
    assert table.loc["alpha", "conf_low"] == pytest.approx(1 / table.loc["theta", "conf_high"])
    assert table.loc["alpha", "estimate"] == pytest.approx(1 / table.loc["theta", "estimate"])


def test_alpha_maximises_the_likelihood_of_any_counts():
    from scipy.optimize import minimize
    from scipy.special import gammaln

    data = counts().assign(y=lambda d: d["y"] + 0.25 * (d["y"] > 0))
    with pytest.warns(si.StatinfWarning, match="not whole"):
        fit = si.glm("y ~ x + offset(log(t))", data, family="negative_binomial", weights="w")
    x, y, w = data["x"].to_numpy(), data["y"].to_numpy(), data["w"].to_numpy()

    def loss(v):
        m, r = data["t"].to_numpy() * np.exp(v[0] + v[1] * x), np.exp(-v[2])
        return -np.sum(
            w * (gammaln(y + r) - gammaln(r) - gammaln(y + 1) + y * np.log(m / (m + r)) - r * np.log1p(m / r))
        )

    found = minimize(loss, [0.5, 0.5, -0.5], method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose([*fit.theta, np.log(fit.alpha)], found.x, atol=2e-6)
    assert fit.loglik == pytest.approx(-found.fun)
    at, step = np.array([*fit.theta, np.log(fit.alpha)]), 1e-4 * np.array([0, 0, 1])
    curve = (loss(at + step) - 2 * loss(at) + loss(at - step)) / 1e-8
    assert fit.overdispersion()["std_error"][0] == pytest.approx(fit.alpha / np.sqrt(curve), rel=1e-5)


def test_a_given_alpha_is_kept_and_zero_is_poisson():
    data = counts()
    fit = si.glm("y ~ x", data, family="negative_binomial")
    given = si.glm("y ~ x", data, family="negative_binomial", alpha=fit.alpha)
    np.testing.assert_allclose(given.theta, fit.theta, rtol=1e-8)
    np.testing.assert_allclose(given.cov.matrix, fit.cov.matrix, rtol=1e-7)
    assert given.glance_items()["aic"] == pytest.approx(fit.glance_items()["aic"] - 2)
    none, poisson = (
        si.glm("y ~ x", data, **o) for o in ({"family": "negative_binomial", "alpha": 0}, {"family": "poisson"})
    )
    np.testing.assert_allclose(none.theta, poisson.theta, rtol=1e-12)
    assert none.loglik == pytest.approx(poisson.loglik)


def test_counts_without_overdispersion_are_at_the_border():
    data = counts(alpha=0.0, seed=2).assign(y=lambda d: np.round(np.exp(0.7 + 0.4 * d["x"])))
    with pytest.warns(si.StatinfWarning, match="border 0"):
        fit = si.glm("y ~ x", data, family="negative_binomial")
    poisson = si.glm("y ~ x", data, family="poisson")
    assert fit.alpha == 0.0
    np.testing.assert_allclose(fit.theta, poisson.theta, rtol=1e-10)
    assert fit.overdispersion()["std_error"].isna().all()
    assert "border" in str(fit.summary())


def test_small_alpha_keeps_its_digits():
    from statinf.numerics.glm.negative_binomial import DispersionSums

    data = counts()
    y, w, mean = data["y"].to_numpy(), data["w"].to_numpy(float), np.exp(0.7 + 0.4 * data["x"].to_numpy())
    sums = DispersionSums(y, w)
    # At alpha = 0 the derivative is half the excess of squares, and it is continuous there.
    limit = 0.5 * float(w @ ((y - mean) ** 2 - y))
    assert sums.derivatives(mean, 1e-12)[0] == pytest.approx(limit, rel=1e-9)
    step = 1e-5
    numeric = (sums.derivatives(mean, 0.3 + step)[0] - sums.derivatives(mean, 0.3 - step)[0]) / (2 * step)
    assert sums.derivatives(mean, 0.3)[1] == pytest.approx(numeric, rel=1e-8)
    assert sums.scores(mean, 0.3).sum() == pytest.approx(sums.derivatives(mean, 0.3)[0])
    by_gamma = DispersionSums(y + 1e-9, w)
    assert by_gamma.derivatives(mean, 0.3) == pytest.approx(sums.derivatives(mean, 0.3), rel=1e-6)


def test_rows_columns_and_weights_of_overdispersed_counts():
    data = counts()
    fit = si.glm("y ~ x", data, family="negative_binomial", weights="w")
    shuffled = si.glm("y ~ x", data.sample(frac=1, random_state=1), family="negative_binomial", weights="w")
    far = si.glm("y ~ x", data.assign(x=data["x"] + 1e6), family="negative_binomial", weights="w")
    repeated = si.glm("y ~ x", data.loc[data.index.repeat(data["w"])], family="negative_binomial")
    for other in (shuffled, repeated):
        np.testing.assert_allclose(other.theta, fit.theta, rtol=1e-7)
        assert other.alpha == pytest.approx(fit.alpha, rel=1e-7)
    assert far.params["x"] == pytest.approx(fit.params["x"], rel=1e-7)
    assert far.std_errors["x"] == pytest.approx(fit.std_errors["x"], rel=1e-7)
    absent = si.glm("y ~ x", pd.concat([data, data.assign(w=0, y=9.0)]), family="negative_binomial", weights="w")
    assert absent.nobs == len(data) and absent.alpha == pytest.approx(fit.alpha, rel=1e-9)
    np.testing.assert_allclose(absent.with_vcov("HC1").cov.matrix, fit.with_vcov("HC1").cov.matrix, rtol=1e-7)


def test_robust_errors_of_alpha_follow_the_covariance():
    fit = si.glm("y ~ x", counts(), family="negative_binomial")
    plain = fit.overdispersion()["std_error"][0]
    robust = [fit.with_vcov(v).overdispersion()["std_error"][0] for v in ("HC0", "HC1", "HC3", {"cluster": "g"})]
    assert all(0.5 * plain < r < 2 * plain and r != plain for r in robust)
    assert robust[1] == pytest.approx(robust[0] * np.sqrt(fit.nobs / fit.df_resid))


def test_a_saved_fit_keeps_its_law(tmp_path):
    fit = si.glm("y ~ x", counts(), family="negative_binomial")
    fit.save(tmp_path / "fit.si")
    read = si.load(tmp_path / "fit.si")
    assert str(read.summary()) == str(fit.summary())
    pd.testing.assert_frame_equal(read.overdispersion(), fit.overdispersion())
    new = pd.DataFrame({"x": [0.0, 1.0]})
    pd.testing.assert_frame_equal(read.predict(new, interval="confidence"), fit.predict(new, interval="confidence"))


@pytest.mark.slow
def test_refits_hold_the_overdispersion():
    fit = si.glm("y ~ x", counts(), family="negative_binomial")
    drawn = fit.bootstrap(99, kind="pairs", seed=1)
    assert 0.5 < drawn.std_errors["x"] / fit.std_errors["x"] < 2.0


def test_counts_of_successes_equal_shares_and_rows():
    rows = MENARCHE.iloc[3:12]
    fit = si.glm("cbind(menarche, none) ~ age", rows, family="binomial")
    shares = si.glm(
        "rate ~ age", rows.assign(rate=rows["menarche"] / rows["total"]), family="binomial", weights="total"
    )
    np.testing.assert_allclose(fit.theta, shares.theta, rtol=1e-10)
    np.testing.assert_allclose(fit.with_vcov("HC1").cov.matrix, shares.with_vcov("HC1").cov.matrix, rtol=1e-9)
    assert fit.loglik == pytest.approx(shares.loglik) and fit.outcome == "cbind(menarche, none)"
    new = pd.DataFrame({"age": [12.0, 14.0]})
    np.testing.assert_allclose(fit.predict(new)["estimate"], shares.predict(new)["estimate"])
    assert fit.augment()["fitted"].between(0, 1).all()
    long = pd.concat([rows.assign(y=1.0, n=rows["menarche"]), rows.assign(y=0.0, n=rows["none"])], ignore_index=True)
    expanded = si.glm("y ~ age", long, family="binomial", weights="n", weights_kind="frequency")
    np.testing.assert_allclose(expanded.cov.matrix, fit.cov.matrix, rtol=1e-8)
    assert expanded.nobs == int(rows["total"].sum())


def test_rows_without_trials_are_absent():
    rows = MENARCHE[["menarche", "none", "age"]]
    more = pd.concat([rows, pd.DataFrame({"menarche": [0], "none": [0], "age": [99.0]})])
    one, two = (si.glm("cbind(menarche, none) ~ age", d, family="binomial", vcov="HC1") for d in (rows, more))
    assert one.nobs == two.nobs
    np.testing.assert_allclose(one.cov.matrix, two.cov.matrix, rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "options", "error", "says"),
    [
        ("y ~ x", {"family": "negbin"}, si.OptionError, "negative_binomial"),
        ("y ~ x", {"family": "negative_binomial", "link": "logit"}, si.OptionError, "not available"),
        ("y ~ x", {"family": "poisson", "alpha": 0.5}, si.OptionError, "level="),
        ("y ~ x", {"family": "negative_binomial", "alpha": -1}, si.OptionError, "alpha"),
        ("I(y - 1) ~ x", {"family": "negative_binomial"}, si.DataError, "at least 0"),
        ("y ~ x", {"family": "quasibinomial"}, si.DataError, "between 0 and 1"),
        ("cbind(y, x, t) ~ g", {"family": "binomial"}, si.FormulaError, "3 columns"),
        ("cbind(y, x) ~ g", {"family": "binomial"}, si.DataError, "cannot be negative"),
        ("y ~ x", {"family": "inverse_gaussian"}, si.DataError, "above 0"),
    ],
)
def test_bad_calls_say_what_to_do(formula, options, error, says):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=says):
            si.glm(formula, counts(), **options)


def test_what_a_quasi_likelihood_lacks_is_said():
    fit = si.glm("y ~ x", counts(), family="quasipoisson")
    assert np.isnan(fit.glance_items()["aic"]) and "no AIC" in str(fit.summary())
    assert not fit.normal_reference
    with pytest.raises(si.NotIdentifiedError, match="negative_binomial"):
        fit.overdispersion()


def test_separated_counts_are_named():
    data = counts().assign(d=lambda d: (d.index < 20) * 1.0).assign(y=lambda d: d["y"] * (1 - d["d"]))
    with pytest.raises(si.NotIdentifiedError, match="'d'"):
        si.glm("y ~ x + d", data, family="negative_binomial")
