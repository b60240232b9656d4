"""Predictions-only intervals equal those of the verb with the same model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.conformity.predictions import intervals_from_predictions as intervals


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
    with pytest.raises(si.DataError, match=r"(20|19) are needed"):
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
