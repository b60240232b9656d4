"""A row of weight zero teaches no level, knot, mean or scale; what it lacks is neither counted nor an error."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n = 120
    x = rng.normal(size=n)
    g = np.array(list("abcd"))[np.arange(n) % 4]
    return pd.DataFrame(
        {"x": x, "g": g, "y": np.sin(x) + rng.normal(size=n), "w": np.where((g == "a") | (x > 1.2), 0.0, 1.0)}
    )


FORMULAS = (
    "y ~ C(g) + x",
    "y ~ x * g",
    "y ~ C(g, Sum)",
    "y ~ bs(x, df=5)",
    "y ~ cr(x, df=4)",
    "y ~ poly(x, 2)",
    "y ~ scale(x)",
    "y ~ center(x) + offset(x)",
    "scale(y) ~ x",
)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("verb", ["lm", "glm", "rq"])
def test_as_if_the_rows_were_dropped(data, formula, verb):
    if verb != "lm" and formula not in FORMULAS[:4]:
        pytest.skip("the columns are read in one place")
    fit = partial(si.rq, tau=0.37) if verb == "rq" else getattr(si, verb)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weighted, dropped = fit(formula, data, weights="w"), fit(formula, data[data["w"] > 0])
    assert weighted.terms == dropped.terms and weighted.nobs == dropped.nobs
    np.testing.assert_allclose(weighted.theta, dropped.theta, rtol=1e-9)
    np.testing.assert_allclose(weighted.std_errors, dropped.std_errors, rtol=1e-7)
    new = data[data["w"] > 0].head(7)
    np.testing.assert_allclose(weighted.predict(new), dropped.predict(new), rtol=1e-7)


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ C(x)", "y ~ log(x + 9)", "t ~ x", "y ~ t | x"])
def test_values_that_only_absent_rows_have(formula, data):
    broken = data.assign(t=(np.arange(len(data)) % 2) * 1.0, x=data["x"].round(0).clip(-1.0, 1.0))
    absent = np.flatnonzero(broken["w"] == 0)
    broken.loc[absent[0], "x"], broken.loc[absent[1], "x"], broken.loc[absent[2], "y"] = np.inf, np.nan, -np.inf
    verb = {"t ~ x": si.balance, "y ~ t | x": si.effect}.get(formula, si.lm)
    weighted, dropped = verb(formula, broken, weights="w", na_action="raise"), verb(formula, broken[broken["w"] > 0])
    if verb is si.balance:
        np.testing.assert_allclose(weighted.values[weighted.values > 0], dropped.values, rtol=1e-9)
    else:
        np.testing.assert_allclose(weighted.theta, dropped.theta, rtol=1e-9)
        assert not weighted.dropped


def test_rows_that_count_are_still_checked(data):
    broken = data.copy()
    present = np.flatnonzero(broken["w"] > 0)
    broken.loc[present[0], "x"] = np.inf
    with pytest.raises(si.DataError, match=f"'x' has 1 infinite values .first at row {present[0]}"):
        si.lm("y ~ x", broken, weights="w")
    broken.loc[present[0], "x"] = np.nan
    assert dict(si.lm("y ~ x", broken, weights="w").dropped) == {"x is missing": 1}
    with pytest.raises(si.DataError, match="all weights are zero"):
        si.lm("y ~ C(g)", data, weights=np.zeros(len(data)))
