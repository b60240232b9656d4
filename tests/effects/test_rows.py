"""Which level is treated, which rows count, and where columns stand."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.learners.crossfit import fold_ids
from statinf.learners.logit import Logit
from statinf.learners.multinomial import Multinomial

METHODS = ["dim", "regression", "ipw", "aipw", "plr", "irm"]
pytestmark = pytest.mark.filterwarnings("ignore:the cluster column", "ignore:.* clusters for")
SHIFT, SMALL = 2.0**27, 2.0**-20
"""A shift and a scale that leave numbers of 20 binary places as they are."""


def _exact(values):
    return np.round(values * 2.0**20) / 2.0**20


def _data(n=240, seed=0):
    rng = np.random.default_rng(seed)
    x, z = _exact(rng.standard_normal(n)), _exact(rng.standard_normal((n, 3)))
    u = rng.standard_normal(n)
    d = (rng.random(n) < 1 / (1 + np.exp(-x))) * 1.0
    dose = _exact(z @ [0.5, 0.3, 0.2] + x + u + rng.standard_normal(n))
    return pd.DataFrame(
        {
            "y": _exact(d + dose + x + u), "d": d, "x": x, "dose": dose, "z1": z[:, 0], "z2": z[:, 1], "z3": z[:, 2],
            "g": np.arange(n) % 12, "w": (np.arange(n) % 5 > 0) * 1.0,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return _data()


def _formula(method, treatment="d"):
    return f"y ~ {treatment}" if method == "dim" else f"y ~ {treatment} | x"


# --- treated and reference ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", [("drug", "placebo"), ("active", "Control"), ("treated", "untreated"), (True, False)])
def test_labels_do_not_turn_the_sign(data, method, pair):
    labelled = data.assign(arm=np.where(data["d"] == 1.0, *[np.array(v, dtype=object) for v in pair]))
    plain = si.effect(_formula(method), data, method=method)
    fit = si.effect(_formula(method, "arm"), labelled, method=method)
    assert fit.terms == ("arm",)
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-12)
    if isinstance(pair[0], str):
        assert f"{pair[0]}; reference: {pair[1]}" in str(fit.summary())
    turned = si.effect(_formula(method, "arm"), labelled, method=method, treated=pair[1])
    assert turned.theta[0] < 0 and "; reference: " in str(turned.summary())


def test_a_pair_that_says_nothing_is_named_and_can_be_chosen(data):
    named = data.assign(arm=np.where(data["d"] == 1.0, "a", "b"), code=2.0 - data["d"])
    first = si.effect("y ~ arm", named, method="dim")
    assert "b; reference: a (by their order; treated= chooses)" in str(first.summary())
    chosen = si.effect("y ~ arm", named, method="dim", treated="a")
    assert chosen.theta[0] == -first.theta[0] and "by their order" not in str(chosen.summary())
    assert "2; reference: 1 (by their order" in str(si.effect("y ~ code", named, method="dim").summary())
    assert "reference" not in str(si.effect("y ~ d", data, method="dim").summary())
    # A formula that names the level others are compared with is obeyed.
    coded = si.effect("y ~ C(arm, contr.treatment('b'))", named, method="dim")
    assert coded.theta[0] == chosen.theta[0]
    with pytest.raises(si.OptionError, match="treated='c' is not a level of 'arm'"):
        si.effect("y ~ arm", named, method="dim", treated="c")
    with pytest.raises(si.OptionError, match="'dose' has many values"):
        si.effect("y ~ dose | x", data, method="plr", treated=1)


def test_the_local_effect_names_its_arms(data):
    named = data.assign(arm=np.where(data["dose"] > 0, "drug", "placebo"), offer=np.where(data["z1"] > 0, "yes", "no"))
    plain = data.assign(arm=(data["dose"] > 0) * 1.0, offer=(data["z1"] > 0) * 1.0)
    fit = si.iv("y ~ arm | x | offer", named, method="late")
    np.testing.assert_allclose(fit.theta, si.iv("y ~ arm | x | offer", plain, method="late").theta, rtol=1e-12)
    assert "drug; reference: placebo" in str(fit.summary()) and "offer (yes; reference: no)" in str(fit.summary())
    turned = si.iv("y ~ arm | x | offer", named, method="late", treated="placebo")
    assert turned.theta[0] == pytest.approx(-fit.theta[0], rel=1e-10)


def test_estimands_in_any_case(data):
    for name in ("att", "Att"):
        assert (
            si.effect("y ~ d | x", data, estimand=name).theta[0] == si.effect("y ~ d | x", data, estimand="ATT").theta
        )


# --- rows that count ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_weight_zero_are_absent(data, method):
    # Also from what is learnt beside the estimate: clusters, folds, groups, and rows with a propensity out of range.
    some = data.assign(g=np.where(data["w"] > 0, data["g"], 99), half=np.where(data["w"] > 0, data["g"] % 2, 7))
    options = {"method": method, "weights": "w", "cluster": "g", "by": "half"}
    zero, dropped = (si.effect(_formula(method), rows, **options) for rows in (some, some[some["w"] > 0]))
    assert zero.terms == dropped.terms == ("d[0]", "d[1]")
    np.testing.assert_array_equal(zero.theta, dropped.theta)
    np.testing.assert_array_equal(zero.vcov, dropped.vcov)
    assert zero.nobs == dropped.nobs and zero.cov.df == dropped.cov.df
    assert dict(zero.facts) == dict(dropped.facts)


@pytest.mark.parametrize("method", ["2sls", "liml", "gmm", "late"])
def test_rows_of_weight_zero_are_absent_with_instruments(data, method):
    formula = "y ~ dose | x | z1 + z2"
    some = data
    if method == "late":
        formula, some = "y ~ arm | x | offer", data.assign(arm=data["dose"] > 0, offer=data["z1"] > 0)
    zero, dropped = (si.iv(formula, s, method=method, weights="w", cluster="g") for s in (some, some[some["w"] > 0]))
    np.testing.assert_array_equal(zero.theta, dropped.theta)
    np.testing.assert_array_equal(zero.vcov, dropped.vcov)
    assert zero.nobs == dropped.nobs and zero.cov.df == dropped.cov.df


def test_clusters_of_rows_of_weight_zero_do_not_count():
    # statsmodels on the first six rows; with the regressor as its own instrument two stages are least squares.
    small = pd.DataFrame({"x": np.arange(8.0), "y": [1.0, 0, 3, 2, 5, 4, 8, 6], "g": list("aabbccdd")})
    fit = si.iv("y ~ x | 1 | z", small.assign(z=2 * small["x"] + 1), weights=[1.0] * 6 + [0.0] * 2, cluster="g")
    assert fit.std_errors["x"] == pytest.approx(0.08762, abs=5e-6)
    assert fit.cov.df == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_group_without_an_arm_is_named(data, method):
    alone = data.assign(h=["alone"] + ["rest"] * 239)
    what = "no controls" if data["d"][0] else "no treated rows"
    with pytest.raises(si.DataError, match=rf"by='h': 'alone' has ({what}|one value).* \(1 row\)"):
        si.effect(_formula(method), alone, method=method, by="h")


def test_rows_without_a_group_are_left_out_and_counted(data):
    gaps = data.assign(h=np.where(data.index % 7 == 0, None, np.where(data.index % 2, "p", "q")))
    fit = si.effect("y ~ d | x", gaps, by="h")
    assert fit.dropped == {"h is missing": 35}
    np.testing.assert_array_equal(fit.theta, si.effect("y ~ d | x", gaps.dropna(), by="h").theta)
    with pytest.raises(si.DataError, match="h is missing"):
        si.effect("y ~ d | x", gaps, by="h", na_action="raise")


@pytest.mark.parametrize("method", ["irm", "plr"])
def test_whole_clusters_share_a_fold(data, method):
    fit = si.effect("y ~ d | x", data, method=method, cluster="g", seed=3)
    folds = fold_ids(240, 5, seed=3, strata=data["d"].to_numpy(), groups=data["g"].to_numpy())
    np.testing.assert_array_equal(fit.theta, si.effect("y ~ d | x", data, method=method, folds=folds).theta)
    # Folds that are given stay as they are.
    own = np.arange(240) // 48
    asked = si.effect("y ~ d | x", data, method=method, cluster="g", folds=own)
    np.testing.assert_array_equal(asked.theta, si.effect("y ~ d | x", data, method=method, folds=own).theta)
    # Values of clusters, and clusters named by the covariance alone, count like a column's name.
    for same in ({"cluster": data["g"].to_numpy()}, {"vcov": {"cluster": "g"}}):
        other = si.effect("y ~ d | x", data, method=method, seed=3, **same)
        np.testing.assert_array_equal(other.theta, fit.theta)
        np.testing.assert_array_equal(other.vcov, fit.vcov)
    with pytest.raises(si.OptionError, match="folds=20 with 12 clusters"):
        si.effect("y ~ d | x", data, method=method, cluster="g", folds=20)
    three = si.effect("y ~ d | x", data.assign(g=data["g"] % 3), method=method, cluster="g")
    assert np.isfinite(three.theta).all()


# --- where columns stand --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS[1:])
def test_effects_do_not_depend_on_where_covariates_stand(data, method):
    base = si.effect("y ~ d | x + z1", data, method=method)
    moved = si.effect("y ~ d | x + z1", data.assign(x=data["x"] + SHIFT, z1=data["z1"] * SMALL), method=method)
    np.testing.assert_allclose(moved.theta, base.theta, rtol=1e-7)
    np.testing.assert_allclose(moved.std_errors, base.std_errors, rtol=1e-7)
    scaled = si.effect("y ~ d | x + z1", data.assign(y=data["y"] * 2.0**490), method=method)
    np.testing.assert_allclose(scaled.std_errors / 2.0**490, base.std_errors, rtol=1e-12)


def _numbers(fit):
    out = [fit.params["dose"], fit.params["x"], fit.sigma, fit.overid().statistic, fit.overid("sargan").statistic]
    out += [fit.overid("basmann").statistic, fit.wu_hausman().statistic, fit.wu_hausman("HC1").statistic]
    for kind in ("iid", "HC0", "HC1", "HC2", "HC3", {"cluster": "g"}, {"cluster": "g", "type": "HC2"}):
        if fit.method == "2sls" or (fit.method == "liml" and kind == "iid") or kind in ("HC0", "HC1", {"cluster": "g"}):
            out += fit.with_vcov(kind).std_errors[["dose", "x"]].tolist()
    weak = fit.anderson_rubin(0.5)
    return np.array([*out, *fit.first_stage().iloc[0, 1:].dropna(), weak.statistic, *np.ravel(weak.pieces or [])])


@pytest.mark.parametrize("formula", ["y ~ dose | x | z1 + z2 + z3", "y ~ dose + d | x | z1 + z2 + z3"])
@pytest.mark.parametrize("method", ["2sls", "liml", "gmm"])
def test_instruments_do_not_depend_on_where_columns_stand(data, method, formula):
    base = _numbers(si.iv(formula, data, method=method))
    for changed in (
        {"x": data["x"] + SHIFT},
        {"z1": data["z1"] * SMALL},
        {"dose": data["dose"] + SHIFT, "z2": SHIFT - data["z2"]},
    ):
        np.testing.assert_allclose(_numbers(si.iv(formula, data.assign(**changed), method=method)), base, rtol=1e-9)
    # Only the statistics in the outcome's own unit change with it.
    unit = 2.0**490
    scaled = si.iv(formula, data.assign(y=data["y"] * unit), method=method)
    np.testing.assert_allclose(scaled.std_errors / unit, si.iv(formula, data, method=method).std_errors, rtol=1e-9)


# --- faults ---------------------------------------------------------------------------------------------------


def test_welch_degrees_of_freedom_at_the_border(data):
    lone = pd.DataFrame({"y": np.array([1.0, 2.0, 4.0]) * 1e150, "d": [1.0, 0.0, 0.0]})
    with pytest.warns(si.StatinfWarning, match="row 0 is the only one of the arm 1"):
        fit = si.effect("y ~ d", lone, method="dim", vcov="HC1")
    assert fit.theta[0] == pytest.approx(-2e150) and np.isfinite(fit.std_errors.iloc[0])
    same = si.effect("y ~ d", data.assign(y=1.0), method="dim")
    assert same.theta[0] == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize(
    "options",
    [
        {"clip": None}, {"clip": "a"}, {"clip": 0.5}, {"clip": np.nan}, {"folds": [0, 1]}, {"folds": 2.5},
        {"folds": np.r_[np.nan, np.arange(239) % 3]}, {"repeats": "two"}, {"seed": "a"}, {"seed": -1},
        {"propensity": [0.5, 0.5]}, {"propensity": ["a"] * 240}, {"propensity": np.full((240, 2), 0.5)},
        {"propensity": 0.5, "treatment_model": "logit"}, {"estimand": None},
    ],
)  # fmt: skip
def test_options_that_cannot_be_used_are_named(data, options):
    with pytest.raises((si.OptionError, si.DataError), match="|".join(options)):
        si.effect("y ~ d | x", data, method="irm", **options)


def test_numbers_of_numpy_are_numbers(data):
    fit = si.effect("y ~ d | x", data, method="irm", folds=np.int64(4), repeats=np.int64(1), clip=np.float32(0.02))
    np.testing.assert_allclose(
        fit.theta, si.effect("y ~ d | x", data, method="irm", folds=4, clip=0.02).theta, rtol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
def test_few_rows_end_in_an_error_of_the_package(data, method):
    for rows in (data[:1], data[data["d"] == 1.0], data.assign(d=1.0), data[:0]):
        with pytest.raises(si.DataError):
            si.effect(_formula(method), rows, method=method)
    with pytest.raises(si.OptionError, match="estimand"):
        si.effect(_formula(method), data, method=method, estimand="ATO" if method != "ipw" else "ATX")


PENALISED = {
    "aipw": lambda d, k: si.effect("y ~ t | x + v", d, weights="s", folds="part", outcome_model=k),
    "plr": lambda d, k: si.effect("y ~ t | x + v", d, method="plr", weights="s", folds="part", learner=k),
    "tmle": lambda d, k: si.effect("y ~ t | x + v", d, method="tmle", weights="s", folds="part", outcome_model=k),
    "late": lambda d, k: si.iv("y ~ t | x | z", d, method="late", weights="s", folds="part", outcome_model=k),
    "s": lambda d, k: si.cate("y ~ t | x + v", d, method="s", weights="s", folds="part", outcome_model=k).ate(),
    "x": lambda d, k: si.cate("y ~ t | x + v", d, method="x", weights="s", folds="part", final=k).predict(d.head(3)),
    "dose": lambda d, k: si.effect(
        "y ~ v | x", d, method="dose", weights="s", outcome_model=k, treatment_model=k, doses=[-0.5, 0.5], bandwidth=1.0
    ),
    "missing": lambda d, k: si.missing_mean("gap ~ x + v", d, method="aipw", weights="s", outcome_model=k),
    "stack": lambda d, k: si.stack("y ~ x + v", d, models=["lm", k], weights="s").predict(d.head(3)),
    "multicalibrate": lambda d, k: si.multicalibrate("y ~ x + v", d, init=k, weights="s").predict(d.head(3)),
}
LOGIT = Logit(penalty=3.0)
PENALISED_LOGITS = {
    "ipw": lambda d: si.effect("y ~ t | x + v", d, method="ipw", weights="s", treatment_model=LOGIT, vcov="HC0"),
    "ipw, three arms": lambda d: si.effect("y ~ arm | v", d, method="ipw", weights="s", treatment_model=LOGIT),
    "qte": lambda d: si.effect("y ~ t | x + v", d, method="qte", weights="s", treatment_model=LOGIT),
    "qte, drawn": lambda d: PENALISED_LOGITS["qte"](d).bootstrap(20, kind="pairs"),
    "class shares": lambda d: (
        si.target_shift("arm ~ x + v", d, d[:60], method="mlls", learner=Multinomial(1.0), weights="s").shares
    ),
    "training": lambda d: si.training_weights("t ~ x + v", d, learner=LOGIT, weights="s").w_treat.values,
}


@pytest.mark.parametrize("learner", ["ridge", "kernel_ridge"])
@pytest.mark.parametrize("name", list(PENALISED))
def test_penalties_of_learners_count_rows_in_any_unit_of_weights(name, learner):
    data = _weighted()

    def values(unit):
        found = PENALISED[name](data.assign(s=unit * data["s"]), learner)
        return np.asarray(found if isinstance(found, np.ndarray | pd.DataFrame | pd.Series) else found.params, float)

    np.testing.assert_allclose(values(1.0 / data["s"].sum()), values(1.0), rtol=1e-6)


@pytest.mark.parametrize("name", list(PENALISED_LOGITS))
def test_penalties_of_logits_count_rows_in_any_unit_of_weights(name):
    data = _weighted()

    def values(unit):
        found = PENALISED_LOGITS[name](data.assign(s=unit * data["s"]))
        return found / found.sum() if name == "training" else np.r_[found.theta, found.std_errors]

    np.testing.assert_allclose(values(1.0 / data["s"].sum()), values(1.0), rtol=1e-6)


def test_errors_with_a_penalised_propensity_are_those_of_derivatives_by_the_weights():
    data, unit = _weighted()[:60], 7.0
    s, t, y = unit * data["s"].to_numpy(), data["t"].to_numpy(), data["y"].to_numpy()

    def effect(w):
        e = LOGIT.fit(data[["x", "v"]].to_numpy(), t, w / s.mean()).predict(data[["x", "v"]].to_numpy())
        return np.average(y, weights=w * t / e) - np.average(y, weights=w * (1 - t) / (1 - e))

    steps = 1e-5 * np.eye(60)
    influence = [(effect(s * (1 + step)) - effect(s * (1 - step))) / 2e-5 for step in steps]
    fit = PENALISED_LOGITS["ipw"](data.assign(s=s))
    np.testing.assert_allclose(fit.std_errors, np.linalg.norm(influence), rtol=1e-6)


def _weighted():
    random = np.random.default_rng(8)
    n = 160
    x, v, z = random.standard_normal(n), random.standard_normal(n), random.integers(0, 2, n)
    t = (random.random(n) < 0.3 + 0.4 * z) * 1.0
    y = t + x + np.abs(v) + random.standard_normal(n)
    data = pd.DataFrame({"y": y, "t": t, "x": x, "v": v, "z": z, "part": np.arange(n) % 3})
    arm = np.array(["a", "b", "c"])[np.digitize(x + 0.7 * random.standard_normal(n), [-0.5, 0.5])]
    return data.assign(s=random.uniform(0.5, 2.0, n), gap=data["y"].where(data.index % 4 > 0), arm=arm)
