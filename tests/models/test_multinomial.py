"""si.multinomial against nnet and statsmodels, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from models.limited import DATA, SEARCHED, STATSMODELS, R, close, covariances_close

FORMULA = "choice ~ x + z + g"


@pytest.mark.parametrize(("name", "options"), [("multinom", {}), ("multinom weighted", {"weights": "k"})])
def test_estimates_errors_and_probabilities_are_nnets(name, options):
    fit, theirs = si.multinomial(FORMULA, DATA, **options), R[name]
    close(fit.coef, theirs["coef"], SEARCHED)
    covariances_close(fit.cov.matrix, theirs["vcov"], 1e-7)
    close(fit.loglik, theirs["loglik"], 1e-11)
    close(fit.predict(DATA.head(3)), theirs["probabilities"], SEARCHED)


@pytest.mark.parametrize(("kind", "vcov"), [("iid", "iid"), ("HC0", "HC0"), ("cluster", {"cluster": "id"})])
def test_covariances_are_statsmodels(kind, vcov):
    fit, theirs = si.multinomial(FORMULA, DATA, vcov=vcov), STATSMODELS[f"MNLogit {kind}"]
    close(fit.coef, theirs["coef"])
    covariances_close(fit.cov.matrix, theirs["vcov"])


def test_two_classes_are_a_binomial_logit():
    data = DATA.assign(late=DATA["grade"] > 2)
    one, other = si.multinomial("late ~ x + g", data), si.glm("late ~ x + g", data, family="binomial")
    close(one.theta, other.theta)
    covariances_close(one.with_vcov("HC0").cov.matrix, other.with_vcov("HC0").cov.matrix)
    assert one.loglik == pytest.approx(other.loglik, rel=1e-12)
    assert one.glance().null_loglik[0] == pytest.approx(-other.null_deviance / 2, rel=1e-12)


def test_another_reference_is_the_same_model():
    first, other = si.multinomial(FORMULA, DATA), si.multinomial(FORMULA, DATA, reference="car")
    close(other.predict(DATA), first.predict(DATA), 1e-9)
    assert other.classes == ("air", "bus", "train") and list(other.predict(DATA)) == ["air", "bus", "car", "train"]
    moved = first.transform(lambda b: {"x": b["bus: x"] - b["car: x"]})
    close([other.params["bus: x"], other.std_errors["bus: x"]], [moved.params["x"], moved.std_errors["x"]])
    with pytest.raises(si.OptionError, match="'boat' is not a level"):
        si.multinomial(FORMULA, DATA, reference="boat")


def test_rows_weights_places_and_units_do_not_matter():
    first = si.multinomial(FORMULA, DATA, weights="k", vcov="HC0")
    repeated = DATA.loc[DATA.index.repeat(DATA["k"])]
    close(si.multinomial(FORMULA, repeated).theta, first.theta, 1e-9)
    covariances_close(si.multinomial(FORMULA, repeated).cov.matrix, first.with_vcov("iid").cov.matrix)
    far = si.multinomial(
        FORMULA, DATA.assign(x=DATA["x"] + 1e7).sample(frac=1, random_state=1), weights="k", vcov="HC0"
    )
    slopes = [t for t in first.terms if not t.endswith("Intercept")]
    close(far.params[slopes], first.params[slopes], 1e-6)
    close(far.std_errors[slopes], first.std_errors[slopes], 1e-6)


def test_tests_of_a_column_or_term_hold_for_all_classes():
    fit = si.multinomial(FORMULA, DATA)
    by_name = fit.test("bus: x = 0, car: x = 0, train: x = 0")
    assert fit.test("x").statistic == pytest.approx(by_name.statistic, rel=1e-12) and fit.test("x").df == 3
    assert fit.test("g").df == 6 and "g: chi2(6)" in str(fit.test("g"))
    with pytest.raises(si.OptionError, match="not a coefficient"):
        fit.test("nonsense")


def test_tables_carry_the_class():
    fit = si.multinomial("choice ~ x", pl.from_pandas(DATA))
    table = fit.tidy(exponentiate=True)
    assert isinstance(table, pl.DataFrame) and table.columns[:2] == ["outcome", "term"]
    assert table["outcome"].to_list() == ["bus", "bus", "car", "car", "train", "train"]
    close(table["estimate"], np.exp(fit.theta), 1e-14)
    assert list(fit.tidy(style="broom").columns[:3]) == ["y.level", "term", "estimate"]
    assert "Multinomial logit, reference air" in str(fit)
    side = si.table(fit, si.ordered("grade ~ x", DATA))
    assert {"bus", "x", "1|2"} <= {row[0] for row in side.rows}


def test_limits_of_probabilities_by_the_delta_method():
    fit = si.multinomial(FORMULA, DATA, vcov="HC1")
    found = fit.predict(DATA.head(4), interval="confidence")
    X = np.column_stack([np.ones(4), DATA["x"][:4], DATA["z"][:4], DATA["g"][:4] == "q", DATA["g"][:4] == "r"])

    def share(theta):
        return fit.shares(theta, X, None)[:, 2]

    moves = np.eye(len(fit.theta)) * 1e-6
    jacobian = np.column_stack([(share(fit.theta + m) - share(fit.theta - m)) / 2e-6 for m in moves])
    close(found["std_error_car"], np.sqrt(np.diag(jacobian @ fit.cov.matrix @ jacobian.T)), 1e-7)
    assert ((found["conf_low_car"] < found["car"]) & (found["car"] < found["conf_high_car"])).all()


def test_bootstraps_and_estimated_weights():
    fit = si.multinomial("choice ~ x", DATA)
    for kind in ("multiplier", "bayesian"):
        drawn = fit.bootstrap(replicas=40, kind=kind, seed=2)
        # The standard deviation of 40 draws is off by 1 / sqrt(80) of itself: four of these.
        close(drawn.std_errors / fit.std_errors, np.ones(6), 4 / np.sqrt(80) + 0.1)
    data = DATA.assign(t=(DATA["z"] + np.sin(DATA["x"] * 9) > 0).astype(float))
    stacked = si.multinomial("choice ~ t", data, weights=si.balance("t ~ x + z", data, method="ipw"))
    assert "weights estimated" in stacked.cov.label
    assert not np.allclose(stacked.std_errors, stacked.with_vcov("fixed").std_errors, rtol=1e-3)


def test_separation_is_named():
    data = DATA.assign(flag=(DATA["choice"] == "bus") * 1.0)
    with pytest.raises(si.NotIdentifiedError, match="separation: 'flag' predict classes perfectly .*bus"):
        si.multinomial("choice ~ x + flag", data)
    with pytest.raises(si.NotIdentifiedError, match="separation: 'x'"):
        si.multinomial("c ~ x", pd.DataFrame({"c": list("aabbcc") * 9, "x": [1.0, 2, 3, 4, 5, 6] * 9}))


def test_separation_of_many_rows_is_found_by_some_of_them(monkeypatch):
    monkeypatch.setattr("statinf.models.separated._ENTRIES", 10_000)
    random = np.random.default_rng(0)
    n = 5_000
    data = pd.DataFrame(random.standard_normal((n, 2)), columns=list("pq"))
    data["c"] = np.where(data["p"] > 2.0, "high", random.choice(["a", "b", "c"], n))
    data.loc[data["p"] > 2.0, "p"] += 0.5
    with pytest.raises(si.NotIdentifiedError, match="separation: 'p'.*high"):
        si.multinomial("c ~ p + q", data)


def test_aliased_columns_have_no_estimate():
    data = DATA.assign(twice=2.0 * DATA["x"])
    with pytest.warns(si.StatinfWarning, match="'twice'"):
        fit = si.multinomial("choice ~ x + twice", data)
    assert np.isnan(fit.coef[:, 2]).all() and fit.coef.shape == (3, 3)
    close(fit.predict(data), si.multinomial("choice ~ x", data).predict(data), 1e-9)
    assert fit.test("x").df == 3


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("grade ~ x", si.DataError, r"write C\(grade\)"),
        ("choice ~ x + offset(z)", si.DataError, "take offset"),
        ("choice ~ 0", si.DataError, "leaves no column"),
    ],
)
def test_bad_input(formula, error, message):
    with pytest.raises(error, match=message):
        si.multinomial(formula, DATA)


def test_one_class_is_refused():
    with pytest.raises(si.DataError, match="only the level"):
        si.multinomial("choice ~ x", DATA, weights=(DATA["choice"] == "bus") * 1.0)
