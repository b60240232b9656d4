"""Quitting smoking and weight (NHEFS), with the covariates of Hernan and Robins, against the numbers of other software."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from effects.oracle import expected, folds, value

COVARIATES = (
    "C(sex) + C(race) + age + I(age**2) + C(education) + smokeintensity + I(smokeintensity**2) + smokeyrs + "
    "I(smokeyrs**2) + C(exercise) + C(active) + wt71 + I(wt71**2)"
)
FORMULA = f"wt82_71 ~ qsmk | {COVARIATES}"
N = 1566
PAIRS = {
    "DR/1": ("dr", None, None),
    "DR/nu": ("ivw", None, None),
    "Cov/1": ("dr", "cov", None),
    "Cov/nu": ("dr", "cov", "ivw"),
    "U/1": ("u", None, None),
    "U/AX(=R)": ("r", None, None),
    "U/X": ("u", None, "u-ivw"),
}


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("nhefs")


@pytest.fixture(scope="module")
def standard(data):
    """Outcome, treatment and the standardised columns of the formula, with a formula of their own."""
    columns = si.effect(FORMULA, data).design.part("covariates").rest.values
    z = pd.DataFrame((columns - columns.mean(axis=0)) / columns.std(axis=0))
    z.columns = [f"z{i}" for i in range(z.shape[1])]
    return z.assign(y=data["wt82_71"], d=data["qsmk"]), "y ~ d | " + " + ".join(z.columns)


def near(fit, estimator, rel=2e-9):
    estimate, error = expected("nhefs", estimator)
    assert fit.theta[0] == pytest.approx(estimate, rel=rel)
    if not np.isnan(error):
        assert fit.std_errors.iloc[0] == pytest.approx(error, rel=rel)


def test_without_folds(data):
    near(si.effect(FORMULA, data), "aipw_ate:noxfit")
    near(si.effect(FORMULA, data, estimand="ATT"), "aipw_att:noxfit")
    assert si.effect(FORMULA, data).theta[0] == pytest.approx(value("nhefs", "ate:aipw"), rel=1e-8)
    population = si.effect(FORMULA, data, method="regression", target="population", vcov="HC0")
    near(population, "ate:ra", 1e-7)
    for estimand, target in (("ATE", "ate:ipw"), ("ATT", "att:ipw")):
        fit = si.effect(FORMULA, data, method="ipw", estimand=estimand)
        assert fit.theta[0] == pytest.approx(value("nhefs", target), rel=1e-8)
    known = si.effect(FORMULA, data, method="ipw").nuisance["propensity"]
    near(si.effect(FORMULA, data, method="ipw", propensity=known), "ipw_hajek:noxfit")
    near(si.effect(FORMULA, data, method="ipw", propensity=known, normalize=False), "ipw_ht:noxfit")
    for model in ("logit", "lm"):
        name = {"logit": "logit_m", "lm": "ols_m"}[model]
        fit = si.effect(FORMULA, data, method="plr", treatment_model=model, folds=1)
        near(fit, f"plr_partialling_out:{name}:noxfit")


def test_with_folds(data):
    split = folds(N)
    near(si.effect(FORMULA, data, method="irm", folds=split), "dml_irm:ATE")
    near(si.effect(FORMULA, data, method="irm", folds=split, estimand="ATT"), "dml_irm:ATTE")
    near(si.effect(FORMULA, data, method="plr", folds=split), "dml_plr:partialling out")
    near(si.effect(FORMULA, data, method="plr", folds=split, score="iv-type"), "dml_plr:IV-type")
    linear = si.effect(FORMULA, data, method="plr", folds=split, treatment_model="lm")
    near(linear, "dml_plr:partialling out:ols_m")
    normal = si.effect(FORMULA, data, method="irm", folds=split, normalize=True)
    assert normal.theta[0] == pytest.approx(value("nhefs", "dml_irm:ATE:normalize_ipw"), rel=2e-9)
    known = si.effect(FORMULA, data, method="irm", folds=split).nuisance["propensity"]
    near(si.effect(FORMULA, data, method="ipw", propensity=known), "ipw_hajek:xfit5")
    near(si.effect(FORMULA, data, method="ipw", propensity=known, normalize=False), "ipw_ht:xfit5")


@pytest.mark.parametrize("method", ["plr", "irm"])
def test_omitted_variable_bounds(data, method):
    model = {"plr": "lm", "irm": "logit"}[method]
    fit = si.effect(FORMULA, data, method=method, treatment_model=model, folds=folds(N))
    bound = fit.sensitivity(0.03, 0.03)
    lower, lower_error = expected("nhefs", f"dml_{method}_sens:theta_lower(cf=.03)")
    upper, upper_error = expected("nhefs", f"dml_{method}_sens:theta_upper")
    assert (bound.lower, bound.upper) == pytest.approx((lower, upper), rel=2e-9)
    # DoubleML 0.11.4 prints each bound's error beside the other bound.
    assert (bound.lower_se, bound.upper_se) == pytest.approx((upper_error, lower_error), rel=2e-9)
    assert bound.robustness_value == pytest.approx(value("nhefs", f"dml_{method}_sens:RV"), rel=1e-5)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("split", ["noxfit", "xfit5"])
def test_pseudo_outcome_regressions(standard, pair, split):
    frame, formula = standard
    method, pseudo, weighting = PAIRS[pair]
    labels = 1 if split == "noxfit" else folds(N)
    fit = si.cate(formula, frame, method=method, pseudo=pseudo, weighting=weighting, folds=labels)
    for i in (0, 1):
        assert fit.params.iloc[i] == pytest.approx(value("nhefs", f"por_linear:{pair}:{split}:b{i}"), rel=2e-9)


@pytest.mark.parametrize("split", ["noxfit", "xfit5"])
@pytest.mark.parametrize("model", ["logit", "lm"])
def test_r_learner(standard, split, model):
    frame, formula = standard
    name = {"logit": "logit_m", "lm": "ols_m"}[model]
    labels = 1 if split == "noxfit" else folds(N)
    fit = si.cate(formula, frame, method="r", treatment_model=model, folds=labels)
    for i, part in enumerate(("intercept", "b1")):
        assert fit.params.iloc[i] == pytest.approx(value("nhefs", f"rlearner_linear_{part}:{name}:{split}"), rel=2e-9)


def test_conditional_effects_meet_econml_and_doubleml(standard):
    frame, formula = standard
    fit = si.cate(formula, frame, method="r", folds=folds(N))
    for i, name in enumerate(("intercept", "coef0")):
        found = (fit.theta[i], fit.std_errors.iloc[i])
        assert found == pytest.approx(expected("nhefs", f"econml_LinearDML:{name}"), rel=2e-9)
    one = si.cate(formula, frame, method="s", pseudo="dr", weighting="none", outcome_model="lm", folds=folds(N))
    for i, name in enumerate(("intercept", "coef0")):
        found = (one.theta[i], one.std_errors.iloc[i])
        assert found == pytest.approx(expected("nhefs", f"econml_LinearDRLearner:{name}"), rel=2e-9)
    projection = si.cate(formula, frame, method="dr", folds=folds(N)).blp(vcov="HC0")
    for i in range(3):
        found = (projection.theta[i], projection.std_errors.iloc[i])
        assert found == pytest.approx(expected("nhefs", f"dml_irm_blp:b{i}"), rel=2e-9)
