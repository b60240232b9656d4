"""Cells of parts whose variables all have levels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from statinf.formula.cells import CodedMatrix
from statinf.formula.design import design


def _frame(n: int = 3000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "g": pd.Categorical.from_codes(rng.integers(0, 3, n), list("abc")),
            "h": pd.Categorical.from_codes(rng.integers(0, 4, n), list("pqrs")),
            "t": rng.random(n) < 0.4,
            "x": rng.normal(size=n),
        }
    )


@pytest.mark.parametrize("formula", ["~ g + h", "~ g * h", "~ 0 + t + C(g, contr.sum)", "~ t:h", "~ 2 * g:t + h"])
def test_cells_hold_the_rows_of_the_matrix(formula):
    data = _frame()
    part = design(formula.replace("2 * ", ""), data, response="none").parts[0]
    assert isinstance(part, CodedMatrix) and "values" not in vars(part)
    for matrix in (part, part.without_intercept()):
        cells = matrix.cells
        assert cells is not None and len(cells.x) <= 24
        assert_array_equal(cells.x[cells.of], matrix.values)
    assert part.without_intercept().names == part.rest.names == tuple(n for n in part.names if n != "Intercept")


def test_a_frame_changed_before_the_columns_are_written_changes_nothing():
    data = _frame()
    part = design("~ g + t", data, response="none").parts[0]
    expected = design("~ g + t", data.copy(), response="none").parts[0].values
    data["t"] = ~data["t"]
    data.loc[:, "g"] = "a"
    assert_array_equal(part.values, expected)


def test_no_cells_of_numbers_of_few_rows_or_of_as_many_cells():
    data = _frame()
    assert not isinstance(design("~ g + x", data, response="none").parts[0], CodedMatrix)
    assert design("~ g + h", data.head(400), response="none").parts[0].cells is None
    many = data.assign(k=pd.Categorical(np.arange(len(data)) % 1800))
    assert design("~ k", many, response="none").parts[0].cells is None
