"""Covariances: identities that hold whatever the numbers, and estimating functions by differentiation."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si
from statinf.inference import EstimatingFunction, covariance


@pytest.fixture
def grouped():
    frame = si.datasets.simulate("clustered", 120, seed=1)
    rng = np.random.default_rng(0)
    return frame.assign(w=rng.uniform(0.5, 2.0, len(frame)), other=rng.integers(0, 7, len(frame)))


def names(frame):
    numeric = [c for c in frame.columns if frame[c].dtype.kind == "f" and c not in ("w", "y")]
    group = next(c for c in frame.columns if c in ("cluster", "group", "id", "firm", "g"))
    return numeric[0], group


def test_clusters_of_one_row_are_hc0_up_to_the_factor(grouped):
    x, _ = names(grouped)
    fit = si.lm(f"y ~ {x}", grouped.assign(row=np.arange(len(grouped))), vcov="HC0")
    n = fit.nobs
    clustered = fit.with_vcov({"cluster": "row", "type": "HC0"})
    np.testing.assert_allclose(clustered.cov.matrix, fit.cov.matrix * n / (n - 1), rtol=1e-12)


def test_clustered_hc3_is_leaving_each_cluster_out(grouped):
    """With weights too: CR3 is the sum of squared changes when a cluster is left out."""
    x, group = names(grouped)
    fit = si.lm(f"y ~ {x}", grouped, weights="w", vcov={"cluster": group, "type": "HC3"})
    changes = []
    for g in grouped[group].unique():
        part = si.lm(f"y ~ {x}", grouped[grouped[group] != g], weights="w")
        changes.append(part.theta - fit.theta)
    changes = np.array(changes)
    np.testing.assert_allclose(fit.cov.matrix, changes.T @ changes, rtol=1e-9)


def test_hc3_is_leaving_each_row_out(grouped):
    x, _ = names(grouped)
    small = grouped.head(40)
    fit = si.lm(f"y ~ {x}", small, weights="w", vcov="HC3")
    changes = np.array(
        [si.lm(f"y ~ {x}", small.drop(index=small.index[i]), weights="w").theta - fit.theta for i in range(40)]
    )
    np.testing.assert_allclose(fit.cov.matrix, changes.T @ changes, rtol=1e-9)


def test_two_way_of_the_same_clusters_is_one_way(grouped):
    x, group = names(grouped)
    twice = grouped.assign(again=grouped[group])
    one = si.lm(f"y ~ {x}", twice, vcov={"cluster": group})
    two = si.lm(f"y ~ {x}", twice, vcov={"cluster": [group, "again"]})
    np.testing.assert_allclose(two.cov.matrix, one.cov.matrix, rtol=1e-12)


def test_influence_gives_hc0(grouped):
    x, _ = names(grouped)
    fit = si.lm(f"y ~ {x}", grouped, weights="w", vcov="HC0")
    np.testing.assert_allclose(fit.influence.T @ fit.influence, fit.cov.matrix, rtol=1e-12)


def test_weights_scale_out(grouped):
    x, _ = names(grouped)
    a = si.lm(f"y ~ {x}", grouped, weights="w")
    b = si.lm(f"y ~ {x}", grouped.assign(w=grouped["w"] * 1000), weights="w")
    np.testing.assert_allclose(a.std_errors, b.std_errors, rtol=1e-10)


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_automatic_bread_is_the_closed_form(family):
    import jax.numpy as jnp

    rng = np.random.default_rng(2)
    x, w = np.column_stack([np.ones(150), rng.normal(size=150)]), rng.uniform(0.2, 2.0, 150)
    eta = x @ [0.2, 0.4]
    y = {"gaussian": eta + rng.normal(size=150), "binomial": 1.0 * (rng.random(150) < 1 / (1 + np.exp(-eta)))}.get(
        family, rng.poisson(np.exp(eta)).astype(float)
    )

    def psi(theta, row, outcome):
        index = row @ theta
        mean = {"gaussian": index, "binomial": 1 / (1 + jnp.exp(-index)), "poisson": jnp.exp(index)}[family]
        return row * (outcome - mean)

    function = EstimatingFunction(psi)
    theta = function.root(np.zeros(2), (x, y), w)
    fit = si.glm("y ~ x", {"y": y, "x": x[:, 1], "w": w}, family=family, weights="w", vcov="HC0")
    np.testing.assert_allclose(theta, fit.theta, rtol=1e-8, atol=1e-10)
    moments = function.moments(theta, (x, y), w)
    np.testing.assert_allclose(covariance(moments, "HC0").matrix, fit.cov.matrix, rtol=1e-8)
    function.moments(theta, (x[:140], y[:140]), w[:140])
    assert function._sums.traces == 1 and function._rows.traces == 1


def test_estimated_weights_equal_the_stacked_system():
    """The correction in closed form against the joint estimating function of propensity and outcome."""
    import jax.numpy as jnp

    frame = si.datasets.simulate("kang_schafer", 300, seed=3)
    weights = si.balance("treat ~ z1 + z2", frame, estimand="ATT")
    fit = si.lm("y ~ treat", frame, weights=weights)
    z = np.column_stack([np.ones(300), frame[["z1", "z2"]]])
    t, y = frame["treat"].to_numpy(float), frame["y"].to_numpy()

    def psi(theta, row, treated, outcome):
        index = row @ theta[:3]
        e = 1 / (1 + jnp.exp(-index))
        weight = jnp.where(treated > 0.5, 1.0, jnp.exp(index))
        residual = outcome - theta[3] - theta[4] * treated
        return jnp.concatenate([row * (treated - e), weight * residual * jnp.array([1.0, treated])])

    function = EstimatingFunction(psi)
    theta = np.concatenate([weights.coef, fit.theta])
    stacked = covariance(function.moments(theta, (z, t, y)), "HC0").matrix
    np.testing.assert_allclose(fit.cov.matrix, stacked[3:, 3:], rtol=1e-8)


def test_unknown_kinds_are_named():
    frame = si.datasets.load("mtcars")
    with pytest.raises(si.OptionError, match="HC0"):
        si.lm("mpg ~ wt", frame, vcov="HC9")
    with pytest.raises(si.OptionError, match="cluster"):
        si.lm("mpg ~ wt", frame, vcov="cluster")
    with pytest.raises(si.OptionError, match="type"):
        si.lm("mpg ~ wt", frame, vcov={"cluster": "cyl", "type": "HC7"})
    with pytest.raises(si.DataError, match="one value"):
        si.lm("mpg ~ wt", frame.assign(k=1), vcov={"cluster": "k"})
