"""An outcome does not explain itself, a treatment is no covariate of its own, and columns have names of their own."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si
from formula.tables import table
from statinf.errors import FormulaError, StatinfWarning
from statinf.formula import design


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ y + x1",
        "y ~ x1 + I(y)",
        "k ~ C(k)",
        "k ~ x1 + factor(k)",
        "y ~ x1 * y",
        "log(x2) ~ log(x2) + x1",
        "y ~ x1 + offset(y)",
        "`y` ~ Q('y')",
    ],
)
def test_the_outcome_on_both_sides_is_refused(formula):
    with pytest.raises(FormulaError, match=r"the outcome '.*' stands .* as well"):
        si.lm(formula, table())


def test_the_outcome_among_parts_and_several_outcomes():
    data = table().assign(t=lambda d: (d["x1"] > 0).astype(float))
    for call in (
        lambda: si.effect("y ~ t | x1 + y", data),
        lambda: si.iv("y ~ y | x1 | x2", data),
        lambda: si.iv("y ~ t | x1 | y", data),
        lambda: si.balance("t ~ t", data),
        lambda: design("cbind(y, y2) ~ x1 + y2", data, response="matrix"),
    ):
        with pytest.raises(FormulaError, match=r"the outcome '\w+' stands on the right of '~' as well"):
            call()


@pytest.mark.parametrize("formula", ["y ~ I(y**2)", "log(x2) ~ x2", "y ~ y:x1", "y ~ poly(y, 2)"])
def test_what_is_computed_from_the_outcome_draws_a_warning(formula):
    with pytest.warns(StatinfWarning, match=r"stands on the right of '~' as well, in the term"):
        design(formula, table())


@pytest.mark.parametrize("formula", ["I(y - x1) ~ x1", "I(y > 0) ~ y", "y ~ .", "y2 ~ y", "y ~ x1 | x1"])
def test_change_scores_and_parts_that_share_columns_are_no_fault(formula):
    assert design(formula, table(), roles=("covariates", "groups")).n == 60


def test_a_lag_of_the_outcome_is_another_variable():
    def lagged(x):
        return np.r_[0.0, x[:-1]]

    assert design("y ~ lagged(y)", table(), context={"lagged": lagged}).n == 60


@pytest.mark.parametrize("formula", ["y ~ t | t + x1", "y ~ t | C(t)", "y ~ C(t) | x1 + t", "y ~ h | h"])
@pytest.mark.parametrize("verb", ["effect", "cate"])
def test_the_treatment_among_its_covariates_is_refused(formula, verb):
    data = table().assign(t=lambda d: (d["x1"] > 0).astype(float))
    with pytest.raises(FormulaError, match="the treatment '.*' stands among the covariates as well"):
        getattr(si, verb)(formula, data)


def test_the_treatment_among_its_instruments_is_refused():
    data = table().assign(t=lambda d: (d["x1"] > 0).astype(float))
    with pytest.raises(FormulaError, match="the treatment 't' stands among the instruments as well"):
        si.iv("y ~ t | x1 | t + x2", data)
    with pytest.raises(FormulaError, match="the treatment 't' stands among the covariates as well"):
        si.iv("y ~ t | t | x2", data)


def test_columns_of_one_name_are_refused():
    data = table().assign(Intercept=1.0).rename(columns={"k": "x1:x2"})
    for formula in ("y ~ Intercept", "y ~ x1 + Intercept", "y ~ ."):
        with pytest.raises(FormulaError, match="named 'Intercept', as the constant of the model is; rename it"):
            design(formula, data)
    assert design("y ~ 0 + Intercept + x1", data).part("covariates").names == ("Intercept", "x1")
    with pytest.raises(FormulaError, match="two columns of the model would be named 'x1:x2'"):
        design("y ~ x1 * x2 + `x1:x2`", data)
