"""Expectile regression: R's numbers, least squares at one half, exact minimisers, errors, weights, bad input."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import norm

import statinf as si
from statinf.numerics.linear.asymmetric import asymmetric_replicas, asymmetric_squares, asymmetry

FOLDER = Path(__file__).parents[1] / "reference" / "quantile"
FORMULAS = {
    "engel": "foodexp ~ income",
    "engel_weighted": "foodexp ~ income",
    "boston": "medv ~ lstat + rm + crim + nox",
}
TAUS = [0.05, 0.25, 0.5, 0.8, 0.95]


@cache
def numbers() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "expectile_numbers.csv")


def reference(name: str, what: str) -> np.ndarray:
    rows = numbers()
    return rows.loc[(rows.data == name) & (rows.what == what), "value"].to_numpy().reshape(len(TAUS), -1)


@cache
def fit(name: str) -> Any:
    frame = pd.read_csv(FOLDER / f"{name.split('_')[0]}.csv")
    if name == "boston":
        frame["group"] = np.ceil(frame["lstat"]).astype(int)
    weights = 1 / frame["income"] if "weighted" in name else None
    return si.expectile(FORMULAS[name], frame, tau=TAUS, weights=weights)


def sample(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    y = 1.0 + x - 0.5 * z + np.exp(0.4 * x) * rng.standard_t(6, n)
    return pd.DataFrame({"y": y, "x": x, "z": z, "w": rng.integers(0, 4, n), "g": np.arange(n) // 5})


@pytest.mark.parametrize("name", FORMULAS)
def test_coefficients_are_those_of_r(name):
    made = fit(name)
    np.testing.assert_allclose(made.coef, reference(name, "coef"), rtol=1e-10)
    np.testing.assert_allclose(made.coef, reference(name, "vgam"), rtol=1e-10)
    np.testing.assert_allclose(made.objective, reference(name, "objective")[:, 0], rtol=1e-12)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("name", FORMULAS)
def test_standard_errors_are_those_of_r(name, kind):
    errors = fit(name).with_vcov(kind).std_errors.to_numpy().reshape(len(TAUS), -1)
    np.testing.assert_allclose(errors, reference(name, kind), rtol=1e-10)


@pytest.mark.parametrize("kind", ["HC0", "HC1"])
def test_clustered_errors_are_those_of_r(kind):
    errors = fit("boston").with_vcov({"cluster": "group", "type": kind}).std_errors.to_numpy()
    np.testing.assert_allclose(errors.reshape(len(TAUS), -1), reference("boston", f"cluster_{kind}"), rtol=1e-10)


@pytest.mark.parametrize("kind", ["iid", "HC0", "HC1", "HC2", "HC3", {"cluster": "g"}, {"cluster": "g", "type": "HC3"}])
def test_one_half_is_least_squares(kind):
    data = sample()
    one, ols = (verb("y ~ x + z", data, vcov=kind, weights="w") for verb in (si.expectile, si.lm))
    np.testing.assert_allclose(one.theta, ols.theta, rtol=1e-12)
    np.testing.assert_allclose(one.vcov, ols.vcov, rtol=1e-11, atol=1e-16)
    np.testing.assert_allclose(one.pseudo_r_squared, ols.r_squared, rtol=1e-12)
    assert one.cov.df == ols.cov.df
    if not isinstance(kind, dict):
        joint = si.expectile("y ~ x + z", data, tau=[0.2, 0.5], vcov=kind, weights="w")
        np.testing.assert_allclose(joint.vcov.to_numpy()[3:, 3:], ols.vcov, rtol=1e-11, atol=1e-16)


def test_the_fit_is_the_minimum_of_a_general_optimiser():
    data = sample()
    X = np.column_stack([np.ones(len(data)), data[["x", "z"]]])
    for tau in (0.1, 0.7):

        def loss(b, tau=tau):
            r = data["y"] - X @ b
            return float((np.abs(tau - (r < 0)) * r**2).sum())

        best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
        made = si.expectile("y ~ x + z", data, tau=tau)
        np.testing.assert_allclose(made.theta, best.x, atol=1e-6)
        assert made.objective[0] <= best.fun * (1 + 1e-14)


@pytest.mark.parametrize("tau", [1e-4, 0.03, 0.999])
def test_scores_vanish_to_rounding_and_few_steps_are_needed(tau):
    rng = np.random.default_rng(5)
    X, y = np.column_stack([np.ones(4000), rng.normal(size=(4000, 4))]), rng.standard_cauchy(4000)
    found = asymmetric_squares(X, y, np.array([tau]), np.ones(4000))
    r = (y - found.coef @ X.T)[0]
    terms = np.abs(tau - (r < 0)) * r
    # Rounding of a sum of n terms of this size, with room for the step's own.
    assert np.abs(X.T @ terms).max() < 64 * np.finfo(float).eps * np.abs(X.T * terms).sum()
    assert found.steps < 40


def test_many_sets_of_weights_at_once_are_each_alone():
    rng = np.random.default_rng(2)
    X, y, tau = np.column_stack([np.ones(60), rng.normal(size=(60, 2))]), rng.normal(size=60), np.array([0.1, 0.6])
    w = rng.poisson(1.0, (20, 60)).astype(float)
    w[3, 2:] = 0.0
    start = asymmetric_squares(X, y, tau, np.ones(60)).coef
    found = asymmetric_replicas(X, y, tau, w, start)
    assert np.isnan(found[3]).all()
    for i in (0, 7, 19):
        np.testing.assert_allclose(found[i], asymmetric_squares(X, y, tau, w[i]).coef, rtol=1e-9)


def test_ties_and_exact_fits_end():
    x = np.repeat(np.arange(5.0), 20)
    data = pd.DataFrame({"x": x, "y": np.tile([0.0, 0.0, 1.0, 1.0], 25)})
    assert np.isfinite(si.expectile("y ~ x", data, tau=[0.1, 0.9]).theta).all()
    line = si.expectile("y ~ x", data.assign(y=1.0 + 2.0 * x), tau=[0.1, 0.9])
    np.testing.assert_allclose(line.coef, [[1.0, 2.0]] * 2, rtol=1e-12)


def test_levels_together_are_levels_alone_and_blocks_change_nothing(monkeypatch):
    data = sample()
    together = si.expectile("y ~ x + z", data, tau=[0.1, 0.4, 0.9])
    for k, tau in enumerate(together.tau):
        alone = si.expectile("y ~ x + z", data, tau=tau)
        np.testing.assert_allclose(together.coef[k], alone.theta, rtol=1e-12)
        np.testing.assert_allclose(together.std_errors[3 * k : 3 * k + 3], alone.std_errors, rtol=1e-12)
    monkeypatch.setattr("statinf.numerics.linear.asymmetric._ELEMENTS", 1)
    np.testing.assert_allclose(si.expectile("y ~ x + z", data, tau=[0.1, 0.4, 0.9]).theta, together.theta, rtol=1e-13)


def test_where_a_column_stands_costs_its_digits_alone():
    data = sample()
    near, far = (si.expectile("y ~ x", data.assign(x=data["x"] + s), tau=[0.2, 0.8]) for s in (0.0, 1e8))
    # The column keeps 1e8 times the spacing of floats, about 1.5e-8.
    np.testing.assert_allclose(far.coef[:, 1], near.coef[:, 1], rtol=1e-7)
    np.testing.assert_allclose(far.std_errors.iloc[[1, 3]], near.std_errors.iloc[[1, 3]], rtol=1e-6)


def test_joint_covariance_covers_the_difference_of_levels():
    data = sample(2000)
    made = si.expectile("y ~ x + z", data, tau=[0.2, 0.8])
    influence = made.influence
    np.testing.assert_allclose(made.with_vcov("HC0").vcov, influence.T @ influence, rtol=1e-10, atol=1e-12)
    assert made.equal_slopes("x").p_value < 1e-6 < made.equal_slopes("z").p_value
    band = made.process(seed=1)
    assert (band["band_low"] < band["conf_low"]).all() and list(band["term"][:3]) == ["Intercept", "x", "z"]


def test_bands_over_levels_have_the_degrees_of_freedom_of_the_limits():
    data = sample(200)
    made = si.expectile("y ~ x", data.assign(c=np.arange(200) % 12), tau=[0.499, 0.5, 0.501], cluster="c")
    band = made.process(seed=1)
    # Levels so near move as one: their band is about the limits of each, which have eleven degrees of freedom.
    ratio = (band["band_high"] - band["band_low"]) / (band["conf_high"] - band["conf_low"])
    np.testing.assert_allclose(ratio, 1.0, atol=0.03)


def test_intervals_cover_the_expectile():
    """Errors normal with a spread that grows: the slope at tau is known; 120 samples, the binomial's 1e-4 band."""
    tau, n, runs = 0.8, 200, 120
    # Expectile of the standard normal: tau E(U - e)+ = (1 - tau) E(U - e)-.
    e = brentq(lambda v: tau * (norm.pdf(v) - v * norm.sf(v)) - (1 - tau) * (norm.pdf(v) + v * norm.cdf(v)), -3, 3)
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(runs):
        x = rng.uniform(0, 2, n)
        data = {"x": x, "y": 1 + x + (0.5 + x) * rng.normal(size=n)}
        low, high = si.expectile("y ~ x", data, tau=tau, vcov="HC3").conf_int().loc["x"]
        hits += low <= 1 + e <= high
    # HC3 is made to be at or above 0.95 in small samples; 3.9 standard errors of a share at 0.95 below it.
    assert hits / runs > 0.95 - 3.9 * np.sqrt(0.95 * 0.05 / runs)


