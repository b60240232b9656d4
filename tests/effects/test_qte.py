"""Quantile treatment effects: weighted quantiles by definition and by rq, influence by hand, coverage, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.stats import binom, norm

import statinf as si
from statinf.effects.qte_influence import arm_quantiles
from statinf.errors import NumericalWarning

TAUS = [0.23, 0.51, 0.83]


def sample(n: int = 301, seed: int = 0) -> pd.DataFrame:
    """Normal arms whose effect grows with the level: 1 at the median, sqrt(3.25) - sqrt(2) more per unit of the normal."""
    rng = np.random.default_rng([3, seed])
    x, z = rng.normal(size=(2, n))
    t = (0.6 * x + rng.logistic(size=n) > 0).astype(int)
    y = x + t + (1 + 0.5 * t) * rng.normal(size=n)
    return pd.DataFrame({"y": y, "t": t, "x": x, "z": z, "g": np.arange(n) // 6, "w": rng.integers(0, 4, n)})


def truth(tau):
    return 1 + (np.sqrt(3.25) - np.sqrt(2)) * norm.ppf(tau)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO"])
def test_estimates_are_those_of_rq_with_the_weights(estimand):
    data = sample()
    made = si.effect("y ~ t | x + z", data, method="qte", tau=TAUS, estimand=estimand)
    e = made.nuisance["propensity"]
    t = data["t"].to_numpy()
    a, b = {"ATE": (1 / e, 1 / (1 - e)), "ATT": (e / e, e / (1 - e)), "ATC": ((1 - e) / e, e / e), "ATO": (1 - e, e)}[
        estimand
    ]
    by_rq = si.rq("y ~ t", data, tau=TAUS, weights=np.where(t == 1, a, b))
    np.testing.assert_allclose(made.theta, by_rq.coef[:, 1], rtol=1e-10)
    assert list(made.tidy()["tau"]) == TAUS and set(made.tidy()["term"]) == {"t"}


def test_an_arm_quantile_minimises_the_weighted_check_loss():
    rng = np.random.default_rng(1)
    y, w, tau = rng.normal(size=40), rng.uniform(0.2, 3, 40), np.array([0.15, 0.6])
    found = arm_quantiles(y, w, tau, "hall-sheather")
    for k, t in enumerate(tau):
        cost = np.concatenate([[0.0], t * w, (1 - t) * w])
        equal = np.hstack([np.ones((40, 1)), np.eye(40), -np.eye(40)])
        best = linprog(cost, A_eq=equal, b_eq=y, bounds=[(None, None)] + [(0, None)] * 80)
        np.testing.assert_allclose(found.value[k], best.x[0], atol=1e-9)
        # A row on the quantile takes what is left: scores sum to zero exactly.
        assert abs(found.unit[k] @ w) < 1e-14


def test_errors_are_those_of_the_influence_function_written_out():
    data = sample(500)
    made = si.effect("y ~ t | x + z", data, method="qte", tau=0.6)
    t, y, n = data["t"].to_numpy(), data["y"].to_numpy(), len(data)
    X = np.column_stack([np.ones(n), data[["x", "z"]]])
    e = made.nuisance["propensity"]
    total = np.zeros(n)
    gradient = np.zeros(3)
    for arm, sign, weight in ((t == 1, 1.0, 1 / e), (t == 0, -1.0, 1 / (1 - e))):
        w = weight * arm
        found = arm_quantiles(y, w, np.array([0.6]), "hall-sheather")
        psi = found.unit[0] / found.density[0]
        total += sign * w * psi
        slope = np.where(t == 1, -(1 - e) / e, e / (1 - e)) * arm
        gradient += sign * X.T @ (slope * psi)
    total += (X * (t - e)[:, None]) @ np.linalg.solve((X * (e * (1 - e))[:, None]).T @ X, gradient)
    np.testing.assert_allclose(made.influence[:, 0], total, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(made.std_errors, np.sqrt(total @ total), rtol=1e-10)


def test_errors_agree_with_the_weights_path():
    data = sample(1001, 2)
    made = si.effect("y ~ t | x + z", data, method="qte", tau=TAUS)
    weighted = si.rq("y ~ t", data, tau=TAUS, weights=si.balance("t ~ x + z", data, method="ipw"))
    np.testing.assert_allclose(made.theta, weighted.coef[:, 1], rtol=1e-10)
    # The two differ in the density alone: windows of either arm's rows, or of all.
    np.testing.assert_allclose(made.std_errors, weighted.std_errors.iloc[1::2], rtol=0.2)
    # A known propensity costs more than its estimate does.
    known = si.effect("y ~ t | x + z", data, method="qte", tau=0.5, propensity=1 / (1 + np.exp(-0.6 * data["x"])))
    assert known.std_errors.iloc[0] > made.std_errors.iloc[1]


@pytest.mark.parametrize("path", ["qte", "ipw", "entropy"])
def test_intervals_cover_the_effect(path):
    """Few samples here, many in benchmarks/quantile_effects_coverage.py; a coverage of 0.95 fails with probability 1e-3."""
    runs, tau, hits = 60 if path == "qte" else 24, np.array([0.3, 0.7]), np.zeros(2)
    for seed in range(runs):
        data = sample(300, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path == "qte":
                fit, place = si.effect("y ~ t | x", data, method="qte", tau=tau), slice(None)
            else:
                fit, place = (
                    si.rq("y ~ t", data, tau=tau, weights=si.balance("t ~ x", data, method=path)),
                    slice(1, None, 2),
                )
        low, high = fit.conf_int().to_numpy()[place].T
        hits += (low <= truth(tau)) & (truth(tau) <= high)
    assert hits.min() >= binom.ppf(5e-4, runs, 0.95)


def test_joint_covariance_and_uniform_band():
    made = si.effect("y ~ t | x", sample(800), method="qte", tau=[0.1, 0.3, 0.5, 0.7, 0.9], cluster="g")
    band = made.process(seed=0)
    assert (band["band_low"] < band["conf_low"]).all() and made.cov.label.startswith("clustered by g")
    independent = made.with_vcov("HC0")
    influence = made.influence
    np.testing.assert_allclose(independent.vcov, influence.T @ influence, rtol=1e-10)
    assert made.equal_slopes().df == 4


def test_groups_weights_and_quantiles_of_the_arms():
    data = sample(600).assign(site=lambda d: np.where(d["z"] > 0, "a", "b"))
    made = si.effect("y ~ t | x", data, method="qte", tau=TAUS, by="site", weights="w")
    assert made.terms[:2] == ("q0.23: t[a]", "q0.23: t[b]")
    arms = made.quantiles()
    wide = arms.pivot_table(index=["tau", "term"], columns="arm", values="estimate")
    np.testing.assert_allclose(wide["treated"] - wide["control"], made.theta, rtol=1e-12)
    doubled = pd.concat([data.loc[data.index.repeat(data["w"])]], ignore_index=True)
    again = si.effect("y ~ t | x", doubled, method="qte", tau=TAUS, by="site")
    np.testing.assert_allclose(again.theta, made.theta, rtol=1e-10)


def test_a_trial_without_covariates_compares_quantiles():
    data = sample()
    made = si.effect("y ~ t", data, method="qte", tau=[0.25, 0.5])
    one, two = (np.quantile(data.loc[data["t"] == a, "y"], [0.25, 0.5], method="inverted_cdf") for a in (1, 0))
    np.testing.assert_allclose(made.theta, one - two, rtol=1e-12)


def test_learnt_propensities_are_cross_fitted_and_repeat():
    data = sample(400)
    made = si.effect("y ~ t | x + z", data, method="qte", tau=TAUS, learner="ridge", folds=3, repeats=3, seed=1)
    assert made.cov.label == "HC0, propensity taken as known, median of 3 splits" and made.thetas.shape == (3, 3)
    with pytest.raises(si.NotIdentifiedError, match="not refitted"):
        made.bootstrap(20, "pairs", progress=False)


def test_outcomes_without_a_density_have_no_errors():
    data = sample().assign(y=lambda d: np.maximum(d["y"], 0.0))
    with pytest.warns(si.StatinfWarning, match="have the outcome 0, their quantile at tau=0.1"):
        made = si.effect("y ~ t | x", data, method="qte", tau=[0.1, 0.9])
    assert np.isnan(made.std_errors).all() and np.isfinite(made.theta).all() and "0.9" in str(made)
    with pytest.raises(si.NotIdentifiedError, match="no density there"):
        si.effect("y ~ t | x", data, method="qte", tau=0.1, vcov="HC0")
    with pytest.warns(NumericalWarning, match="standard errors assume that outcomes have a density"):
        si.effect("y ~ t | x", sample().assign(y=lambda d: np.round(d["y"])), method="qte", tau=0.5)


def test_outcomes_without_a_density_are_bootstrapped():
    data = sample().assign(y=lambda d: np.maximum(d["y"], 0.0))
    with pytest.warns(si.StatinfWarning, match=r"tau=0.1: it has no density there.*use bootstrap\(kind='pairs'\)"):
        made = si.effect("y ~ t | x", data, method="qte", tau=[0.1, 0.9])
    drawn = made.bootstrap(40, "pairs", seed=1, progress=False)
    again = si.effect("y ~ t | x", data, method="qte", tau=[0.9]).bootstrap(40, "pairs", seed=1, progress=False)
    assert made.theta[0] == 0.0 and drawn.std_errors.iloc[0] == 0.0
    assert drawn.std_errors.iloc[1] == pytest.approx(again.std_errors.iloc[0])
    np.testing.assert_allclose(drawn.conf_int(interval="basic").iloc[0], 0.0)
    assert 0.0 <= drawn.tidy()["p_value"].iloc[1] <= 1.0
    with pytest.raises(si.NotIdentifiedError, match="BCa limits need influence values"):
        drawn.conf_int(interval="bca")


def test_a_replica_is_the_fit_with_its_weights():
    data = sample(200)
    made = si.effect("y ~ t | x + z", data, method="qte", tau=TAUS, estimand="ATT")
    again = si.effect("y ~ t | x + z", data, method="qte", tau=TAUS, estimand="ATT", weights="w")
    np.testing.assert_allclose(made.solved.refitted(data["w"].to_numpy(float)), again.theta, rtol=1e-9)
    drawn = made.bootstrap(40, "bayesian", seed=1, progress=False)
    assert drawn.draws.draws.shape == (40, 3) and np.isfinite(drawn.std_errors).all()


def test_saved_fits_keep_tables(tmp_path):
    made = si.effect("y ~ t | x", sample(), method="qte", tau=TAUS)
    made.save(tmp_path / "q.si")
    again = si.load(tmp_path / "q.si")
    pd.testing.assert_frame_equal(again.tidy(), made.tidy())
    pd.testing.assert_frame_equal(again.process(), made.process())
    with pytest.raises(si.DataError, match="quantiles of the arms"):
        again.quantiles()
    joint = si.joint(made, si.effect("y ~ t | x", sample(), method="ipw"))
    assert np.isfinite(joint.vcov).all(axis=None)


def test_bad_input_is_refused_by_name():
    data = sample()
    for tau in (0.0, "half", []):
        with pytest.raises(si.OptionError, match="tau"):
            si.effect("y ~ t | x", data, method="qte", tau=tau)
    with pytest.raises(si.OptionError, match="tau= is an option of method='qte'"):
        si.effect("y ~ t | x", data, tau=0.5)
    with pytest.raises(si.NotIdentifiedError, match="E-values"):
        si.effect("y ~ t | x", data, method="qte").e_value()
    with pytest.raises(si.DataError, match="two arms"):
        si.effect("y ~ z | x", data, method="qte")
