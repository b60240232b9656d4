"""A row that breaks an alias of the fit depends on a coefficient that has no estimate: NaN with one warning, everywhere."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import AliasedWarning, DroppedRowsWarning, NumericalWarning
from statinf.numerics.linear.aliases import alias_map, breaks_alias


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    n = 150
    x, v = rng.normal(size=(2, n))
    t = (0.5 * x + v + rng.normal(size=n) > 0) * 1.0
    return pd.DataFrame({"x": x, "x2": 2.0 * x, "z": v, "t": t, "y": x + t + rng.normal(size=n)})


NEW = pd.DataFrame({"x": [1.0, 1.0, 0.5], "x2": [2.0, 50.0, 1.0], "t": [0.0, 0.0, 1.0]})


def fitted(data, verb):
    target = data.sample(60, weights=np.exp(0.3 * data["x"]), random_state=1)
    calls = {
        "iv": lambda: si.iv("y ~ t | x + x2 | z", data),
        "lm": lambda: si.lm("y ~ x + x2", data),
        "ipw": lambda: si.balance("t ~ x + x2", data),
        "cbps": lambda: si.balance("t ~ x + x2", data, method="cbps"),
        "logistic": lambda: si.density_ratio("~ x + x2", data, target),
        "moment": lambda: si.density_ratio("~ x + x2", data, target, method="moment"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AliasedWarning)
        warnings.simplefilter("ignore", NumericalWarning)
        return calls[verb]()


@pytest.mark.parametrize("verb", ["iv", "lm", "ipw", "cbps", "logistic", "moment"])
def test_only_the_row_that_breaks_the_alias_has_no_number(data, verb):
    fit = fitted(data, verb)
    with pytest.warns(DroppedRowsWarning):
        found = fit.predict(NEW, interval="confidence").to_numpy() if verb in ("iv", "lm") else fit.score(NEW)[:, None]
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()


def test_aliases_far_from_zero_are_judged_by_the_size_of_their_terms():
    rng = np.random.default_rng(0)
    x = 1e8 + rng.normal(size=50)
    columns = np.column_stack([np.ones(50), x, 3.0 - x])
    kept = np.array([True, True, False])
    found = alias_map(columns, kept)
    assert not breaks_alias(columns, kept, found).any()
    moved = columns.copy()
    moved[7, 2] += 10.0
    assert np.flatnonzero(breaks_alias(moved, kept, found)).tolist() == [7]


def test_rows_of_weight_zero_do_not_make_the_alias():
    columns = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 7.0]])
    np.testing.assert_allclose(alias_map(columns, np.array([True, False]), np.array([1.0, 1.0, 0.0])), [[2.0]])


@pytest.mark.parametrize("shift", [0.0, 1e7])
@pytest.mark.parametrize(
    "rest", ["g + g2", "x + z + g + g2", "g + factor(g, levels=c('c', 'a', 'b'))", "g * z + g2:z", "g:x + g2:x"]
)
def test_rows_of_base_levels_keep_an_alias_of_categories(rest, shift):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": rng.choice(list("abc"), 90), "x": rng.normal(size=90) + shift, "z": rng.normal(size=90)})
    data["g2"], data["y"] = data["g"], rng.normal(size=90)
    with pytest.warns(AliasedWarning):
        fit = si.lm(f"y ~ {rest}", data)
    found = fit.predict(data.head(30))
    np.testing.assert_allclose(found["estimate"], fit.fitted[:30], rtol=1e-7, atol=1e-7)
    other = data.head(6).assign(g2="a", g="b")
    if "g2" in rest:
        with pytest.warns(DroppedRowsWarning):
            assert fit.predict(other)["estimate"].isna().all()


def test_a_column_without_a_part_in_an_alias_is_exactly_zero_in_it():
    rng = np.random.default_rng(3)
    g = rng.integers(0, 2, size=40)
    columns = np.column_stack([np.ones(40), 1e9 + rng.normal(size=40), g, g, 1.0 - g])
    found = alias_map(columns, np.array([True, True, True, False, False]))
    np.testing.assert_allclose(found, [[0.0, 1.0], [0.0, 0.0], [1.0, -1.0]], atol=1e-12)
    assert (found[[0, 1, 1], [0, 0, 1]] == 0.0).all()
