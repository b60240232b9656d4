"""What other libraries or Python itself would raise on a slip of the caller's is an error of the package that names it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 120))
    t = (z + rng.normal(size=120) > 0) * 1.0
    return pd.DataFrame({"x": x, "z": (z > 0) * 1.0, "t": t, "y": x + t + rng.normal(size=120)})


class OneTooMany:
    def fit(self, X, y, **_):
        return self

    def predict(self, X):
        return np.zeros(len(X) + 1)


@pytest.mark.parametrize("verb", ["conformal", "effect", "cate", "late", "stack"])
def test_a_model_that_predicts_a_row_too_many(data, verb):
    calls = {
        "conformal": lambda: si.conformal("y ~ x", data, model=OneTooMany()),
        "effect": lambda: si.effect("y ~ t | x", data, method="plr", learner=OneTooMany()),
        "cate": lambda: si.cate("y ~ t | x", data, method="dr", outcome_model=OneTooMany()),
        "late": lambda: si.iv("y ~ t | x | z", data, method="late", outcome_model=OneTooMany()),
        "stack": lambda: si.stack("y ~ x", data, models=[OneTooMany(), "lm"]),
    }
    with pytest.raises(si.DataError, match="OneTooMany.*one number per row"):
        calls[verb]()


def test_groups_are_named_not_given(data):
    with pytest.raises(si.OptionError, match="by= is the name of a column"):
        si.effect("y ~ t | x", data, by=data["z"])
    with pytest.raises(si.OptionError, match="by= is the name of a column"):
        si.balance("t ~ x", data, by=data["z"])


def test_an_instrument_that_is_held_does_not_vary(data):
    with pytest.raises(si.FormulaError, match="the instrument 'z' stands among the covariates"):
        si.iv("y ~ t | x + z | z", data, method="late")


def test_advice_on_a_categorical_outcome_names_a_level_that_occurs(data):
    unused = data.assign(q=pd.Categorical(np.where(data["x"] > 0, "a", "b"), categories=["a", "b", "c"]))
    with pytest.raises(si.DataError, match=r"write I\(q == 'b'\)"):
        si.lm("q ~ x", unused)
