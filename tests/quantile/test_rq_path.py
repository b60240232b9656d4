"""`si.rq_path` against quantreg's rq.fit.lasso (R 4.2.2, quantreg 5.94; reference/quantile/make_lasso.R) and scikit-learn."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, FormulaError, NotIdentifiedError, OptionError

FOLDER = Path(__file__).parents[1] / "reference" / "quantile"
BOSTON = "medv ~ lstat + rm + crim + nox"
PENGUINS = "body_mass_g ~ bill_length_mm + bill_depth_mm + species + island + sex"
WORDS = {"penalty": "x", "folds": 1, "rule": "best", "unpenalized": 3, "nlambda": 1, "lambda_min_ratio": 0}


@cache
def boston():
    return pd.read_csv(FOLDER / "boston.csv")


@cache
def penguins():
    return si.datasets.load("penguins").dropna()


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("penalty", [5, 50, 500])
def test_as_rq_fit_lasso_of_r(tau, penalty):
    numbers = pd.read_csv(FOLDER / "lasso.csv")
    theirs = numbers[(numbers["tau"] == tau) & (numbers["lambda"] == penalty)]["value"].to_numpy()
    # R's sum of losses plus half its lambda times the coefficients
    fit = si.rq_path(BOSTON, boston(), tau=tau, penalty=penalty / 2 / len(boston()), standardize=False)
    np.testing.assert_allclose(fit.params, theirs, atol=1e-10)
    assert ((fit.params == 0) == (np.abs(theirs) < 1e-12)).all()


def test_standardised_columns_are_those_of_scikit_learn():
    from sklearn.linear_model import QuantileRegressor

    data = si.datasets.load("diabetes")
    X = data.drop(columns="progression")
    scale = X.std(ddof=0)
    theirs = QuantileRegressor(quantile=0.3, alpha=0.5).fit((X - X.mean()) / scale, data["progression"])
    fit = si.rq_path("progression ~ .", data, tau=0.3, penalty=0.5)
    np.testing.assert_allclose(fit.params.iloc[1:], theirs.coef_ / scale, atol=1e-8)
    np.testing.assert_allclose(fit.predict()["q0.3"], theirs.predict((X - X.mean()) / scale), atol=1e-7)


def test_without_a_penalty_it_is_rq():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = si.rq(BOSTON, boston(), tau=[0.2, 0.6])
    for method, size in (("lasso", 1e-10), ("group-lasso", 1e-6)):
        fit = si.rq_path(BOSTON, boston(), tau=[0.2, 0.6], penalty=0, method=method)
        np.testing.assert_allclose(fit.coef, plain.coef, rtol=size)


def test_the_choice_is_the_mean_loss_of_rows_left_out():
    data, fold = boston(), np.arange(len(boston())) % 3
    fit = si.rq_path(BOSTON, data, tau=0.75, nlambda=4, folds=fold, standardize=False)
    scores = []
    for penalty in fit.penalties:
        r = np.zeros(len(data))
        for k in range(3):
            other = si.rq_path(BOSTON, data[fold != k], tau=0.75, penalty=float(penalty), standardize=False)
            r[fold == k] = data["medv"][fold == k] - other.predict(data[fold == k])["q0.75"]
        scores.append(np.where(r < 0, -0.25 * r, 0.75 * r).mean())
    np.testing.assert_allclose(fit.path["score"], scores, rtol=1e-10)
    assert fit.penalty == fit.penalties[np.argmin(scores)]


def test_a_level_of_a_group_enters_with_the_others_in_whatever_coding():
    first = si.rq_path(PENGUINS, penguins(), method="group-lasso", nlambda=6)
    turned = PENGUINS.replace("species", "C(species, levels=['Gentoo', 'Adelie', 'Chinstrap'])")
    other = si.rq_path(turned, penguins(), method="group-lasso", nlambda=6)
    np.testing.assert_allclose(first.penalties, other.penalties, rtol=1e-9)
    np.testing.assert_allclose(first.predict(), other.predict(), rtol=1e-6)
    species = first.coefficients()[[c for c in first.columns if c.startswith("species")]]
    assert ((species != 0).all(axis=1) == (species != 0).any(axis=1)).all()
    assert (species.iloc[0] == 0).all()


def test_groups_and_columns_that_stay():
    fit = si.rq_path(
        BOSTON, boston(), method="group-lasso", penalty=0.8, groups={"lstat": "a", "rm": "a"}, unpenalized="nox"
    )
    assert (fit.params[["lstat", "rm"]] != 0).all() or (fit.params[["lstat", "rm"]] == 0).all()
    assert fit.params["nox"] != 0
    one = si.rq_path(BOSTON, boston(), penalty=100.0, unpenalized=["nox"])
    alone = si.rq("medv ~ nox", boston())
    np.testing.assert_allclose(one.params[["Intercept", "nox"]], alone.params, rtol=1e-10)
    assert one.selected == ("nox",)


def test_one_standard_error_chooses_a_larger_penalty():
    least = si.rq_path(BOSTON, boston(), tau=0.5, nlambda=10)
    simple = si.rq_path(BOSTON, boston(), tau=0.5, nlambda=10, rule="1se")
    assert simple.penalty > least.penalty
    scores = least.path.set_index("penalty")
    assert scores["score"].idxmin() == least.penalty
    limit = scores.loc[least.penalty, "score"] + scores.loc[least.penalty, "std_error"]
    assert simple.penalty == scores.index[scores["score"] <= limit].max()
    assert least.at(simple.penalty).params.equals(simple.params)


def test_a_sparse_slope_is_found_and_noise_left_out():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(1000, 12)), columns=[f"x{j}" for j in range(12)])
    frame["y"] = 2 * frame["x3"] - frame["x7"] + random.standard_t(2, size=1000)
    fit = si.rq_path("y ~ .", frame, tau=[0.25, 0.5], rule="1se", nlambda=20)
    assert all({"x3", "x7"} <= set(names) for names in fit.selected.values())
    assert all(len(names) <= 5 for names in fit.selected.values())


def test_tables_predictions_and_files(tmp_path):
    fit = si.rq_path(PENGUINS, penguins(), tau=[0.1, 0.9], nlambda=5)
    assert list(fit.predict(penguins().head(3)).columns) == ["q0.1", "q0.9"]
    assert list(fit.tidy().columns) == ["tau", "term", "estimate"]
    assert len(fit.path) == 10
    assert fit.path["chosen"].sum() == 2
    again = si.load(fit.save(tmp_path / "fit"))
    pd.testing.assert_frame_equal(again.predict(penguins()), fit.predict(penguins()))
    assert list(fit.coefficients(0.1).index) == pytest.approx(fit.penalties)
    for kind in ("path", "cv"):
        assert fit.plot(kind, tau=0.9).get_xlabel()
    with pytest.raises(OptionError, match="is not a level"):
        fit.coefficients(0.3)


@pytest.mark.parametrize(("name", "bad"), WORDS.items())
def test_options_out_of_range_are_named(name, bad):
    with pytest.raises(OptionError, match=name):
        si.rq_path(BOSTON, boston(), **{name: bad})


def test_what_cannot_be_fitted_is_said():
    with pytest.raises(OptionError, match="'zn', which is no column"):
        si.rq_path(BOSTON, boston(), unpenalized=["zn"])
    with pytest.raises(OptionError, match="'zn', which is no column"):
        si.rq_path(BOSTON, boston(), method="group-lasso", groups={"zn": "a"})
    with pytest.raises(OptionError, match="names every column"):
        si.rq_path("medv ~ rm", boston(), unpenalized=["rm"])
    more = boston().assign(one=1.0, twice=2 * boston()["rm"])
    for method in ("lasso", "group-lasso"):
        with pytest.raises(DataError, match="'one': no penalty is on"):
            si.rq_path("medv ~ rm + one", more, unpenalized="one", method=method)
        with pytest.raises(DataError, match="'twice': no penalty is on"):
            si.rq_path("medv ~ rm + twice", more, penalty=0, method=method)
    with pytest.raises(DataError, match="no column to penalise"):
        si.rq_path("medv ~ 1", boston())
    with pytest.raises(FormulaError, match="rooms"):
        si.rq_path("medv ~ rooms", boston())
    with pytest.raises(NotIdentifiedError, match="no confidence intervals"):
        si.rq_path("medv ~ rm", boston(), penalty=0.1).conf_int()
    with pytest.raises(DataError, match="'one' is constant"):
        si.rq_path("one ~ rm", boston().assign(one=1.0))


def test_the_pivotal_penalty_is_the_quantile_of_noise_and_does_not_look_at_the_outcome():
    data = boston()
    fit = si.rq_path(BOSTON, data, tau=[0.2, 0.5], rule="pivotal", nlambda=4)
    X = data[["lstat", "rm", "crim", "nox"]]
    Z = ((X - X.mean()) / X.std(ddof=0)).to_numpy()
    random, draws = np.random.default_rng(5), 4000
    for tau, used in fit.penalty.items():
        noise = np.abs((tau - (random.random((draws, len(Z))) < tau)) @ Z / len(Z)).max(axis=1)
        # the 99 % band of the two samples' quantiles, by ranks
        low, high = np.quantile(noise, 0.9 + 2.58 * np.sqrt(0.09 * (1 / draws + 1 / 1000)) * np.array([-1, 1]))
        assert 1.1 * low < used < 1.1 * high
    other = si.rq_path(BOSTON, data.assign(medv=data["medv"] ** 2)[::-1], tau=[0.2, 0.5], rule="pivotal", nlambda=4)
    assert np.isin(fit.penalty, fit.penalties).all()
    assert other.penalty.max() < 1.2 * fit.penalty.max()
    with pytest.raises(OptionError, match="leave penalty= out"):
        si.rq_path(BOSTON, data, rule="pivotal", penalty=1.0)


def test_more_columns_than_rows():
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(60, 90)), columns=[f"x{j}" for j in range(90)])
    frame["y"] = 3 * frame["x4"] + random.normal(size=60)
    for method in ("lasso", "group-lasso"):
        fit = si.rq_path("y ~ .", frame, rule="pivotal", nlambda=4, method=method)
        assert fit.selected[0] == "x4"
        assert len(fit.selected) < 10
