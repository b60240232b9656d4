"""Formulas and variables that ask for too much are refused at once, before anything of that size is made."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import statinf as si
from formula.tables import table
from statinf.errors import DataError, FormulaError
from statinf.formula import design


def wide(k: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).normal(size=(20, k + 1)), columns=["y", *(f"x{i}" for i in range(k))])


@pytest.mark.parametrize(
    ("right", "k"),
    [
        (".^2", 400),
        (".**2", 400),
        ("(.)^2", 400),
        (".*.", 400),
        (".:.", 400),
        ("./.", 2000),
        (".%in%.", 2000),
        (".^3", 100),
        (".*.*.", 100),
        ("(. - x1)^3", 100),
        (".^99", 30),
        ("(.^2)^2", 20),
    ],
)
def test_expansions_of_the_dot_are_refused_before_they_are_made(right, k):
    data = wide(k)
    start = time.thread_time()
    with pytest.raises(FormulaError, match="expands to more than 12,000 products|crossed with one another"):
        design(f"y ~ {right}", data)
    assert time.thread_time() - start < 1.5


def test_what_fits_is_expanded():
    part = design("y ~ .^2", wide(60)).part("covariates")
    assert part.p == 1 + 60 + 60 * 59 // 2
    assert design("y ~ .^3", wide(12)).part("covariates").p == 1 + 12 + 66 + 220
    assert design("y ~ (x0 + x1:x2 + x3)^2", wide(4)).part("covariates").names == (
        "Intercept", "x0", "x3", "x0:x3", "x1:x2", "x0:x1:x2", "x1:x2:x3",
    )  # fmt: skip


@pytest.mark.parametrize("right", ["x + id", "C(number)", "id:x", "factor(number) + x", "id * x"])
def test_a_variable_of_very_many_levels_is_refused_by_name(right):
    n = 50_000
    data = pd.DataFrame({"y": np.zeros(n), "x": np.arange(n) / n, "number": np.arange(n)})
    data["id"] = "u" + data["number"].astype(str)
    name = "number" if "number" in right else "id"
    tracemalloc.start()
    with pytest.raises(DataError, match=f"'{name}' has 50,000 levels.*cluster='{name}'.*each unit's means.*drop it"):
        si.lm(f"y ~ {right}", data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**27


def test_a_thousand_levels_are_no_fault():
    data = pd.DataFrame({"y": np.zeros(4000), "g": np.arange(4000) % 1500})
    assert design("y ~ C(g)", data).part("covariates").p == 1500


@pytest.mark.parametrize(
    ("right", "message"),
    [
        ("bs(x1, degree=0)", "degree=0 is not a whole number from 1"),
        ("poly(x1, 0)", "degree=0 is not a whole number from 1"),
        ("bs(x1, knots=[100])", "the knot 100 is not between the bounds"),
        ("cr(x1, knots=[-100])", "the knot -100 is not between the bounds"),
        ("bs(x1, df=5, lower_bound=5, upper_bound=-5)", "the lower bound 5 is not below the upper bound -5"),
        ("cr(x1, df=1)", "needs df of at least 2"),
        ("0 + cr(x1, df=2)", "needs df of at least 3"),
        ("bs(x1, df=2)", "has at least 3 columns; raise df to 3"),
        ("bs(one, df=4)", r"'bs\(one, df=4\)': the column is constant"),
        ("cc(one, df=3)", "the column is constant"),
        ("poly(one, 2)", "1 different values"),
    ],
)
def test_transforms_refuse_by_name_what_they_cannot_do(right, message):
    with pytest.raises((FormulaError, DataError), match=message):
        design(f"y ~ {right}", table().assign(one=1.0))
