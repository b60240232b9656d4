"""Rows of weight zero are absent; rows, cells and clusters that are alone, or too few, are named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import AliasedWarning, DroppedRowsWarning


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    g = ["a"] * 20 + ["b"] * 19 + ["c"]
    made = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "g": g, "id": np.arange(40) % 12})
    return made.assign(n=rng.poisson(2.0, 40), w=np.where(made["id"] < 11, 1.0 + made["id"], 0.0))


def test_clusters_of_weight_zero_do_not_count():
    """The value is statsmodels' on the six rows that have weight."""
    data = pd.DataFrame({"x": np.arange(8.0), "y": [1, 0, 3, 2, 5, 4, 8, 6], "g": list("aabbccdd")})
    weights = np.array([1.0] * 6 + [0.0] * 2)
    for verb in (si.lm, si.glm):
        with pytest.warns(si.StatinfWarning, match="'g' has 3 values"):
            fit = verb("y ~ x", data, weights=weights, vcov={"cluster": "g"})
        assert fit.std_errors["x"] == pytest.approx(0.0876173575, abs=1e-9)
    assert si.lm("y ~ x", data, weights=weights, vcov={"cluster": "g", "type": "HC3"}).cov.df == 2


@pytest.mark.parametrize(
    "vcov", ["iid", "HC0", "HC1", "HC2", "HC3", *({"cluster": "id", "type": f"HC{i}"} for i in range(4))]
)
@pytest.mark.parametrize("verb", ["lm", "glm"])
def test_weight_zero_is_no_row(frame, verb, vcov):
    used = frame[frame["w"] > 0]
    made = [
        si.lm("y ~ x", d, weights="w", vcov=vcov)
        if verb == "lm"
        else si.glm("n ~ x", d, family="poisson", weights="w", vcov=vcov)
        for d in (frame, used)
    ]
    np.testing.assert_allclose(made[0].cov.matrix, made[1].cov.matrix, rtol=1e-9)
    assert made[0].cov.df == pytest.approx(made[1].cov.df, rel=1e-12) and made[0].nobs == len(used)
    drawn = [fit.bootstrap(64, kind="pairs", seed=3).draws.draws for fit in made] if vcov == "HC1" else [0.0, 0.0]
    np.testing.assert_allclose(drawn[0], drawn[1], rtol=1e-6)


@pytest.mark.parametrize("vcov", ["iid", "HC0", {"cluster": "id"}])
@pytest.mark.parametrize("family", ["poisson", "quasipoisson", "gamma", "inverse_gaussian", "negative_binomial"])
def test_what_stands_in_a_row_of_weight_zero_does_not_matter(family, vcov):
    # Means of the absent rows leave the range of floats, and their outcomes the family's.
    rng = np.random.default_rng(7)
    n = 400
    data = pd.DataFrame({"x": rng.normal(size=n), "o": rng.normal(size=n) / 5, "id": np.arange(n) % 40})
    mean = np.exp(0.4 * data["x"] + data["o"]) * rng.gamma(2.0, 0.5, n)
    data["y"] = mean if family in ("gamma", "inverse_gaussian") else rng.poisson(mean)
    data["w"] = np.where(rng.random(n) < 0.25, 0.0, rng.uniform(0.5, 2.0, n))
    data["g"] = rng.choice(list("ab"), n)
    used = data[data["w"] > 0]
    data.loc[data["w"] == 0, ["x", "o"]] *= 1e4
    data.loc[data["w"] == 0, "y"] = -1.0
    options = {"family": family, "link": "log", "weights": "w", "vcov": vcov}
    right = si.glm("y ~ x + g + offset(o)", used, **options)
    tables = [data, data.sample(frac=1.0, random_state=1)]
    if family != "negative_binomial":
        tables.append(si.blocks(data, rows=90))
    for table in tables:
        fit = si.glm("y ~ x + g + offset(o)", table, **options)
        np.testing.assert_allclose(fit.params, right.params, rtol=1e-9)
        np.testing.assert_allclose(fit.std_errors, right.std_errors, rtol=1e-8)
        named = ("deviance", "null_deviance", "dispersion", "loglik")
        np.testing.assert_allclose(*([getattr(f, k) for k in named] for f in (fit, right)), rtol=1e-9)
        assert fit.nobs == right.nobs


