"""Inverse probability weights against reference numbers, and what they do to the fits that take them."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si

FORMULA = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"

# LaLonde data: Hajek contrast and its stacked HC0 standard error, from an independent float64 Newton solution of the
# propensity score equations and the analytic derivative sandwich (no small-sample factor).
LALONDE = {
    "ATE": (224.67630910, 876.19319117),
    "ATT": (1214.07122329, 798.15462783),
    "ATC": (-186.91589984, 1130.98219680),
    "ATO": (1242.20063594, 738.74904016),
}


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("lalonde")


@pytest.mark.parametrize("estimand", LALONDE)
def test_estimate_and_stacked_standard_error(data, estimand):
    fit = si.lm("re78 ~ treat", data, weights=si.balance(FORMULA, data, estimand=estimand))
    np.testing.assert_allclose([fit.params["treat"], fit.std_errors["treat"]], LALONDE[estimand], rtol=1e-8)
    assert "weights estimated" in fit.cov.label


def test_overlap_weights_balance_exactly(data):
    """The logit score makes overlap-weighted means of covariates equal in both arms."""
    w = si.balance(FORMULA, data, estimand="ATO")
    for name in ("age", "educ", "re74"):
        fit = si.lm(f"{name} ~ treat", data, weights=w)
        assert abs(fit.params["treat"]) < 1e-7 * data[name].std()


def test_weights_change_the_default_covariance_and_can_be_taken_as_fixed(data):
    w = si.balance(FORMULA, data, estimand="ATT")
    fit = si.lm("re78 ~ treat", data, weights=w)
    fixed = si.lm("re78 ~ treat", data, weights=w.full(0.0), vcov="HC0")
    np.testing.assert_allclose(fit.params, fixed.params)
    np.testing.assert_allclose(fit.with_vcov("fixed").cov.matrix, fixed.cov.matrix, rtol=1e-12)
    assert fit.std_errors["treat"] < fixed.std_errors["treat"]
    factor = fit.nobs / fit.df_resid
    np.testing.assert_allclose(fit.with_vcov("HC1").cov.matrix, fit.cov.matrix * factor, rtol=1e-12)


def test_a_glm_takes_weights_too(data):
    frame = data.assign(employed=(data["re78"] > 0) * 1)
    w = si.balance(FORMULA, frame, estimand="ATT")
    binary = si.glm("employed ~ treat", frame, family="binomial", weights=w)
    linear = si.lm("employed ~ treat", frame, weights=w)
    shares = 1 / (1 + np.exp(-np.cumsum(binary.theta)))
    risk = binary.transform(
        lambda b: 1 / (1 + np.exp(-b["Intercept"] - b["treat"])) - 1 / (1 + np.exp(-b["Intercept"]))
    )
    np.testing.assert_allclose(shares[1] - shares[0], linear.params["treat"], rtol=1e-8)
    np.testing.assert_allclose(risk.std_errors.iloc[0], linear.std_errors["treat"], rtol=1e-7)


def test_rows_lost_downstream_keep_their_part_in_the_weights(data):
    """A missing outcome removes a row from the regression, not from the propensity's estimating function."""
    holes = data.assign(re78=data["re78"].where(np.arange(len(data)) % 7 != 0))
    w = si.balance(FORMULA, holes, estimand="ATT")
    fit = si.lm("re78 ~ treat", holes, weights=w)
    moments = fit.moments()
    assert fit.nobs == holes["re78"].notna().sum() and len(moments.outside) == holes["re78"].isna().sum()
    total = moments.influence.sum(axis=0) + (moments.outside @ moments.bread.T).sum(axis=0)
    np.testing.assert_allclose(total, 0.0, atol=1e-6)


def test_scores_of_new_rows(data):
    w = si.balance(FORMULA, data, estimand="ATT")
    np.testing.assert_allclose(w.score(data), w.values, rtol=1e-10)


def test_products_of_weights_carry_both_estimations():
    frame = si.datasets.simulate("kang_schafer", 400, seed=1).assign(seen=lambda f: (f["z1"] + f["x2"] > 10.0) * 1)
    a = si.balance("treat ~ z1 + z2", frame)
    b = si.balance("seen ~ z1 + z3", frame)
    fit = si.lm("y ~ treat", frame, weights=a * b)
    made = fit.bootstrap(3000, seed=1)
    np.testing.assert_allclose((a * b).values, a.values * b.values)
    assert abs(made.std_errors["treat"] / fit.std_errors["treat"] - 1) < 4 * np.sqrt(1 / 3000)


def test_sampling_weights_equal_repeated_rows(data):
    counts = np.arange(len(data)) % 3 + 1
    repeated = data.loc[data.index.repeat(counts)].reset_index(drop=True)
    weighted = si.balance(FORMULA, data, estimand="ATT", weights=counts)
    expanded = si.balance(FORMULA, repeated, estimand="ATT")
    np.testing.assert_allclose(weighted.coef, expanded.coef, rtol=1e-7)


def test_bad_input(data):
    with pytest.raises(si.DataError, match="two arms"):
        si.balance("race ~ age", data, method="ipm")
    with pytest.raises(si.DataError, match="does not vary|has 1 value"):
        si.balance("treat ~ age", data[data["treat"] == 1])
    with pytest.raises(si.NotIdentifiedError, match=r"no overlap.*'age'"):
        si.balance("treat ~ age", data.assign(age=data["treat"] * 10.0 + np.arange(len(data)) / 1000))
    with pytest.raises(si.OptionError, match="estimand"):
        si.balance(FORMULA, data, estimand="LATE")
    with pytest.raises(si.OptionError, match="method"):
        si.balance(FORMULA, data, method="magic")
    w = si.balance(FORMULA, data)
    with pytest.raises(si.DataError, match="belong to other rows"):
        si.lm("re78 ~ treat", data.assign(age=data["age"] + 1).tail(500), weights=w)


@pytest.mark.slow
def test_coverage_of_the_weighted_contrast():
    """Nominal 95% at n = 400 with a correct propensity; the band is four binomial standard errors."""
    replications, hits = 300, 0
    for seed in range(replications):
        frame = si.datasets.simulate("kang_schafer", 400, seed=seed)
        w = si.balance("treat ~ z1 + z2 + z3 + z4", frame, estimand="ATO")
        low, high = si.lm("y ~ treat", frame, weights=w).conf_int().loc["treat"]
        hits += low <= 0.0 <= high
    assert abs(hits / replications - 0.95) < 4 * np.sqrt(0.95 * 0.05 / replications)
