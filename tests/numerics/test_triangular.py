"""Triangular systems against the general solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import LinAlgError

from statinf.numerics.linear.triangular import solve_triangular


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", ["N", "T"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4)])
def test_every_layout(order: str, lower: bool, trans: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    full = np.asarray(rng.normal(size=(6, 6)) + 5 * np.eye(6), order=order)  # type: ignore[call-overload]
    half = np.tril(full) if lower else np.triu(full)
    b = rng.normal(size=shape)
    before = b.copy()
    found = solve_triangular(full, b, lower=lower, trans=trans)
    np.testing.assert_allclose(found, np.linalg.solve(half.T if trans == "T" else half, b), rtol=1e-12)
    np.testing.assert_array_equal(b, before)
    part = solve_triangular(np.pad(full, 1)[1:-1, 1:-1], b.copy(order="F"), lower=lower, trans=trans)
    np.testing.assert_allclose(part, found, rtol=1e-14)


def test_what_has_no_solution() -> None:
    with pytest.raises(LinAlgError, match="entry 1"):
        solve_triangular(np.diag([1.0, 0.0, 2.0]), np.ones(3))
    with pytest.raises(ValueError, match="NaN"):
        solve_triangular(np.eye(2), np.array([np.nan, 1.0]))
    assert solve_triangular(np.empty((0, 0)), np.empty((0, 3))).shape == (0, 3)
    single = solve_triangular(np.eye(2, dtype=np.float32), np.ones(2, dtype=np.float32))
    assert single.dtype == np.float32
