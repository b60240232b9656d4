"""Predictions-only intervals equal those of the verb with the same model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.conformity.predictions import intervals_from_predictions as intervals
from statinf.conformity.predictions import sets_from_probabilities
from statinf.errors import DataError


class Fixed:
    """A model that needs no fit."""

    def predict(self, X):
        return X[:, 0]

    def predict_scale(self, X):
        return 1.0 + X[:, 0] ** 2

    def predict_quantiles(self, X, taus):
        return np.column_stack([X[:, 0] - 1, X[:, 0] + 1.5])


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=120)
    return pd.DataFrame(
        {"y": x + random.normal(size=120) * (1 + x**2), "x": x, "g": np.where(x > 0, "b", "a"), "w": np.exp(x)}
    )


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, {}),
        ({"score": "asymmetric"}, {"asymmetric": True}),
        ({"score": "normalised"}, {"scale": True}),
        ({"method": "cqr"}, {"quantiles": True}),
        ({"method": "cqr", "score": "asymmetric"}, {"quantiles": True, "asymmetric": True}),
        ({"by": "g"}, {"groups": True}),
        ({"weights": "w"}, {"weights": True}),
    ],
)
def test_equal_to_the_verb(rows, options, given):
    table = si.conformal("y ~ x", rows, model=Fixed(), split=0, **options).predict(rows)
    x, model = rows[["x"]].to_numpy(), Fixed()
    predicted = model.predict_quantiles(x, None) if given.pop("quantiles", False) else model.predict(x)
    pairs = {"scale": model.predict_scale(x), "groups": rows["g"].to_numpy(), "weights": rows["w"].to_numpy()}
    for name, values in pairs.items():
        if given.pop(name, False):
            given |= {name: values, f"new_{name}": values}
    lower, upper = intervals(rows["y"], predicted, predicted, **given)
    np.testing.assert_allclose(table["lower"], lower)
    np.testing.assert_allclose(table["upper"], upper)


def test_bad_input():
    y = np.arange(20.0)
    with pytest.raises(si.OptionError, match="needed together"):
        intervals(y, y, y, scale=y)
    with pytest.raises(si.DataError, match="not finite in calibration row 3"):
        intervals(np.where(y == 3, np.nan, y), y, y)
    with pytest.raises(si.DataError, match="y has 20 rows and predicted 19"):
        intervals(y, y[1:], y)
    with pytest.raises(si.DataError, match=r"shape \(n,\) or \(n, 2\)"):
        intervals(y, np.ones((20, 3)), np.ones((5, 3)))
    for wrong in ([1.0], [1.0, -1.0], [1.0, np.nan]):
        with pytest.raises(si.DataError, match="new_weights must be 2 finite numbers"):
            intervals(y, y, y[:2], weights=np.ones(20), new_weights=wrong)
    with pytest.raises(si.DataError, match=r"new_groups has shape \(1,\)"):
        intervals(y, y, y[:2], groups=np.repeat(["a", "b"], 10), new_groups=["a"])
    low, high = intervals(y, y + 1, y[:2], groups=np.repeat(["a", "b"], 10), new_groups=np.array(["a", "c"]))
    assert np.isfinite(low[0]) and np.isinf([low[1], high[1]]).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y": ["a"] * 20}, "y cannot be read as numbers"),
        ({"y": []}, "y has 0 rows and predicted 20"),
        ({"y": np.ones((20, 1))}, r"y has shape \(20, 1\)"),
        ({"new_predicted": ["b"]}, "new_predicted cannot be read"),
        ({"scale": np.ones(20), "new_scale": [1.0]}, r"new_scale has shape \(1,\)"),
        ({"scale": np.ones(20), "new_scale": [1.0, 0.0]}, "new_scale is not positive in row 1"),
        ({"weights": ["a"] * 20, "new_weights": [1, 1]}, "weights cannot be read"),
        ({"groups": ["a"] * 19 + [None], "new_groups": ["a", "a"]}, "groups is missing in row 19"),
        ({"groups": [0.0] * 19 + [np.nan], "new_groups": [0.0, 0.0]}, "groups is missing in row 19"),
    ],
)
def test_arrays_that_cannot_be_are_named(change, match):
    given = {"y": np.arange(20.0), "predicted": np.arange(20.0) + 0.5, "new_predicted": [1.0, 2.0]} | change
    with pytest.raises(DataError, match=match):
        intervals(**given)


def test_one_new_prediction_and_groups_of_any_kind():
    y, predicted = np.arange(20.0), np.arange(20.0) + np.tile([0.5, 2.0], 10)
    low, high = intervals(y, predicted, 3.0, level=0.8)
    assert (low[0], high[0]) == (1.0, 5.0)
    low, high = intervals(
        y, predicted, [3.0] * 4, level=0.8, groups=["a", 1] * 10, new_groups=["a", 1, None, "never seen"]
    )
    assert low.tolist() == [2.5, 1.0, -np.inf, -np.inf]
    assert high.tolist() == [3.5, 5.0, np.inf, np.inf]


def test_labels_that_are_whole_numbers():
    P = np.array([[0.7, 0.2, 0.1]] * 20)
    one = sets_from_probabilities(P, [0] * 14 + [1] * 6, P[:1], level=0.8)
    np.testing.assert_array_equal(sets_from_probabilities(P, [0.0] * 14 + [1.0] * 6, P[:1], level=0.8), one)
    with pytest.raises(DataError, match="numbers of columns"):
        sets_from_probabilities(P, [0.5] * 20, P[:1])
    with pytest.raises(DataError, match="No calibration rows"):
        sets_from_probabilities(P[:0], [], P[:1])
    with pytest.raises(DataError, match="the label 3 in row 19"):
        sets_from_probabilities(P, [0] * 19 + [3], P[:1])
