"""What other libraries or Python itself would raise on a slip of the caller's is an error of the package that names it."""

from __future__ import annotations

import matplotlib
import numpy as np

matplotlib.use("Agg")
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


@pytest.mark.parametrize("size", [1e-170, 1e170])
@pytest.mark.parametrize("column", ["x", "y"])
def test_columns_whose_squares_are_no_numbers_are_named(data, column, size):
    extreme = data.assign(**{column: data[column] * size}, x_next=data["x"] * size)
    verbs = [
        lambda: si.lm("y ~ x", extreme),
        lambda: si.effect("y ~ t | x", extreme),
        lambda: si.cate("y ~ t | x", extreme, method="dr"),
        lambda: si.iv("y ~ t | x | z", extreme),
        lambda: si.conformal("y ~ x", extreme),
        lambda: si.stack("y ~ x", extreme, models=["lm", "ridge"]),
        lambda: si.lsa("y ~ x", extreme, replicas=0),
        lambda: si.td("y ~ x", extreme, next="x_next", discount=0.5, method="lstd"),
    ]
    for verb in verbs:
        with pytest.raises(si.DataError, match=f"'{column}'.*rescale it"):
            verb()


def test_options_of_figures_and_next_states(data):
    for fit in (si.lm("y ~ x", data), si.conformal("y ~ x", data), si.balance("t ~ x", data)):
        with pytest.raises(si.OptionError, match="nonsense= is not an option of this figure"):
            fit.plot(nonsense=1)
    with pytest.raises(si.OptionError, match="next= is a column name"):
        si.td("y ~ x", data, next=data, discount=0.5)


ODD = [float("nan"), float("inf"), 10**30, object(), np.array([1.0, 2.0]), {}, [None]]


@pytest.mark.parametrize("odd", ODD, ids=lambda v: type(v).__name__)
def test_odd_values_of_options_are_refused(data, odd):
    data = data.assign(w=1.0, g=np.arange(120) % 3.0, id=np.arange(120) // 4, day=np.arange(120) % 4)
    calls = {
        "balance dose": lambda: si.balance("t ~ x", data, dose=odd),
        "balance tol": lambda: si.balance("t ~ x", data, method="entropy", tol=odd),
        "estimand": lambda: si.effect("y ~ t | x", data, estimand=odd),
        "constant learner": lambda: si.cate("y ~ t | x", data, method="dr", final=odd),
        "discount": lambda: si.ctd("y ~ x", data, id="id", time="day", discount=odd),
        "terminal": lambda: si.ctd("y ~ x", data, id="id", time="day", discount=0.5, terminal=odd),
        "inference": lambda: si.lsa("y ~ x", data, inference=odd),
        "burn_in": lambda: si.lsa("y ~ x", data, burn_in=odd),
        "replicas": lambda: si.lsa("y ~ x", data, replicas=odd),
        "id": lambda: si.td("y ~ x", data, next=["z"], discount=0.5, id=odd),
        "levels": lambda: si.ordered("g ~ x", data, levels=odd),
        "nlambda": lambda: si.rq_path("y ~ x", data, nlambda=odd),
        "cutoff": lambda: si.rd("y ~ x | z", data, cutoff=odd),
        "end": lambda: si.visits("y ~ x", data, visits="~ x", id="id", time="day", end=odd),
    }
    numbers = ("balance tol", "constant learner", "discount", "terminal", "cutoff", "end")
    for name, call in calls.items():
        if (isinstance(odd, int) and name in numbers) or (isinstance(odd, np.ndarray) and name == "cutoff"):
            continue
        with pytest.raises(si.StatinfError):
            call()


def test_few_rows_beside_a_cutoff(data):
    for cutoff in (-2.2, 2.0):
        with pytest.raises(si.NotIdentifiedError, match="too few distinct values"):
            si.rd("y ~ x | z", data.assign(x=np.round(data["x"], 2)), cutoff=cutoff)


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_columns_whose_squares_are_no_numbers_are_refused_by_name(data, size):
    big = data.assign(x=data["x"] * size, g=(data["x"] > 0) + 0.0 + (data["y"] > 1.0))
    calls = {
        "rq": lambda: si.rq("y ~ x", big),
        "cvar": lambda: si.cvar("y ~ x", big),
        "expectile": lambda: si.expectile("y ~ x", big),
        "rq_path": lambda: si.rq_path("y ~ x + z", big),
        "ordered": lambda: si.ordered("g ~ x", big),
        "multinomial": lambda: si.multinomial("C(g) ~ x", big),
        "rd": lambda: si.rd("y ~ x", big),
        "density ratio": lambda: si.density_ratio("~ x", big, data),
        "target": lambda: si.density_ratio("~ x", data, big),
        "transport": lambda: si.transport("y ~ t | x", big, data),
        "target_shift": lambda: si.target_shift("t ~ x", big, data, method="bbse"),
    }
    for name, call in calls.items():
        with pytest.raises(si.DataError, match="column 'x' has entries of size"):
            call()
            pytest.fail(name)
