"""What weights mean: frequencies equal repeated rows to the last digit, probabilities equal R's survey."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from reference import FOLDER

R = json.loads((FOLDER / "counts.json").read_text())
CARS = pd.read_csv(FOLDER / "data" / "mtcars.csv")
KINDS = (
    "iid",
    "HC0",
    "HC1",
    "HC2",
    "HC3",
    "HC4",
    "HC4m",
    "HC5",
    {"cluster": "g"},
    {"cluster": "g", "type": "HC2"},
    {"cluster": "g", "type": "HC3"},
)
CALLS = {
    "lm": lambda d, **o: si.lm("y ~ x + z", d, **o),
    "gaussian": lambda d, **o: si.glm("y ~ x", d, **o),
    "binomial": lambda d, **o: si.glm("b ~ x", d, family="binomial", **o),
    "successes": lambda d, **o: si.glm("cbind(s, m) ~ x", d, family="binomial", **o),
    "quasipoisson": lambda d, **o: si.glm("c ~ x", d, family="quasipoisson", **o),
    "negative_binomial": lambda d, **o: si.glm("c ~ x", d, family="negative_binomial", **o),
    "gamma": lambda d, **o: si.glm("I(c + 1) ~ x", d, family="gamma", **o),
    "inverse_gaussian": lambda d, **o: si.glm("I(c + 1) ~ x", d, family="inverse_gaussian", **o),
    "firth": lambda d, **o: si.glm("b ~ x", d, family="binomial", penalty="firth", **o),
}  # fmt: skip


def sample(n=60):
    random = np.random.default_rng(1)
    x, z = random.standard_normal((2, n))
    frame = pd.DataFrame({"x": x, "z": z, "f": random.integers(0, 4, n), "g": random.integers(0, 12, n)})
    chance = 1 / (1 + np.exp(-x))
    s = random.binomial(4, chance)
    return frame.assign(
        y=x + random.standard_normal(n), b=(random.random(n) < chance) * 1.0, s=s, m=4 - s,
        c=random.poisson(np.exp(0.5 + 0.4 * x) * random.gamma(2, 0.5, n)) * 1.0,
    )  # fmt: skip


DATA = sample()
REPEATED = DATA.loc[DATA.index.repeat(DATA["f"])].reset_index(drop=True)


@pytest.mark.parametrize("name", CALLS)
def test_frequencies_are_repeated_rows(name):
    one, two = CALLS[name](DATA, weights="f", weights_kind="frequency"), CALLS[name](REPEATED)
    np.testing.assert_allclose(one.theta, two.theta, rtol=1e-8)
    for kind in KINDS if name == "lm" else KINDS[::2]:
        ours, theirs = one.with_vcov(kind).cov, two.with_vcov(kind).cov
        np.testing.assert_allclose(ours.matrix, theirs.matrix, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(ours.df_each, theirs.df_each, rtol=1e-9)
    ours, theirs = one.glance_items(), two.glance_items()
    for item in ours:
        if isinstance(ours[item], float | int) and item != "iterations":
            assert ours[item] == pytest.approx(theirs[item], rel=1e-7, nan_ok=True), item
    kept = DATA["f"] > 0
    again = np.repeat(np.flatnonzero(kept), DATA["f"][kept])
    for column in set(one.augment().columns) - set(DATA.columns):
        np.testing.assert_allclose(one.augment()[column].to_numpy()[again], two.augment()[column], rtol=1e-6, atol=1e-9)
    assert one.lean().with_vcov("HC2").cov.matrix == pytest.approx(two.with_vcov("HC2").cov.matrix, rel=1e-6)


def test_frequencies_refuse_what_counts_rows_once():
    fit = CALLS["lm"](DATA, weights="f", weights_kind="frequency")
    for call in (
        lambda: fit.influence,
        lambda: fit.bootstrap(99),
        lambda: fit.bootstrap(99, kind="pairs"),
        lambda: si.joint(fit, fit),
    ):
        with pytest.raises(si.NotIdentifiedError, match="repeat the rows"):
            call()
    with pytest.raises(si.DataError, match="whole numbers"):
        si.lm("y ~ x", DATA.assign(f=DATA["f"] / 2), weights="f", weights_kind="frequency")


@pytest.mark.parametrize(
    ("name", "formula", "family"),
    [
        ("gaussian", "mpg ~ wt + hp", "gaussian"),
        ("binomial", "vs ~ wt", "binomial"),
        ("poisson", "carb ~ wt + hp", "poisson"),
    ],
)
def test_probabilities_agree_with_survey(name, formula, family):
    theirs = R[f"survey_{name}"]
    fit = si.glm(formula, CARS, family=family, weights="gear", weights_kind="probability")
    assert fit.cov.kind == "HC1" and np.isnan(fit.loglik)
    np.testing.assert_allclose(fit.theta, theirs["coefficients"], rtol=1e-8)
    n, k = fit.nobs, fit.rank
    # survey has n / (n - 1) where HC1 has n / (n - k).
    np.testing.assert_allclose(fit.cov.matrix * (n - k) / (n - 1), theirs["rows"], rtol=1e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", si.StatinfWarning)  # six clusters
        clustered = fit.with_vcov({"cluster": "carb", "type": "HC0"}).cov.matrix
    np.testing.assert_allclose(clustered, theirs["clusters"], rtol=1e-7)
    scaled = si.glm(
        formula, CARS.assign(gear=CARS["gear"] * 100), family=family, weights="gear", weights_kind="probability"
    )
    np.testing.assert_allclose(scaled.cov.matrix, fit.cov.matrix, rtol=1e-9)
    assert scaled.deviance == pytest.approx(fit.deviance)


def test_probabilities_refuse_the_model_s_errors():
    fit = si.lm("mpg ~ wt", CARS, weights="gear", weights_kind="probability")
    np.testing.assert_allclose(fit.theta, si.lm("mpg ~ wt", CARS, weights="gear").theta, rtol=1e-10)
    np.testing.assert_allclose(fit.cov.matrix, si.lm("mpg ~ wt", CARS, weights="gear").cov.matrix, rtol=1e-9)
    for call in (
        lambda: fit.with_vcov("iid"),
        lambda: si.lm("mpg ~ wt", CARS, weights="gear", weights_kind="probability", vcov="iid"),
    ):
        with pytest.raises(si.NotIdentifiedError, match="probability"):
            call()
    assert np.isnan(fit.loglik)
    with pytest.raises(si.OptionError, match="likelihood"):
        si.glm("vs ~ wt", CARS, family="binomial", weights="gear", weights_kind="probability").conf_int(
            interval="profile"
        )


def test_kinds_are_checked():
    with pytest.raises(si.OptionError, match="frequency"):
        si.lm("y ~ x", DATA, weights="f", weights_kind="fweight")
    w = si.balance("b ~ x", DATA, method="ipw")
    with pytest.raises(si.OptionError, match="theory"):
        si.lm("y ~ b", DATA, weights=w, weights_kind="probability")
    with pytest.raises(si.OptionError, match="one row per trial"):
        si.glm("cbind(s, m) ~ z", DATA, family="binomial", weights=w)


def test_a_survey_has_the_working_model_of_inverse_weights():
    """As clubSandwich's `inverse_var = TRUE`, which the reference numbers of precision weights hold."""
    data, kind = DATA.assign(w=1.0 + DATA["f"]), {"cluster": "g", "type": "CR2"}
    one, two = (si.lm("y ~ x + z", data, weights="w", weights_kind=k, vcov=kind) for k in ("probability", "precision"))
    np.testing.assert_allclose(one.cov.matrix, two.cov.matrix, rtol=1e-10)
    np.testing.assert_allclose(one.cov.df_each, two.cov.df_each, rtol=1e-10)
