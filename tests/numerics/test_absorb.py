"""Projections on the levels of factors against dense least squares on dummies."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.errors import ConvergenceError
from statinf.numerics.absorb.demean import Demeaner, effect_sums
from statinf.numerics.absorb.factors import Factors
from statinf.numerics.absorb.rows import informative_rows


def _codes(random: np.random.Generator, n: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
    return [np.unique(random.integers(0, size, n), return_inverse=True)[1] for size in sizes]


def _dummies(factors: Factors) -> np.ndarray:
    return np.hstack([np.eye(size)[code] for code, size in zip(factors.codes, factors.sizes, strict=True)])


@pytest.mark.parametrize("sizes", [(20,), (20, 15), (4, 30), (25, 8, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_projection_is_that_on_dummies(sizes, weighted):
    random = np.random.default_rng(1)
    factors = Factors.of(_codes(random, 200, sizes))
    columns = random.standard_normal((200, 11)) + 1e6
    weights = random.exponential(size=200) if weighted else None
    found = Demeaner(factors, weights, tol=1e-11)(columns)
    root = np.ones(200) if weights is None else np.sqrt(weights)
    dummies = _dummies(factors)
    inside = np.linalg.lstsq(dummies * root[:, None], (columns - 1e6) * root[:, None], rcond=None)[0]
    np.testing.assert_allclose(found.columns, columns - 1e6 - dummies @ inside, atol=1e-8)
    for j in range(11):
        back = found.columns[:, j] + effect_sums(factors, [e[:, j] for e in found.effects])
        np.testing.assert_allclose(back, columns[:, j], rtol=1e-14)
    rank, exact = factors.rank
    assert exact
    assert rank == np.linalg.matrix_rank(dummies)


@pytest.mark.parametrize("sizes", [(20, 15), (25, 8, 5)])
def test_factorised_equations_give_the_same(sizes, monkeypatch):
    random = np.random.default_rng(9)
    factors, weights = Factors.of(_codes(random, 200, sizes)), random.exponential(size=200)
    weights[factors.codes[1] == 1] = 0.0
    columns = random.standard_normal((200, 3))
    found = Demeaner(factors, weights, tol=1e-11)(columns)
    monkeypatch.setattr("statinf.numerics.absorb.demean._SLOW", 1)
    turned = Demeaner(factors, weights, tol=1e-11)(columns)
    assert turned.iterations < found.iterations
    some = weights > 0
    np.testing.assert_allclose(turned.columns[some], found.columns[some], atol=1e-9)


def test_what_is_no_number_is_refused():
    factors = Factors.of([np.array([0, 0, 1, 1])])
    with pytest.raises(ConvergenceError, match="no numbers"):
        Demeaner(factors)(np.array([[1.0], [np.nan], [2.0], [3.0]]))


def test_columns_that_effects_make_are_zero():
    random = np.random.default_rng(2)
    factors = Factors.of(_codes(random, 300, (40, 12)))
    made = random.standard_normal(40)[factors.codes[0]] + 1e5 * random.standard_normal(12)[factors.codes[1]]
    found = Demeaner(factors)(np.column_stack([made, random.standard_normal(300), np.ones(300)]))
    assert found.spanned.tolist() == [True, False, True]
    assert not found.columns[:, [0, 2]].any()


def test_rank_of_disconnected_and_nested_levels():
    first = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    second = np.array([0, 1, 1, 0, 2, 3, 3, 2])
    apart = Factors.of([first, second])
    assert apart.components[0] == 2
    assert apart.rank == (6, True)
    whole = Factors.of([first, first // 2])
    assert whole.rank == (4, True)
    assert whole.nested(first // 2) == (True, True)
    assert apart.nested(first) == (True, False)


def test_many_levels_of_three_factors_are_counted_from_above(monkeypatch):
    monkeypatch.setattr("statinf.numerics.absorb.factors._MOST_RANK", 0)
    factors = Factors.of(_codes(np.random.default_rng(3), 400, (60, 20, 10)))
    rank, exact = factors.rank
    assert not exact
    assert rank >= np.linalg.matrix_rank(_dummies(factors))


def test_slow_projections_converge_or_raise():
    # A chain: each level of one factor meets two of the other, so that means pass on one by one.
    n = 600
    factors = Factors.of([np.arange(n) // 2, (np.arange(n) + 1) // 2])
    columns = np.random.default_rng(4).standard_normal((n, 2)).cumsum(axis=0)
    found = Demeaner(factors, tol=1e-10)(columns)
    assert 50 < found.iterations < 70  # the equations are factorised after fifty steps
    dummies = _dummies(factors)
    left = columns - dummies @ np.linalg.lstsq(dummies, columns, rcond=None)[0]
    np.testing.assert_allclose(found.columns, left, atol=1e-6)
    with pytest.raises(ConvergenceError, match="did not converge in 3 steps"):
        Demeaner(factors, max_iter=3)(columns)


def test_rows_that_tell_nothing_leave_in_turn():
    first, second = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 2, 2])
    present = np.ones(6, bool)
    keep, alone, settled = informative_rows([first, second], present, singletons=True)
    # Row 0 is alone in its level of the second factor; then row 1 in its level of the first, and so on.
    assert keep.tolist() == [False, False, False, False, True, True]
    assert (sum(alone), sum(settled)) == (4, 0)
    zero = np.array([True, True, False, True, True, False])
    keep, alone, settled = informative_rows([first], present, singletons=False, ends=(zero,))
    assert keep.tolist() == [False, False, True, True, True, True]
    assert settled == [2]
