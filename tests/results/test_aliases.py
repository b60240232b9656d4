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
