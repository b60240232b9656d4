"""The reference files against the formulas that README.md says they follow."""

from __future__ import annotations

from decimal import localcontext

import numpy as np
import pytest

from . import Case, cases
from .check import check
from .make_nist import certified_mismatches, read_exact


@pytest.mark.parametrize("case", (*cases("r_lm"), *cases("r_glm")), ids=str)
def test_r_numbers_follow_the_stated_formulas(case: Case) -> None:
    assert {key: value for key, value in check(case).items() if not value < 1e-8} == {}


@pytest.mark.parametrize("case", cases("nist"), ids=str)
def test_certified_values_are_the_exact_solution_rounded(case: Case) -> None:
    with localcontext() as context:
        context.prec = 60
        assert certified_mismatches(read_exact(case.name)) == []


def test_records_cannot_be_changed() -> None:
    for case in cases("r_lm"):
        with pytest.raises(ValueError, match="read-only"):
            case["vcov"]["HC1"][0, 0] = 0.0
        assert np.isnan(case.coefficients).sum() == (~case.estimable).sum() == case["aliased"].sum()