def test_a_weights_object_enters_the_errors_and_bootstraps_agree():
    data = sample(400, 3).assign(t=lambda d: (d["x"] + np.random.default_rng(1).normal(size=len(d)) > 0).astype(float))
    w = si.balance("t ~ x + z", data, method="ipw")
    made = si.expectile("y ~ t", data, tau=[0.3, 0.7], weights=w)
    assert made.cov.label == "HC0, weights estimated"
    fixed = made.with_vcov("fixed")
    np.testing.assert_allclose(fixed.theta, made.theta)
    assert not np.allclose(fixed.std_errors, made.std_errors, rtol=1e-3)
    plain = si.expectile("y ~ x + z", data, tau=[0.3, 0.7])
    drawn = plain.bootstrap(400, "pairs", seed=2, progress=False)
    # Standard errors of 400 draws have a relative error of 1 / sqrt(800).
    np.testing.assert_allclose(drawn.std_errors, plain.std_errors, rtol=6 / np.sqrt(800))


def test_saved_fits_predict(tmp_path):
    data = sample()
    made = si.expectile("y ~ x + z", data, tau=[0.1, 0.9])
    table = made.predict(data, interval="confidence")
    assert list(table.columns[:2]) == ["e0.1", "e0.9"] and "e0.9_conf_low" in table
    np.testing.assert_allclose(table["e0.1"], made.augment()["fitted_e0.1"], rtol=1e-12)
    made.save(tmp_path / "e.si")
    again = si.load(tmp_path / "e.si")
    np.testing.assert_allclose(again.predict(data)["e0.9"], table["e0.9"], rtol=1e-15)
    np.testing.assert_allclose(again.with_vcov("HC3").std_errors, made.with_vcov("HC3").std_errors)
    joint = si.joint(made, si.lm("y ~ x + z", data))
    assert len(joint.theta) == 9 and np.isfinite(joint.vcov).all(axis=None)


@pytest.mark.parametrize("tau", [0.0, 1.0, -0.1, "half", [], [0.5, np.nan]])
def test_levels_outside_are_refused(tau):
    with pytest.raises(si.OptionError, match="tau"):
        si.expectile("y ~ x", sample(), tau=tau)


def test_bad_input_is_refused_by_name():
    data = sample()
    with pytest.raises(si.NotIdentifiedError, match="clustered HC3 is for one level"):
        si.expectile("y ~ x", data, tau=[0.2, 0.8], vcov={"cluster": "g", "type": "HC3"})
    with pytest.raises(si.DataError, match="constant"):
        si.expectile("y ~ x", data.assign(y=1.0))
    with pytest.raises(si.OptionError, match="vcov"):
        si.expectile("y ~ x", data, vcov="nid")
    with pytest.raises(si.ConvergenceError, match="changes sides"):
        si.expectile("y ~ x + z", data, tau=0.01, max_iter=1)
    assert asymmetry(np.array([[-1.0, 0.0, 1.0]]), np.array([0.2])).tolist() == [[0.8, 0.2, 0.2]]
