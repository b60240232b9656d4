"""Jeffreys' prior against logistf's numbers and direct maximisation; shrinkage against glmnet; profile limits against R."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import statinf as si
from reference import FOLDER

R = json.loads((FOLDER / "counts.json").read_text())
CARS = pd.read_csv(FOLDER / "data" / "mtcars.csv")
ENDOMETRIAL = si.datasets.load("endometrial")
# Distinct rows of logistf's table sex2 (case, age, oc, vic, vicl, vis, dia) and how often each occurs.
SEX2 = """1000010 1 1001000 14 1001010 3 1001100 10 1001110 12 1001111 1 1010000 44 1010001 3 1011000 15 1011001 1 1011010 2
1011100 7 1011110 3 1101000 2 1101010 1 1101011 1 1101100 1 1101111 1 1110000 5 1111000 3 0000010 1 0001000 2 0001010 1
0001100 8 0001110 18 0010000 42 0010010 1 0011000 1 0011100 5 0011110 6 0101100 2 0101110 4 0110000 14 0110010 1 0111000 1
0111110 2"""


def sex2():
    words = SEX2.split()
    frame = pd.DataFrame(
        [[float(c) for c in word] for word in words[::2]], columns="case age oc vic vicl vis dia".split()
    )
    return frame.assign(n=[int(word) for word in words[1::2]])


def test_endometrial_cancer_agrees_with_logistf():
    fit = si.glm("hg ~ nv + pi + eh", ENDOMETRIAL, family="binomial", penalty="firth")
    np.testing.assert_allclose(fit.theta, [3.77455951, 2.92927330, -0.03475175, -2.60416387], rtol=3e-7)
    # Heinze and Schemper (2002), and brglm2: standard errors from the information.
    np.testing.assert_allclose(fit.std_errors, [1.489, 1.551, 0.040, 0.776], atol=5e-4)
    theirs = [[1.0825371, 7.20928050], [0.6097244, 7.85463171], [-0.1244587, 0.04045547], [-4.3651832, -1.23272106]]
    np.testing.assert_allclose(fit.conf_int(interval="profile"), theirs, rtol=1e-6)
    np.testing.assert_allclose(fit.tidy(interval="profile")["conf_low"], np.array(theirs)[:, 0], rtol=1e-6)


def test_urinary_infections_agree_with_logistf():
    fit = si.glm(
        "case ~ age + oc + vic + vicl + vis + dia", sex2(), family="binomial", penalty="firth", weights="n",
        weights_kind="frequency",
    )  # fmt: skip
    assert fit.nobs == 239
    theirs = [0.12025405, -1.10598131, -0.06881673, 2.26887464, -2.11140817, -0.78831694, 3.09601166]
    np.testing.assert_allclose(fit.theta, theirs, rtol=3e-6)
    limits = [[-0.8185591, 1.07315122], [-1.9737884, -0.30742514], [-0.9414363, 0.78920202], [1.2730216, 3.43543273],
              [-3.2608611, -1.11773495], [-1.6080879, 0.01518468], [0.7745682, 8.03029352]]  # fmt: skip
    np.testing.assert_allclose(fit.conf_int(interval="profile"), limits, rtol=3e-5)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_jeffreys_prior_is_maximised(family):
    from scipy.optimize import minimize

    random = np.random.default_rng(4)
    n = 40
    data = pd.DataFrame({"x": random.standard_normal(n), "z": random.standard_normal(n), "w": random.integers(1, 4, n)})
    data["y"] = (
        (data["x"] > 0).astype(float) if family == "binomial" else random.poisson(np.exp(data["x"])).astype(float)
    )
    fit = si.glm("y ~ x + z", data, family=family, penalty="firth", weights="w")
    x = np.column_stack([np.ones(n), data["x"], data["z"]])
    y, w = data["y"].to_numpy(), data["w"].to_numpy(float)

    def loss(b):
        eta = x @ b
        total, mean = (
            (np.logaddexp(0, eta), 1 / (1 + np.exp(-eta))) if family == "binomial" else (np.exp(eta), np.exp(eta))
        )
        fisher = mean * (1 - mean) if family == "binomial" else mean
        information = x.T @ (x * (w * fisher)[:, None])
        return -(w @ (y * eta - total)) - 0.5 * np.linalg.slogdet(information)[1]

    found = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(fit.theta, found.x, rtol=2e-5, atol=1e-6)
    assert fit.iterations < 30  # scoring steps alone take more: the prior is not part of their curvature
    # The gradient of the penalised likelihood vanishes to the solver's tolerance.
    step = 1e-5
    slope = [(loss(fit.theta + step * e) - loss(fit.theta - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.moments().scores.sum(axis=0), 0.0, atol=1e-7)
    repeated = si.glm("y ~ x + z", data.loc[data.index.repeat(data["w"])], family=family, penalty="firth")
    np.testing.assert_allclose(repeated.theta, fit.theta, rtol=1e-7)
    far = si.glm("y ~ x + z", data.assign(x=data["x"] + 1e6), family=family, penalty="firth", weights="w")
    assert far.params["x"] == pytest.approx(fit.params["x"], rel=1e-6)


def test_separation_advises_the_prior():
    with pytest.raises(si.NotIdentifiedError, match="penalty='firth'"):
        si.glm("hg ~ nv + pi + eh", ENDOMETRIAL, family="binomial")


def test_profile_limits_agree_with_r():
    binomial = si.glm("am ~ wt + hp", CARS, family="binomial").conf_int(interval="profile")
    poisson = si.glm("carb ~ wt + hp", CARS, family="poisson").conf_int(interval="profile")
    # R interpolates along its profile.
    np.testing.assert_allclose(binomial, R["profile_binomial"], rtol=1e-5)
    np.testing.assert_allclose(poisson, R["profile_poisson"], rtol=1e-5)
    quine = si.datasets.load("quine")
    fit = si.glm("days ~ sex + age", quine, family="negative_binomial")
    held = si.glm("days ~ sex + age", quine, family="negative_binomial", alpha=fit.alpha)
    np.testing.assert_allclose(held.conf_int(interval="profile"), R["quine"]["profile"], rtol=1e-4)
    wider = fit.conf_int(interval="profile")
    assert (np.diff(wider) > np.diff(held.conf_int(interval="profile")) - 1e-8).all()


def test_profile_limits_of_a_linear_regression_are_students():
    fit = si.glm("mpg ~ wt + hp", CARS)
    np.testing.assert_allclose(fit.conf_int(0.9, interval="profile"), fit.conf_int(0.9), rtol=1e-7)
    with pytest.raises(si.OptionError, match="iid"):
        fit.with_vcov("HC1").conf_int(interval="profile")
    with pytest.raises(si.OptionError, match="bootstrap"):
        fit.conf_int(interval="bca")
    with pytest.raises(si.NotIdentifiedError, match="absorbed"):
        si.glm("carb ~ wt", CARS, family="poisson", absorb="gear", vcov="iid").conf_int(interval="profile")


def test_a_limit_where_the_search_begins_survives_rounding(monkeypatch):
    # A linear regression's limit is where the first step ends; the likelihood there is known to some digits only.
    from statinf.models.profile import Profile

    exact, seen = Profile.root, set()

    def rounded(self, j, value):
        again = value in seen
        seen.add(value)
        return exact(self, j, value) * (1.0 + (1e-9 if again else -1e-9))

    monkeypatch.setattr(Profile, "root", rounded)
    fit = si.glm("mpg ~ wt + hp", CARS)
    np.testing.assert_allclose(fit.conf_int(0.9, interval="profile"), fit.conf_int(0.9), rtol=1e-7)


def test_limits_that_the_likelihood_never_reaches_are_infinite():
    # Every row of the second group is a success but one in the first: nearly separated, with a flat side.
    data = pd.DataFrame({"x": [0.0] * 8 + [1.0] * 4, "y": [0.0] * 7 + [1.0] * 4 + [0.0]})
    limits = si.glm("y ~ x", data, family="binomial").conf_int(interval="profile")
    assert np.isfinite(limits).to_numpy().all()
    exact = si.glm("y ~ x", data.assign(y=data["x"]), family="binomial", penalty="firth").conf_int(interval="profile")
    assert (exact["conf_low"]["x"] > 0) and np.isfinite(exact["conf_high"]["x"])


@pytest.mark.parametrize(("place", "penalty"), [(0, "l2"), (1, "elastic_net"), (2, "l1")])
def test_shrinkage_agrees_with_glmnet(place, penalty):
    for family, outcome, strength in (("binomial", "am", 0.05), ("poisson", "carb", 0.1)):
        fit = si.glm(f"{outcome} ~ wt + hp + qsec + drat", CARS, family=family, penalty=penalty, strength=strength)
        theirs = np.array(R[f"net_{family}"][place])
        np.testing.assert_allclose(fit.theta, theirs, atol=2e-7 * np.abs(theirs).max(), rtol=1e-6)
        assert ((fit.theta == 0) == (theirs == 0)).all()
    if penalty == "l1":
        fit = si.glm("mpg ~ wt + hp + qsec + drat", CARS, penalty="l1", strength=0.5, weights="gear")
        np.testing.assert_allclose(fit.theta, R["net_gaussian"], rtol=1e-6)


def test_shrunken_fits_predict_and_have_no_errors():
    fit = si.glm("am ~ wt + hp + qsec", CARS, family="binomial", penalty="l1", strength="cv", seed=3)
    assert "none, as the coefficients are shrunken" in str(fit.summary())
    assert fit.predict(CARS)["estimate"].between(0, 1).all() and fit.std_errors.isna().all()
    with pytest.raises(si.NotIdentifiedError, match="si.effect"):
        fit.with_vcov("HC1")
    assert fit.augment()["leverage"].isna().all() and fit.conf_int(simultaneous=True).isna().to_numpy().all()
    assert "cv" not in str(fit.summary()) and "5-fold" in str(fit.summary())
    far = si.glm(
        "am ~ wt + hp + qsec", CARS.assign(wt=CARS["wt"] + 1e6), family="binomial", penalty="l1", strength=0.05
    )
    near = si.glm("am ~ wt + hp + qsec", CARS, family="binomial", penalty="l1", strength=0.05)
    assert far.params["wt"] == pytest.approx(near.params["wt"], rel=1e-6)
    shuffled = si.glm("am ~ wt + hp + qsec", CARS[::-1], family="binomial", penalty="l1", strength=0.05)
    np.testing.assert_allclose(shuffled.theta, near.theta, rtol=1e-8)


def test_no_strength_is_maximum_likelihood():
    free = si.glm("am ~ wt", CARS, family="binomial", penalty="l2", strength=0)
    np.testing.assert_allclose(free.theta, si.glm("am ~ wt", CARS, family="binomial").theta, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"family": "gamma", "penalty": "firth"}, "family='binomial' with the logit"),
        ({"family": "binomial", "link": "probit", "penalty": "firth"}, "probit"),
        ({"penalty": "ridge"}, "l2"),
        ({"penalty": "l1"}, "needs strength="),
        ({"strength": 1.0}, "goes with penalty="),
        ({"penalty": "l1", "strength": -1}, "strength"),
        ({"family": "negative_binomial", "penalty": "l1", "strength": 1.0}, "alpha="),
    ],
)
def test_penalties_that_do_not_go_say_so(options, says):
    with pytest.raises(si.OptionError, match=says):
        si.glm("mpg ~ wt", CARS, **options)


def test_columns_that_others_determine_share_a_coefficient():
    """The least penalised deviance is that without the copies; which of them carries it is open."""
    data = ENDOMETRIAL.assign(copy=2.0 * ENDOMETRIAL["eh"], total=ENDOMETRIAL["eh"] + ENDOMETRIAL["pi"])
    known = {"family": "binomial", "penalty": "l1", "strength": 0.02}
    plain = si.glm("hg ~ pi + eh", data, **known)
    for terms in ("pi + eh + copy", "copy + pi + eh", "copy + eh + pi"):
        np.testing.assert_allclose(si.glm(f"hg ~ {terms}", data, **known).fitted, plain.fitted, rtol=1e-7)
    scale = data[["pi", "eh", "copy", "total"]].std(ddof=0)

    def size(fit):
        return fit.deviance / (2 * fit.nobs) + 0.02 * (fit.params.iloc[1:].abs() * scale).sum()

    wide = si.glm("hg ~ pi + eh + copy + total", data, **known)
    assert size(wide) <= size(plain) + 1e-10
    assert si.glm("hg ~ pi + eh + copy + total", data, **known | {"strength": "cv"}).shape["strength"] > 0


def test_shrunken_terms_and_endless_strengths_are_refused_by_name():
    known = {"family": "binomial", "penalty": "l2"}
    fit = si.glm("hg ~ pi + eh", ENDOMETRIAL, strength=0.1, **known)
    for fits in ([fit], [si.glm("hg ~ pi", ENDOMETRIAL, strength=0.1, **known), fit]):
        with pytest.raises(si.NotIdentifiedError, match="as the coefficients are shrunken"):
            si.anova(*fits)
    with pytest.raises(si.OptionError, match="strength=inf is not a finite number"):
        si.glm("hg ~ pi", ENDOMETRIAL, strength=np.inf, **known)
    with pytest.raises(si.OptionError, match="follows the likelihood of a fit by si.glm"):
        si.lm("eh ~ pi", ENDOMETRIAL).conf_int(interval="profile")
