"""si.tobit against AER and survival, expected outcomes against integrals, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import statinf as si
from models.limited import DATA, R, close, covariances_close, scores_by_differences

FORMULA = "y0 ~ x + z + g"
CASES = {
    "tobit": (FORMULA, {}),
    "tobit two limits": ("y03 ~ x + z + g", {"upper": 3}),
    "tobit right": ("y03 ~ x + z + g", {"lower": None, "upper": 3}),
    "tobit weighted": (FORMULA, {"weights": "w"}),
    "tobit offset": ("y0 ~ z + g + offset(x)", {}),
    "tobit columns": ("yl ~ x + z + g", {"lower": "lo"}),
}


@pytest.mark.parametrize("name", CASES)
def test_estimates_and_covariances_are_survregs(name):
    formula, options = CASES[name]
    fit, theirs = si.tobit(formula, DATA, **options), R[name]
    close(fit.theta, [*theirs["coef"], theirs["log_scale"]])
    covariances_close(fit.cov.matrix, theirs["vcov"])
    close([fit.loglik, fit.null_loglik], [theirs["loglik"], theirs["null_loglik"]], 1e-11)
    if "HC0" in theirs:
        covariances_close(fit.with_vcov("HC0").cov.matrix, theirs["HC0"])
    if "CL" in theirs:
        covariances_close(fit.with_vcov({"cluster": "id", "type": "HC0"}).cov.matrix, theirs["CL"])


def test_the_weighted_sandwich_by_differences():
    fit, w = si.tobit("y03 ~ x", DATA, upper=3, weights="w", vcov="HC0"), DATA["w"].to_numpy()
    y, x = DATA["y03"].to_numpy(), DATA["x"].to_numpy()

    def rows(theta):
        mean, sigma = theta[0] + theta[1] * x, np.exp(theta[2])
        inside = stats.norm.logpdf(y, mean, sigma)
        below, above = stats.norm.logcdf(0.0, mean, sigma), stats.norm.logsf(3.0, mean, sigma)
        return np.where(y <= 0, below, np.where(y >= 3, above, inside))

    scores = scores_by_differences(rows, fit.theta)
    assert fit.loglik == pytest.approx(float(w @ rows(fit.theta)), rel=1e-12)
    hessian = scores_by_differences(lambda t: w @ scores_by_differences(rows, t, 1e-4), fit.theta, 1e-4)
    influence = np.linalg.solve(-hessian, (w[:, None] * scores).T)
    covariances_close(fit.cov.matrix, influence @ influence.T, 1e-5)
    close(fit.influence, influence.T, 1e-5)


@pytest.mark.parametrize(("lower", "upper"), [(0.0, None), (None, 3.0), (0.0, 3.0)])
def test_expected_outcomes_are_integrals(lower, upper):
    fit = si.tobit("y03 ~ x", DATA, lower=lower, upper=upper, vcov="HC1")
    new, low, high = DATA.head(3), -np.inf if lower is None else lower, np.inf if upper is None else upper
    mean, sigma = fit.predict(new)["estimate"].to_numpy(), fit.sigma
    grid = np.linspace(-12.0, 12.0, 400_001)
    for row, center in enumerate(mean):
        y = center + sigma * grid
        density = stats.norm.pdf(grid)
        density = density / density.sum()
        inside = (y > low) & (y < high)
        share = density[inside].sum()
        expected = {
            "censored": np.clip(y, low, high) @ density, "uncensored": y[inside] @ density[inside] / share,
            "probability": share,
        }  # fmt: skip
        for scale, value in expected.items():
            assert fit.predict(new, scale=scale)["estimate"].iloc[row] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("scale", ["latent", "censored", "uncensored", "probability"])
def test_errors_of_expected_outcomes_by_the_delta_method(scale):
    fit = si.tobit("y03 ~ x + z", DATA, upper=3, vcov="HC1")
    X, ends = np.column_stack([np.ones(4), DATA[["x", "z"]].head(4)]), (np.zeros(4), np.full(4, 3.0))

    def mean(theta):
        from dataclasses import replace

        return replace(fit, theta=theta).means(X, None, *ends, scale)[0]

    moves = np.eye(4) * 1e-6
    jacobian = np.column_stack([(mean(fit.theta + m) - mean(fit.theta - m)) / 2e-6 for m in moves])
    found = fit.predict(DATA.head(4), scale=scale, interval="confidence")
    close(found["std_error"], np.sqrt(np.diag(jacobian @ fit.cov.matrix @ jacobian.T)), 1e-7)
    assert ((found["conf_low"] < found["estimate"]) & (found["estimate"] < found["conf_high"])).all()


def test_dependence_in_time():
    data = DATA.assign(t=np.arange(len(DATA)))
    fit, scores = si.tobit("y0 ~ x", data, vcov={"hac": 1, "time": "t"}), si.tobit("y0 ~ x", data).influence
    lagged = scores[1:].T @ scores[:-1]
    meat = scores.T @ scores + 0.5 * (lagged + lagged.T)
    covariances_close(fit.cov.matrix, meat * len(data) / (len(data) - 3))


def test_without_censoring_it_is_least_squares():
    with pytest.warns(si.StatinfWarning, match="no outcome 'y0' lies at a limit"):
        fit = si.tobit(FORMULA, DATA, lower=-100)
    other = si.lm(FORMULA, DATA, vcov="iid")
    close(fit.theta[:-1], other.theta, 1e-10)
    close(fit.sigma, other.sigma * np.sqrt(other.df_resid / other.nobs), 1e-10)
    close(fit.loglik, other.loglik, 1e-12)


def test_rows_weights_places_and_units_do_not_matter():
    first = si.tobit(FORMULA, DATA, weights="k", vcov="HC1")
    repeated = si.tobit(FORMULA, DATA.loc[DATA.index.repeat(DATA["k"])])
    close(repeated.theta, first.theta, 1e-9)
    covariances_close(repeated.cov.matrix, first.with_vcov("iid").cov.matrix)
    far = DATA.assign(x=1e7 + 3.0 * DATA["x"], y0=DATA["y0"] + 1e6).sample(frac=1, random_state=1)
    moved = si.tobit(FORMULA, far, lower=1e6, weights="k", vcov="HC1")
    close(moved.theta[1:] * [3.0, 1, 1, 1, 1], first.theta[1:], 1e-6)
    close(moved._se()[1:] * [3.0, 1, 1, 1, 1], first._se()[1:], 1e-6)


def test_sigma_and_tables():
    fit = si.tobit(FORMULA, pl.from_pandas(DATA))
    moved = fit.transform(lambda b: {"sigma": np.exp(b["log(sigma)"])})
    close([fit.sigma, fit.sigma_std_error], [moved.params["sigma"], moved.std_errors["sigma"]])
    shown = str(fit)
    assert (
        f"At the lower limit: {(DATA['y0'] == 0).sum()}" in shown
        and "(std. error" in shown
        and "lower limit 0" in shown
    )
    assert isinstance(fit.predict(pl.from_pandas(DATA)), pl.DataFrame)
    table = fit.augment()
    assert set(table["censored"].unique()) == {-1.0, 0.0}
    close(table["residual"], DATA["y0"] - table["fitted"].to_numpy(), 1e-12)


def test_limits_that_are_columns():
    data = DATA.assign(none=np.inf, three=3.0)
    fit = si.tobit("y03 ~ x", data, upper="three")
    close(fit.theta, si.tobit("y03 ~ x", data, upper=3).theta, 1e-12)
    close(si.tobit("y0 ~ x", data, upper="none").theta, si.tobit("y0 ~ x", data).theta, 1e-12)
    close(
        fit.predict(data.head(2), scale="censored"),
        si.tobit("y03 ~ x", data, upper=3).predict(data.head(2), scale="censored"),
    )
    with pytest.raises(si.DataError, match="'three'"):
        fit.predict(DATA.head(2), scale="censored")
    with pytest.raises(si.DataError, match="upper='three' is missing in 1 rows, such as row 4"):
        si.tobit("y03 ~ x", data.assign(three=np.where(data.index == 4, np.nan, 3.0)), upper="three")
    with pytest.raises(si.DataError, match="column of categories"):
        si.tobit("y03 ~ x", data, upper="g")


def test_bootstraps_and_estimated_weights():
    fit = si.tobit("y0 ~ x", DATA)
    for kind in ("multiplier", "bayesian"):
        drawn = fit.bootstrap(replicas=40, kind=kind, seed=2)
        # The standard deviation of 40 draws is off by 1 / sqrt(80) of itself: four of these.
        close(drawn.std_errors / fit.std_errors, np.ones(3), 4 / np.sqrt(80) + 0.1)
    data = DATA.assign(t=(DATA["z"] + np.sin(DATA["x"] * 9) > 0).astype(float))
    stacked = si.tobit("y0 ~ t", data, weights=si.balance("t ~ x + z", data, method="ipw"))
    assert "weights estimated" in stacked.cov.label


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"y0": DATA["y0"] - 0.5}, {}, si.DataError, r"below its limit in \d+ rows, such as row \d+ \(-0\.5"),
        ({}, {"upper": 2.0}, si.DataError, "above its limit"),
        (
            {"y0": np.where(DATA["x"] > 0, 1.0, 0.0)},
            {"upper": 1.0},
            si.NotIdentifiedError,
            "every outcome 'y0' lies at a limit",
        ),
        (
            {"y0": np.maximum(DATA["x"], 0.0)},
            {"formula": "y0 ~ x"},
            si.NotIdentifiedError,
            "fitted exactly",
        ),
        (
            {"d": (DATA["y0"] == 0) & (DATA["x"] > 0)},
            {"formula": "y0 ~ z + d"},
            si.NotIdentifiedError,
            "separation: where 'd",
        ),
        ({"y0": 1.0}, {}, si.DataError, "constant"),
        ({}, {"lower": None}, si.OptionError, "needs a limit"),
        ({}, {"lower": 2, "upper": 1}, si.OptionError, "not below"),
        ({}, {"lower": [0]}, si.OptionError, "lower="),
        ({}, {"lower": "nonsense"}, si.DataError, "nonsense"),
        ({"u": 0.0}, {"upper": "u"}, si.DataError, "not below upper"),
    ],
)
def test_bad_input(change, options, error, message):
    settings = dict(options)
    formula = settings.pop("formula", FORMULA)
    with pytest.raises(error, match=message):
        si.tobit(formula, DATA.assign(**change), **settings)


def test_prediction_intervals_are_refused_by_name():
    fit = si.tobit("y0 ~ x", pd.DataFrame(DATA))
    with pytest.raises(si.NotIdentifiedError, match=r"si\.conformal"):
        fit.predict(DATA, interval="prediction")
    with pytest.raises(si.OptionError, match="scale"):
        fit.predict(DATA, scale="link")