def test_a_row_that_alone_holds_a_level_is_named(frame):
    with pytest.warns(si.StatinfWarning, match=r"row 39 alone determines 'C\(g\)\[T.c\]'"):
        si.lm("y ~ x + C(g)", frame)
    si.lm("y ~ x + C(g)", frame, vcov="iid")
    with pytest.raises(si.NotIdentifiedError, match="row 39"):
        si.lm("y ~ x + C(g)", frame, vcov="HC3")


def test_a_cluster_that_alone_is_treated_is_named(frame):
    alone = frame.assign(t=(frame["id"] == 3) * 1.0)
    with pytest.warns(si.StatinfWarning, match="one cluster of 'id' alone determines 't'"):
        si.lm("y ~ x + t", alone, cluster="id")


def test_few_clusters_are_said(frame):
    few = frame.assign(id=np.arange(40) % 5)
    with pytest.warns(si.StatinfWarning, match=r"fewer than 10 clusters.*'type': 'CR2'"):
        si.lm("y ~ x", few, cluster="id")
    si.lm("y ~ x", few, vcov={"cluster": "id", "type": "HC3"})
    with pytest.warns(si.StatinfWarning, match="fewer than 10 clusters.*no correction for it"):
        si.rq("y ~ x", few, cluster="id")


def test_a_row_that_breaks_an_alias_has_no_prediction(frame):
    twice = frame.assign(x2=2 * frame["x"], n=frame["n"])
    new = pd.DataFrame({"x": [1.0, 1.0], "x2": [2.0, 50.0]})
    for verb in (si.lm, si.glm):
        with pytest.warns(AliasedWarning):
            fit = verb("y ~ x + x2", twice)
        with pytest.warns(DroppedRowsWarning, match="1: they depend on.*'x2'"):
            made = fit.predict(new)
        assert np.isnan(made.iloc[1].to_numpy(float)).all() and np.isfinite(made.iloc[0].to_numpy(float)).all()
        assert np.isfinite(fit.predict().to_numpy(float)).all()


def test_an_empty_cell_has_no_prediction():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"a": ["p", "q"] * 20, "b": ["u"] * 20 + ["v"] * 20, "y": rng.normal(size=40)})
    seen = data[~((data["a"] == "q") & (data["b"] == "v"))]
    with pytest.warns(AliasedWarning):
        fit = si.lm("y ~ C(a) * C(b)", seen)
    with pytest.warns(DroppedRowsWarning):
        made = fit.predict(pd.DataFrame({"a": ["p", "q"], "b": ["v", "v"]}))
    assert np.isfinite(made.iloc[0, 0]) and np.isnan(made.iloc[1, 0])


def test_prediction_limits_count_clusters_for_the_mean_only():
    """With two clusters t has one degree of freedom: 12.7 standard errors, of the mean and not of the residual."""
    rng, widths = np.random.default_rng(4), []
    for _ in range(40):
        x = rng.normal(size=60)
        data = {"x": x, "y": 1 + x + rng.normal(size=60), "g": np.arange(60) % 2}
        fit = si.lm("y ~ x", data, vcov={"cluster": "g", "type": "HC3"})
        made = fit.predict({"x": [0.5]}, interval="prediction")
        widths.append(made.filter(["lower", "upper"]).diff(axis=1).iloc[0, 1])
    assert 3.7 < np.median(widths) < 4.3


