"""Formulas that stand for several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import FormulaError
from statinf.formula.stepwise import expand


def formulas(text, outcomes=True, known=()):
    found = expand(text, outcomes=outcomes, known=known)
    return None if found is None else [step.formula for step in found]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("y ~ sw(a, b)", ["y ~ a", "y ~ b"]),
        ("y ~ x + sw(a + b, log(c))", ["y ~ x + a + b", "y ~ x + log(c)"]),
        ("y ~ csw(a, b:c)", ["y ~ a", "y ~ a + b:c"]),
        ("y ~ x + sw0(a)", ["y ~ x", "y ~ x + a"]),
        ("y ~ sw0(a) + x", ["y ~ x", "y ~ a + x"]),
        ("y ~ sw0(a)", ["y ~ 1", "y ~ a"]),
        ("y ~ csw0(a, b)", ["y ~ 1", "y ~ a", "y ~ a + b"]),
        ("y ~ sw0(a) - 1 + x", ["y ~ - 1 + x", "y ~ a - 1 + x"]),
        ("y ~ x:sw(a, b + c)", ["y ~ x: (a)", "y ~ x: (b + c)"]),
        ("y ~ (sw(a, b) + x):z", ["y ~ ( a + x):z", "y ~ ( b + x):z"]),
        ("y ~ log(sw(a, b))", ["y ~ log( (a) )", "y ~ log( (b) )"]),
        ("y ~ t | sw(1, a) | z", ["y ~ t | 1 | z", "y ~ t | a | z"]),
        ("y ~ t | csw0(a) | z", ["y ~ t | 1 | z", "y ~ t | a | z"]),
        ("y ~ sw(a, b) + sw(c, d)", ["y ~ a + c", "y ~ a + d", "y ~ b + c", "y ~ b + d"]),
        ("cbind(y, log(v)) ~ x", ["y ~ x", "log(v) ~ x"]),
        ("cbind(y, v) ~ sw(a, b)", ["y ~ a", "y ~ b", "v ~ a", "v ~ b"]),
        ("cbind(`y, 1`, v) ~ `sw(a)` + f(x, y)", ["`y, 1` ~ `sw(a)` + f(x, y)", "v ~ `sw(a)` + f(x, y)"]),
        ("y ~ sw( (a + b), bs(x, df=4))", ["y ~ (a + b)", "y ~ bs(x, df=4)"]),
    ],
)  # fmt: skip
def test_what_a_formula_stands_for(text, meant):
    assert formulas(text) == meant


@pytest.mark.parametrize("text", ["y ~ x", "y ~ swim(x)", "y ~ `sw(x)`", "cbind(y) ~ x", "~ x", 3, "y ~ answ (x)"])
def test_most_formulas_stand_for_themselves(text):
    assert formulas(text) is None


def test_names_of_the_caller_come_first():
    assert formulas("y ~ sw(x)", known={"sw": abs}) is None
    assert formulas("cbind(y, v) ~ x", outcomes=False) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("y ~ sw()", "empty step"),
        ("y ~ sw(a,, b)", "empty step"),
        ("y ~ sw(a, csw(b, c))", "do not nest"),
        ("y ~ x:sw0(a)", "stands in a product"),
        ("y ~ log(sw0(a))", "stands in a product"),
        ("y ~ sw(a", "lacks a"),
        ("y ~ sw(a, b, a)", "stands for 'y ~ a' twice"),
        ("y ~ " + " + ".join(["sw(a, b)"] * 12), "4,096 formulas"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, said):
    with pytest.raises(si.FormulaError, match=said):
        expand(text, outcomes=True)


@pytest.mark.parametrize("right", [".", "x + .", "(.)^2", ". - x", "sw(., x)"])
def test_a_dot_holds_none_of_the_outcomes(right):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(40, 5)), columns=["y", "the other", "x", "z", "p"])
    fits = si.lm(f"cbind(y, `the other`, exp(p)) ~ {right}", data)
    for fit, outcome in zip(fits, np.repeat(["y", "the other", "exp(p)"], 2 if "sw" in right else 1), strict=True):
        assert fit.outcome == outcome
        assert not {"y", "the other", "p"} & set(fit.params.index)
    alone = si.lm(f"y ~ {right.replace('sw(., x)', '.')}", data[["y", "x", "z"]])
    assert list(fits[0].params.index) == list(alone.params.index)
    np.testing.assert_allclose(fits[0].params, alone.params, rtol=1e-12)


@pytest.mark.parametrize("left", ["c(y, z)", "sw(y, z)", "list(y, z)"])
def test_several_outcomes_of_other_spellings_are_told_ours(left):
    with pytest.raises(FormulaError, match=r"written cbind\(y1, y2\)"):
        expand(f"{left} ~ x", outcomes=True)
