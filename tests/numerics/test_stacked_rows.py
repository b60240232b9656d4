import numpy as np
import pytest

from statinf.numerics.linear.stacked import StackedRows


@pytest.mark.parametrize(
    "rows",
    [
        slice(0, 4),
        slice(2, 9),
        slice(5, 12),
        slice(7, 30),
        slice(None, None, 3),
        slice(1, None, 4),
        slice(3, 11, 2),
        slice(8, None, 5),
    ],
)
def test_rows_are_those_of_one_array(rows):
    whole = np.arange(36.0).reshape(12, 3)
    stacked = StackedRows(whole[:5], whole[5:])
    np.testing.assert_array_equal(stacked[rows], whole[rows])
    np.testing.assert_array_equal(np.asarray(stacked), whole)
    np.testing.assert_allclose(stacked @ np.array([1.0, -2.0, 0.5]), whole @ np.array([1.0, -2.0, 0.5]))
    assert stacked.shape == whole.shape and len(stacked) == 12 and stacked.size == 36