@pytest.mark.filterwarnings("ignore:the covariance clustered by a and b has negative eigenvalues")
def test_two_ways_of_clustering_are_mended_and_say_so():
    rng = np.random.default_rng(0)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        data = {
            "y": rng.normal(size=60),
            "x": rng.normal(size=60),
            "a": np.arange(60) % 12,
            "b": rng.integers(0, 11, 60),
        }
        fit = si.lm("y ~ x", data, vcov={"cluster": ["a", "b"]})
        values = np.linalg.eigvalsh(fit.cov.matrix)
        assert values[0] >= -1e-12 * values[1] and np.isfinite(fit.std_errors).all()
        if "made positive semi-definite" in fit.cov.label:
            break
    else:
        raise AssertionError("no sample had an indefinite matrix")
    assert "positive semi-definite" in fit.summary().to_text()


@pytest.mark.parametrize("value", [1e300, -1e200, np.inf, np.nan])
def test_whatever_stands_in_a_row_of_weight_zero_is_absent(value):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=["y", "x", "z", "v"]).assign(w=1.0, b=rng.integers(0, 2, 60))
    gone = frame.copy()
    for row, column in enumerate(["y", "x", "z", "v"]):
        gone.loc[row, [column, "w"]] = value, 0.0
    kept = frame.iloc[4:]
    calls = {
        "lm": lambda d: si.lm("y ~ x + z", d, weights="w"),
        "square": lambda d: si.lm("y ~ x + I(z^2)", d, weights="w"),
        "blocks": lambda d: si.lm("y ~ x + z", si.blocks([d.iloc[:30], d.iloc[30:]]), weights="w"),
        "glm": lambda d: si.glm("b ~ x + z", d, family="binomial", weights="w"),
        "rq": lambda d: si.rq("y ~ x + z", d, weights="w"),
        "iv": lambda d: si.iv("y ~ x | z | v", d, weights="w"),
        "effect": lambda d: si.effect("y ~ b | x + z", d, method="plr", learner="lm", weights="w"),
    }
    for name, call in calls.items():
        found, first = call(gone), call(kept)
        np.testing.assert_allclose(found.params, first.params, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(found.std_errors, first.std_errors, rtol=1e-9, err_msg=name)
        assert found.nobs == first.nobs


@pytest.mark.parametrize("family, link", [("binomial", "probit"), ("gamma", "log"), ("gaussian", "log")])
def test_scoring_goes_by_the_unit_of_weights_and_outcomes(family, link):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["x", "z"])
    mean = np.exp(0.3 + 0.5 * frame["x"])
    y = rng.binomial(1, mean / (1 + mean)) if family == "binomial" else mean * rng.gamma(2.0, 0.5, 200)
    frame = frame.assign(y=y, g=np.arange(200) % 9)
    formula = "y ~ x + z"

    def fitted(weight, unit=1.0, **options):
        data = frame.assign(y=frame["y"] * unit)
        return si.glm(formula, data, family=family, link=link, weights=np.full(200, weight), vcov="HC1", **options)

    def draws(fit):
        return fit.bootstrap(replicas=40, kind="pairs", seed=1).draws.draws

    first = fitted(1.0)
    drawn = draws(first)
    absorbed = fitted(1.0, absorb="g").params
    for weight in (1e-12, 1e12):
        fit = fitted(weight)
        np.testing.assert_allclose(fit.params, first.params, rtol=1e-9)
        np.testing.assert_allclose(fit.std_errors, first.std_errors, rtol=1e-9)
        np.testing.assert_allclose(fitted(weight, absorb="g").params, absorbed, rtol=1e-8)
        np.testing.assert_allclose(draws(fit), drawn, rtol=1e-8)
    if family != "binomial":
        for unit in (1e-9, 1e9):
            fit = fitted(1.0, unit)
            np.testing.assert_allclose(fit.params[1:], first.params[1:], rtol=1e-9)
            np.testing.assert_allclose(draws(fit)[:, 1:], drawn[:, 1:], rtol=1e-8)
