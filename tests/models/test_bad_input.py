"""Every kind of unusable input ends in a message that names what is wrong and what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "g": np.tile(list("abcd"), 10), "w": 1.0})


def test_one_row(frame):
    with pytest.raises(si.DataError, match="1 row of positive weight cannot determine 3 coefficients"):
        si.lm("y ~ x + I(x**2)", frame.head(2).assign(w=[1.0, 0.0]), weights="w")


def test_more_columns_than_rows(frame):
    wide = pd.DataFrame(np.random.default_rng(1).normal(size=(5, 9)), columns=[f"x{i}" for i in range(9)])
    with pytest.raises(si.DataError, match="5 rows of positive weight cannot determine 10 coefficients"):
        si.lm("y ~ .", wide.assign(y=frame["y"][:5]))


def test_a_saturated_fit_has_estimates_and_says_that_it_has_no_errors(frame):
    with pytest.warns(si.StatinfWarning, match="left out: there are no degrees of freedom"):
        fit = si.lm("y ~ x", frame.head(2))
    assert np.isfinite(fit.theta).all() and fit.std_errors.isna().all()
    assert "left out" in fit.cov.label


def test_a_constant_outcome(frame):
    with pytest.raises(si.DataError, match="outcome 'y' is constant"):
        si.lm("y ~ x", frame.assign(y=3.0))
    with pytest.raises(si.DataError, match="constant"):
        si.glm("y ~ x", frame.assign(y=1), family="binomial")


def test_a_constant_or_repeated_column_is_dropped_and_named(frame):
    with pytest.warns(si.StatinfWarning, match="'k', 'twice'"):
        fit = si.lm("y ~ x + k + twice", frame.assign(k=2.0, twice=2 * frame["x"]))
    table = fit.tidy()
    assert table.loc[table["term"] == "k", "estimate"].isna().all()
    assert "aliased" in fit.summary().to_text()
    with pytest.raises(si.NotIdentifiedError, match="aliased"):
        fit.test("k = 0")


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, "high", None])
def test_levels_lie_inside_zero_and_one(frame, level):
    fit = si.lm("y ~ x", frame)
    with pytest.raises(si.OptionError, match="level"):
        fit.conf_int(level)
    with pytest.raises(si.OptionError, match="level"):
        fit.predict(frame, interval="confidence", level=level)


def test_a_percentage_is_recognised(frame):
    with pytest.raises(si.OptionError, match=r"Did you mean level=0\.9"):
        si.lm("y ~ x", frame).conf_int(90)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.r_[-1.0, np.ones(39)], "negative"),
        (np.zeros(40), "zero"),
        (np.ones(3), "shape"),
        (np.r_[np.inf, np.ones(39)], "infinite"),
        ("nothing", "nothing"),
    ],
)
def test_weights(frame, weights, message):
    with pytest.raises(si.StatinfError, match=message):
        si.lm("y ~ x", frame, weights=weights)


def test_fewer_clusters_than_coefficients(frame):
    two = frame.assign(half=np.repeat([0, 1], 20))
    with pytest.warns(si.StatinfWarning, match="2 clusters for 3 coefficients"):
        si.lm("y ~ x + w2", two.assign(w2=frame["x"] ** 2), cluster="half")


@pytest.mark.parametrize("family", ["binomial", "poisson", "gamma"])
def test_outcomes_outside_the_family(frame, family):
    with pytest.raises(si.DataError, match=f"'y' of a {family} model must lie"):
        si.glm("y ~ x", frame, family=family)


def test_unknown_families_and_links(frame):
    with pytest.raises(si.OptionError, match="binomial"):
        si.glm("y ~ x", frame, family="weibull")
    with pytest.raises(si.OptionError, match="probit"):
        si.glm("I(y > 0) ~ x", frame, family="binomial", link="cauchit")


def test_perfect_and_quasi_separation_name_the_column(frame):
    with pytest.raises(si.NotIdentifiedError, match=r"separation.*'x'"):
        si.glm("I(x > 0.1) ~ x", frame, family="binomial")
    only_zeros = frame.assign(z=np.where(frame["g"] == "a", 0, (frame["y"] > 0)))
    with pytest.raises(si.NotIdentifiedError, match=r"C\(g\)"):
        si.glm("z ~ C(g)", only_zeros, family="binomial")
    counts = frame.assign(n=np.where(frame["g"] == "b", 0, 3 + np.arange(40) % 3))
    with pytest.raises(si.NotIdentifiedError, match=r"C\(g\)"):
        si.glm("n ~ C(g)", counts, family="poisson")


def test_large_but_finite_effects_are_no_separation():
    x = np.tile(np.linspace(-40, 40, 401), 2)
    y = (x > 0).astype(float)
    y[200], y[202] = 1.0, 0.0
    y[190], y[212] = 1.0, 0.0
    fit = si.glm("y ~ x", {"y": y, "x": x}, family="binomial")
    assert np.isfinite(fit.theta).all()


def test_an_outcome_of_categories(frame):
    with pytest.raises(si.DataError, match=r"I\(g == 'd'\)"):
        si.glm("g ~ x", frame, family="binomial")


def test_unknown_options_are_errors(frame):
    with pytest.raises(si.OptionError, match="cov_type= is not an option of si.lm"):
        si.lm("y ~ x", frame, cov_type="HC1")
    with pytest.raises(si.OptionError, match="max_iter"):
        si.glm("y ~ x", frame, max_iterations=3)
    for bad in ({"tol": 0}, {"tol": "small"}, {"max_iter": 0}, {"family": "weibull"}, {"link": "cauchit"}):
        with pytest.raises(si.OptionError):
            si.glm("y ~ no_such_column", frame, **bad)
    with pytest.raises(si.OptionError, match="exclude each other"):
        si.lm("y ~ x", frame, vcov="HC1", cluster="g")
    with pytest.raises(si.OptionError, match="na_action"):
        si.lm("y ~ x", frame, na_action="omit")
    with pytest.raises(si.OptionError, match="interval"):
        si.lm("y ~ x", frame).predict(frame, interval="tolerance")


def test_missing_rows_are_counted_or_refused(frame):
    holes = frame.assign(x=frame["x"].where(frame.index > 4))
    fit = si.lm("y ~ x", holes)
    assert fit.dropped == {"x is missing": 5} and "5 (x is missing)" in fit.summary().to_text()
    with pytest.raises(si.DataError, match="5 rows: x is missing"):
        si.lm("y ~ x", holes, na_action="raise")


def test_a_failed_fit_leaves_the_data_alone(frame):
    before = frame.copy(deep=True)
    with pytest.raises(si.StatinfError):
        si.glm("y ~ x", frame, family="poisson")
    pd.testing.assert_frame_equal(frame, before)


def test_clusters_missing_in_rows_of_the_fit(frame):
    holes = frame.assign(id=np.where(frame.index < 3, np.nan, frame.index % 12))
    fit = si.lm("y ~ x", holes)
    with pytest.raises(si.DataError, match="missing in 3 rows"):
        fit.with_vcov({"cluster": "id"})
    assert si.lm("y ~ x", holes, vcov={"cluster": "id"}).nobs == 37
    with pytest.raises(si.DataError, match="nobody"):
        fit.with_vcov({"cluster": "nobody"})
