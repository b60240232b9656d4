"""Certified values of the NIST Statistical Reference Datasets for linear regression."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import statinf as si
from reference import cases

# Rounding Filip's columns to float64 alone moves its solution in the eighth digit.
DIGITS = {"filip": 7}


def digits(ours, certified):
    size = np.where(certified == 0, 1.0, np.abs(certified))
    return -np.log10(np.maximum(np.abs(ours - certified) / size, 1e-16)).min()


@pytest.mark.parametrize("case", cases("nist"), ids=str)
def test_certified_digits(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", si.StatinfWarning)
        fit = si.lm(case.formula, case.data(), vcov="iid")
    wanted = DIGITS.get(case.name, 9)
    assert fit.estimable.all()
    assert digits(fit.theta, case.coefficients) >= wanted
    # A perfect fit has certified standard errors of zero: ours are rounding.
    assert digits(fit.std_errors.to_numpy(), case["certified"]["std_errors"]) >= wanted


def test_nearly_aliased_columns_are_reported():
    filip = next(c for c in cases("nist") if c.name == "filip")
    with pytest.warns(si.StatinfWarning, match="nearly aliased"):
        si.lm(filip.formula, filip.data())
