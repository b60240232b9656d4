"""Rows that only helped to estimate weights belong to the clusters that they come in."""

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    n, group = 300, 20
    g, h = random.integers(0, group, n), random.integers(0, 15, n)
    u = random.standard_normal(group)[g]
    x = random.standard_normal(n)
    t = (random.random(n) < 1 / (1 + np.exp(-x - u))) * 1.0
    y = x + t + u + random.standard_normal(n)
    y[random.random(n) < 0.3] = np.nan
    return pd.DataFrame(
        {"y": y, "t": t, "x": x, "g": g, "name": np.array([f"c{k}" for k in g]), "h": h, "row": np.arange(n)}
    )


@pytest.fixture(scope="module")
def weights(data):
    return si.balance("t ~ x", data, method="ipw")


def by_hand(fit, codes, n):
    """Every row's influence summed by cluster, with the factors of one-way clusters of the rows of the fit."""
    moments = fit.moments()
    every = np.zeros((n, len(fit.theta)))
    every[fit.design.rows] = moments.influence
    every[moments.outside_rows] = moments.outside_influence
    sums = pd.DataFrame(every).groupby(codes).sum().to_numpy()
    groups = len(np.unique(codes[fit.design.rows]))
    return sums.T @ sums * groups / (groups - 1) * (fit.nobs - 1) / fit.df_resid


@pytest.mark.parametrize("cluster", ["g", "name", "array"])
def test_clusters_hold_all_their_rows(data, weights, cluster):
    given = data["g"].to_numpy() if cluster == "array" else cluster
    fit = si.lm("y ~ t", data, weights=weights, cluster=given)
    assert fit.moments().outside is not None
    np.testing.assert_allclose(fit.vcov, by_hand(fit, data["g"].to_numpy(), len(data)), rtol=1e-10)
    # The frame without the other rows says the same: their clusters are those of the frame that weights were made on.
    if cluster != "array":
        small = si.lm("y ~ t", data.dropna(), weights=weights, cluster=cluster)
        np.testing.assert_allclose(small.vcov, fit.vcov, rtol=1e-10)
    draws = fit.bootstrap(1500, seed=1).std_errors
    # A bootstrap's standard error has the relative error 1 / sqrt(2 B), a factor of sqrt(19 / 20) beside.
    np.testing.assert_allclose(draws * np.sqrt(20 / 19), fit.std_errors, rtol=4 / np.sqrt(2 * 1500) + 0.01)


def test_rows_as_clusters_are_robust_errors(data, weights):
    fit = si.lm("y ~ t", data, weights=weights, cluster="row")
    plain = si.lm("y ~ t", data, weights=weights, vcov="HC0")
    n = fit.nobs
    factor = n / (n - 1) * (n - 1) / fit.df_resid
    np.testing.assert_allclose(fit.vcov, plain.vcov * factor, rtol=1e-10)


def test_two_ways_go_by_inclusion_and_exclusion(data, weights):
    both = data["g"].to_numpy() * 100 + data["h"].to_numpy()
    parts = [si.lm("y ~ t", data.assign(both=both), weights=weights, cluster=c).vcov for c in ("g", "h", "both")]
    fit = si.lm("y ~ t", data, weights=weights, vcov={"cluster": ["g", "h"]})
    np.testing.assert_allclose(fit.vcov, parts[0] + parts[1] - parts[2], rtol=1e-9)


def test_every_verb_counts_them_alike(data, weights):
    fit = si.lm("y ~ t", data, weights=weights, cluster="g")
    assert si.glm("y ~ t", data, weights=weights, cluster="g").std_errors["t"] == pytest.approx(fit.std_errors["t"])
    assert si.effect("y ~ t", data, method="dim", weights=weights, cluster="g").std_errors["t"] == pytest.approx(
        fit.std_errors["t"]
    )
    # An instrument that is the treatment in other units.
    iv = si.iv("y ~ t | 1 | z", data.assign(z=3.0 * data["t"] - 1.0), weights=weights, cluster="g")
    assert iv.std_errors["t"] == pytest.approx(fit.std_errors["t"], rel=1e-6)


def test_a_row_of_unknown_cluster_is_one_by_itself(data, weights):
    holes = data.assign(g=np.where(data["y"].isna(), np.nan, data["g"]))
    fit = si.lm("y ~ t", holes, weights=weights, cluster="g")
    alone = np.where(data["y"].isna(), 1000 + np.arange(len(data)), data["g"])
    np.testing.assert_allclose(fit.vcov, by_hand(fit, alone, len(data)), rtol=1e-10)
