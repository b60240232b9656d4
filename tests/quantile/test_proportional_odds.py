"""Maximum likelihood of cumulative logit models beside statsmodels, and what the fit promises."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import AliasedWarning


def sample(n=300, seed=5):
    rng = np.random.default_rng(seed)
    x, g = rng.normal(2, 1, n), rng.integers(0, 2, n)
    latent = 0.7 * x - 0.8 * g + rng.logistic(size=n)
    return pd.DataFrame({"y": np.digitize(latent, [0.5, 2.0]), "x": x, "g": g, "id": np.arange(n) // 5})


DATA = sample()


@pytest.fixture(scope="module")
def fit():
    return si.presto("y ~ x + g", DATA, penalty=0, parallel=True)


def test_estimates_and_errors_are_those_of_statsmodels(fit):
    ordinal = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    model = ordinal.OrderedModel(DATA["y"], DATA[["x", "g"]], distr="logit")
    peer = model.fit(method="newton", disp=0, tol=1e-12)
    cuts = model.transform_threshold_params(peer.params.to_numpy())[1:-1]
    np.testing.assert_allclose(fit.params, np.r_[-peer.params[:2], cuts], atol=1e-6)
    assert fit.loglik == pytest.approx(peer.llf, abs=1e-8)
    # the peer differentiates numerically; its cuts are increments in logarithms, the first of them is a cut itself
    np.testing.assert_allclose(fit.std_errors.iloc[[0, 1, 2]], peer.bse[:3], rtol=1e-5)
    np.testing.assert_allclose(fit.predict(DATA), model.predict(peer.params), atol=1e-6)
    assert fit.terms == ("x", "g", "0|1", "1|2")
    assert "McCullagh" in fit.summary().to_text()


def test_influence_is_the_derivative_of_the_estimate_in_a_weight(fit):
    step = 1e-4
    moved = [
        si.presto("y ~ x + g", DATA, penalty=0, parallel=True, weights=1.0 + s * step * (np.arange(300) == 7)).params
        for s in (1, -1)
    ]
    np.testing.assert_allclose(fit.influence[7], (moved[0] - moved[1]) / (2 * step), atol=1e-6)
    np.testing.assert_allclose(fit.influence.sum(axis=0), 0, atol=1e-8)


def test_two_categories_of_slopes_are_a_saturated_model():
    # one binary column with separate slopes: fitted shares are the observed ones
    saturated = si.presto("y ~ g", DATA, penalty=0)
    shares = saturated.predict(pd.DataFrame({"g": [0, 1]}))
    observed = pd.crosstab(DATA["g"], DATA["y"], normalize="index")
    np.testing.assert_allclose(shares, observed, atol=1e-9)
    assert saturated.terms == ("g[0|1]", "g[1|2]", "0|1", "1|2")
    parallel = si.presto("y ~ g", DATA, penalty=0, parallel=True)
    ratio = 2 * (saturated.loglik - parallel.loglik)
    test = saturated.test_parallel()
    assert test.df == 1 and test.statistic == pytest.approx(ratio, rel=0.1, abs=0.02)
    with pytest.raises(si.NotIdentifiedError, match="parallel=False"):
        parallel.test_parallel()
    with pytest.raises(si.OptionError, match="'h'"):
        saturated.test_parallel("h")


@pytest.mark.parametrize("parallel", [True, False])
def test_columns_far_away_keep_their_slopes_and_predictions(parallel):
    call = {"penalty": 0, "parallel": parallel}
    base = si.presto("y ~ x + g", DATA, **call)
    moved = DATA.assign(x=DATA["x"] * 1e-3 + 1e3)
    far = si.presto("y ~ x + g", moved, **call)
    slopes = [t for t in base.terms if t.startswith("x")]
    np.testing.assert_allclose(far.params[slopes] * 1e-3, base.params[slopes], rtol=1e-8)
    np.testing.assert_allclose(far.std_errors[slopes] * 1e-3, base.std_errors[slopes], rtol=1e-8)
    found, first = (f.predict(d, interval="confidence") for f, d in ((far, moved), (base, DATA)))
    np.testing.assert_allclose(found, first, rtol=1e-7)


def test_intervals_of_probabilities_follow_from_the_coefficients(fit):
    new = pd.DataFrame({"x": [1.0, 3.0], "g": [0, 1]})
    table = fit.predict(new, interval="confidence", level=0.9)
    first = fit.transform(lambda b: 1 / (1 + np.exp(-(b["0|1"] + b["x"]))))
    assert table["0"][0] == pytest.approx(float(first.params.iloc[0]), rel=1e-12)
    assert table["std_error_0"][0] == pytest.approx(float(first.std_errors.iloc[0]), rel=1e-6)
    middle = fit.transform(
        lambda b: np.diff(1 / (1 + np.exp(-(np.array([b["0|1"], b["1|2"]]) + 3 * b["x"] + b["g"]))))[0]
    )
    assert table["std_error_1"][1] == pytest.approx(float(middle.std_errors.iloc[0]), rel=1e-6)
    low, high = (table.filter(like=name).to_numpy() for name in ("conf_low", "conf_high"))
    assert (low > 0).all() and (low < table[["0", "1", "2"]]).all(axis=None) and (high < 1).all()
    with pytest.raises(si.NotIdentifiedError, match="si.conformal"):
        fit.predict(new, interval="prediction")


def test_covariances(fit, tmp_path):
    doubled = pd.concat([DATA, DATA])
    twice = si.presto(
        "y ~ x + g", doubled.assign(row=np.tile(np.arange(300), 2)), penalty=0, parallel=True, cluster="row"
    )
    # copies of rows in one cluster bring no information: the factors of small samples aside, HC0 of the rows
    np.testing.assert_allclose(
        twice.with_vcov({"cluster": "row", "type": "HC0"}).vcov * 299 / 300, fit.with_vcov("HC0").vcov, rtol=1e-8
    )
    weighted = si.presto("y ~ x + g", DATA, penalty=0, parallel=True, weights=np.full(300, 2.0))
    np.testing.assert_allclose(weighted.vcov * 2, fit.vcov, rtol=1e-8)
    read = si.load(fit.save(tmp_path / "fit.si"))
    np.testing.assert_allclose(read.with_vcov("HC1").vcov, fit.with_vcov("HC1").vcov, rtol=1e-12)
    pd.testing.assert_frame_equal(read.predict(DATA, interval="confidence"), fit.predict(DATA, interval="confidence"))


def test_bootstraps_agree_with_the_sandwich(fit):
    robust = fit.with_vcov("HC0").std_errors
    for kind in ("multiplier", "bayesian"):
        drawn = fit.bootstrap(120, kind, seed=1)
        # errors of 120 draws are off by 6.5 percent: three of these
        np.testing.assert_allclose(drawn.std_errors, robust, rtol=0.2)


def test_estimated_weights_are_stacked():
    data = DATA.assign(z=(DATA["x"] + np.random.default_rng(0).normal(size=300) > 2).astype(int))
    weights = si.balance("z ~ x", data, method="ipw")
    stacked = si.presto("y ~ z", data, penalty=0, parallel=True, weights=weights)
    fixed = stacked.with_vcov("fixed")
    assert "weights estimated" in stacked.cov.label and "fixed" in fixed.cov.label
    assert not np.isclose(stacked.std_errors["z"], fixed.std_errors["z"], rtol=1e-3)
    joint = si.joint(stacked, si.lm("y ~ z", data, weights=weights))
    assert np.isfinite(joint.std_errors).all()


def test_aliased_and_separated_columns():
    with pytest.warns(AliasedWarning, match="'again'"):
        found = si.presto("y ~ x + again", DATA.assign(again=2 * DATA["x"] + 1), penalty=0, parallel=True)
    assert np.isnan(found.params["again"]) and np.isfinite(found.params["x"])
    base = si.presto("y ~ x", DATA, penalty=0, parallel=True)
    new = DATA.assign(again=2 * DATA["x"] + 1)
    np.testing.assert_allclose(found.predict(new), base.predict(new), atol=1e-9)
    apart = pd.DataFrame({"y": np.repeat([0, 1, 2], 10), "x": np.arange(30.0)})
    for parallel in (True, False):
        with pytest.raises(si.NotIdentifiedError, match="separate"):
            si.presto("y ~ x", apart, penalty=0, parallel=parallel)
    # nearly aliased columns are no separation
    near = DATA.assign(again=DATA["x"] + 1e-5 * np.random.default_rng(1).normal(size=300))
    assert np.isfinite(si.presto("y ~ x + again", near, penalty=0, parallel=True).params).all()


def test_intervals_hold_the_slope_as_often_as_they_say():
    held = 0
    for seed in range(100):
        found = si.presto("y ~ x + g", sample(120, 1000 + seed), penalty=0, parallel=True, vcov="HC0")
        low, high = found.conf_int(0.9).loc["x"]
        # the latent variable rises with x where cumulative probabilities fall
        held += low <= -0.7 <= high
    # three binomial standard errors around 0.9
    assert abs(held / 100 - 0.9) < 3 * np.sqrt(0.09 / 100)
