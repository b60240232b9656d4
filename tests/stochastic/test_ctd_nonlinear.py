"""Values that are a function of the caller's: linear families, a portfolio with bisection, what is refused."""

import functools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statinf as si

HOW = {"id": "episode", "time": "time"}


@functools.cache
def portfolio(episodes=200, drift=0.08, rows=64):
    return si.datasets.simulate("mean_variance", episodes * rows, seed=2, drift=drift, rows=rows)


def worth(state, theta):
    import jax.numpy as jnp

    return state["y"] ** 2 * jnp.exp(-theta["theta"] * state["left"])


def fitted(data=None, formula="reward ~ 0 + y + left", **options):
    known = {"terminal": "paid", "discount": 0.0, "value_function": worth, "start": {"theta": 0.0}}
    return si.ctd(formula, portfolio() if data is None else data, **(HOW | known | options))


def line(state, theta):
    return theta["a"] + theta["b"] * state["x"] ** 2


@pytest.mark.parametrize("options", [{}, {"discounting": "exact"}, {"method": "ml", "terminal": "end"}])
def test_linear_families_are_the_linear_methods(options):
    paths = si.datasets.simulate("ornstein_uhlenbeck", 51 * 40, seed=3, step=0.2)
    paths["end"] = 0.4 * paths["x"] ** 2
    plain = si.ctd("reward ~ I(x**2)", paths, discount=0.5, **HOW, **options)
    fit = si.ctd("reward ~ x", paths, discount=0.5, value_function=line, start={"b": 1.0, "a": -1.0}, **HOW, **options)
    assert fit.terms == ("b", "a")
    assert_allclose(fit.theta[::-1], plain.theta, rtol=1e-9)
    assert_allclose(fit.std_errors[::-1], plain.std_errors, rtol=1e-9)
    if "discounting" in options:
        return
    assert_allclose(fit.td_residuals, plain.td_residuals, atol=1e-9)
    assert_allclose(fit.augment()["value"], plain.augment()["value"], rtol=1e-9)
    found, expected = (f.predict(interval="confidence") for f in (fit, plain))
    assert_allclose(found, expected, rtol=1e-8)
    assert_allclose(fit.quadratic_variation()["rate"], plain.quadratic_variation()["rate"], rtol=1e-8)
    assert_allclose(fit.discretisation()["extrapolated"][::-1], plain.discretisation()["extrapolated"], rtol=1e-8)


def sums(theta, data, name):
    """Conditions of the portfolio by episode, written out."""
    y, left, time = (data[c].to_numpy().reshape(200, -1) for c in ("y", "left", "time"))
    J, dt = y**2 * np.exp(-theta * left), np.diff(time, axis=1)
    slope, delta = (-left * J)[:, :-1], np.diff(J, axis=1)
    return {
        "td0": slope * delta, "relative": -left[:, :-1] / J[:, :-1] * delta,
        "ml": slope * (J[:, -1:] - J[:, :-1]) * dt,
    }[name].sum(axis=1)  # fmt: skip


@pytest.mark.parametrize("name", ["td0", "relative", "ml"])
def test_portfolios_by_bisection(name):
    from scipy.optimize import brentq

    data = portfolio()
    fit = fitted(**({"method": "ml"} if name == "ml" else {"test_function": name}))
    total = lambda theta: sums(theta, data, name).sum()  # noqa: E731
    theta = brentq(total, -1.0, 1.0, xtol=1e-14)
    assert_allclose(fit.theta[0], theta, rtol=1e-8)
    slope = (total(theta + 1e-5) - total(theta - 1e-5)) / 2e-5
    g = sums(theta, data, name)
    assert_allclose(fit.std_errors.iloc[0], np.sqrt(np.sum(g**2) * 200 / 199) / abs(slope), rtol=1e-6)
    assert abs(fit.theta[0] - 0.09) < 4 * fit.std_errors.iloc[0]
    new = pd.DataFrame({"y": [-0.4, 0.2], "left": [1.0, 0.5]})
    value = fit.predict(new, interval="confidence")
    assert_allclose(value["std_error"] / value["estimate"], new["left"] * fit.std_errors.iloc[0], rtol=1e-10)


def test_heavy_tails_need_the_relative_test_function():
    # The mean over samples of CTD(0) is far above 0.81 where the relative root is not (Jia and Zhou's example).
    fit = fitted(portfolio(drift=0.2), test_function="relative", start={"theta": 0.5})
    assert abs(fit.theta[0] - 0.81) < 4 * fit.std_errors.iloc[0] < 0.8


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"start": None}, si.OptionError, "value_function= and start= go together"),
        ({"value_function": None}, si.OptionError, "value_function= and start= go together"),
        ({"value_function": 3}, si.OptionError, "is not a function of columns and parameters"),
        ({"start": {"theta": "a"}}, si.OptionError, "is not a mapping of parameters to numbers"),
        ({"start": {}}, si.OptionError, "is not a mapping of parameters to numbers"),
        ({"test_function": "lambda", "lam": 0.5}, si.OptionError, "there are 'td0' and 'relative'"),
        ({"method": "ctd0"}, si.OptionError, "value_function"),
        ({"value_function": lambda s, p: np.exp(s["y"])}, si.OptionError, "made with jax.numpy"),
        ({"value_function": lambda s, p: s["worth"]}, si.OptionError, r"value_function= failed \(KeyError"),
        ({"value_function": lambda s, p: p["theta"]}, si.OptionError, r"values of shape \(\), not one per row"),
        ({"value_function": lambda s, p: s["y"] / (0 * p["theta"])}, si.OptionError, "missing or infinite at start="),
        ({"value_function": lambda s, p: s["y"] ** 2 + 0 * p["theta"]}, si.NotIdentifiedError, "are not identified"),
        ({"start": {"theta": 40.0}}, si.ConvergenceError, "no root of the conditions was found"),
    ],
)
def test_what_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        fitted(portfolio(episodes=30), **options)


def test_saved_fits_say_what_they_lack(tmp_path):
    read = si.load(fitted(portfolio(episodes=30)).save(tmp_path / "fit.si"))
    assert np.isfinite(read.std_errors).all()
    with pytest.raises(si.DataError, match="values need value_function="):
        read.predict(portfolio(episodes=30))
