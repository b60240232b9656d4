"""Slopes, comparisons and adjusted predictions of classes and of censored outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import statinf as si
from models.limited import DATA, STATSMODELS, close

FITS = {
    "multinomial": lambda data, **options: si.multinomial("choice ~ x * z + g", data, **options),
    "multinomial, another reference": lambda data, **options: si.multinomial(
        "choice ~ x + z", data, reference="car", **options
    ),
    "ordered": lambda data, **options: si.ordered("grade ~ x + I(x**2) + g", data, **options),
    "ordered, cloglog and offset": lambda data, **options: si.ordered(
        "grade ~ x + offset(z)", data, link="cloglog", **options
    ),
    "tobit": lambda data, **options: si.tobit("y03 ~ x + z:g", data, upper=3, **options),
    "tobit without a constant, offset": lambda data, **options: si.tobit("y0 ~ 0 + x + offset(z)", data, **options),
}
STEP = 1e-5


def means(fit, data):
    """Probabilities of the classes, or the expected recorded outcome, shape (n, K)."""
    scale = {"scale": "censored"} if fit.method == "tobit" else {}
    return np.asarray(fit.predict(data, **scale).drop(columns="std_error", errors="ignore"))


def average_slopes(fit, data):
    return (
        (means(fit, data.assign(x=data["x"] + STEP)) - means(fit, data.assign(x=data["x"] - STEP))) / (2 * STEP)
    ).mean(axis=0)


@pytest.mark.parametrize("name", FITS)
def test_average_slopes_and_their_errors_by_differences(name):
    fit = FITS[name](DATA, vcov="HC1")
    found = fit.slopes("x")
    close(found.theta, average_slopes(fit, DATA), 1e-8)
    moves = np.eye(len(fit.theta)) * 1e-4
    jacobian = np.column_stack(
        [(average_slopes(replace(fit, theta=fit.theta + m), DATA) - average_slopes(replace(fit, theta=fit.theta - m), DATA)) / 2e-4
         for m in moves]
    )  # fmt: skip
    close(found.std_errors, np.sqrt(np.diag(jacobian @ fit.cov.matrix @ jacobian.T)), 1e-5)
    if fit.method != "tobit":
        assert list(found.tidy()["outcome"]) == list(fit.levels)
        assert abs(found.theta.sum()) < 1e-12


def test_average_slopes_of_a_multinomial_are_statsmodels():
    found, theirs = si.multinomial("choice ~ x + z + g", DATA).slopes("x"), STATSMODELS["MNLogit effects"]
    close(found.theta, theirs["x"])
    close(found.std_errors, theirs["errors"])


@pytest.mark.parametrize("name", ["multinomial", "ordered", "tobit"])
def test_comparisons_and_predictions_are_differences_and_means_of_predictions(name):
    fit = FITS[name](DATA)
    high, low = (means(fit, DATA.assign(g=level)) for level in ("q", "p"))
    close(fit.comparisons({"g": ("p", "q")}).theta, (high - low).mean(axis=0), 1e-10)
    close(fit.predictions().theta, means(fit, DATA).mean(axis=0), 1e-10)
    by_group = pd.DataFrame(means(fit, DATA)).groupby(DATA["g"]).mean().to_numpy()
    close(fit.predictions(by="g").theta, by_group.T.ravel(), 1e-10)


def test_the_slope_of_a_tobit_is_the_latent_one_times_the_share_seen():
    fit = si.tobit("y0 ~ x", DATA)
    seen = fit.predict(scale="probability")["estimate"].mean()
    assert fit.slopes("x").theta[0] == pytest.approx(fit.params["x"] * seen, rel=1e-12)


def test_what_has_no_mean_function_is_refused_by_name():
    with pytest.raises(si.NotIdentifiedError, match="limits are columns"):
        si.tobit("yl ~ x", DATA, lower="lo").slopes()
    with pytest.raises(si.NotIdentifiedError, match="several linear predictors"):
        si.multinomial("choice ~ x", DATA).slopes(type="link")


def test_slopes_that_depend_on_aliased_columns_are_missing():
    data = DATA.assign(twice=2.0 * DATA["x"])
    with pytest.warns(si.StatinfWarning, match="'twice'"):
        fit = si.ordered("grade ~ x + twice + z", data)
    with pytest.warns(si.StatinfWarning):
        found = fit.slopes(["x", "z"])
    assert np.isnan(found.theta[:4]).all()
    close(found.theta[4:], si.ordered("grade ~ x + z", DATA).slopes("z").theta, 1e-8)
